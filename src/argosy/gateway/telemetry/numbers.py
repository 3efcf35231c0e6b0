"""All that this process has counted, by model. Plain integers: whoever looks makes rates and percentiles of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from argosy.core.histogram import TOKENS_PER_S, Histogram
from argosy.gateway.telemetry.report import Report
from argosy.serving import Route

MODELS_MAX = 1000
"""Models that are counted on their own; those that come after them are counted with the model they are tuned from."""

_TOOK_MS_MIN = 1.0
"""A streamed answer that came all at once, such as a tool call, has no speed."""


@dataclass(slots=True)
class ModelNumbers:
    """One model."""

    base_model: str
    project_id: str | None = None
    """Whose it is; None is everyone's."""
    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """By code."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    first_byte: Histogram = field(default_factory=Histogram)
    """Seconds to the first byte of a streamed answer."""
    whole: Histogram = field(default_factory=Histogram)
    """Seconds to an answer that came at once."""
    speed: Histogram = field(default_factory=lambda: Histogram(TOKENS_PER_S))
    """Tokens per second of streamed answers, from their first byte on."""

    def count(self, report: Report) -> None:
        """Add one request."""
        self.requests += 1
        self.prompt_tokens += report.prompt_tokens
        self.cached_tokens += report.cached_tokens
        self.completion_tokens += report.completion_tokens
        if report.error:
            self.errors[report.error] += 1
        if report.status == 200 and report.first_byte_ms is not None:
            (self.first_byte if report.stream else self.whole).observe(report.first_byte_ms / 1000)
            took_ms = report.total_ms - report.first_byte_ms
            if report.stream and report.completion_tokens > 1 and took_ms >= _TOOK_MS_MIN:
                self.speed.observe((report.completion_tokens - 1) * 1000 / took_ms)

    def add(self, other: "ModelNumbers") -> None:
        """Add all that another one has counted."""
        self.requests += other.requests
        self.errors.update(other.errors.copy())  # requests go on meanwhile, in another thread
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.completion_tokens += other.completion_tokens
        for mine, theirs in (
            (self.first_byte, other.first_byte), (self.whole, other.whole), (self.speed, other.speed),
        ):  # fmt: skip
            mine.add(theirs)


@dataclass(slots=True)
class Numbers:
    """One process."""

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """By code, those of requests that led to no model among them."""
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a model's engine or provider was asked, by base model and result."""
    models: dict[str, ModelNumbers] = field(default_factory=dict)
    """By name. Only models that exist get here, never names that clients make up."""

    def count(self, report: Report, led_to: Route | None) -> None:
        """Add one request, and the model that it led to."""
        self.requests += 1
        if report.error:
            self.errors[report.error] += 1
        if led_to is not None:
            found = self.models.get(led_to.model)
            (found or self._new(led_to)).count(report)

    def _new(self, route: Route) -> ModelNumbers:
        if len(self.models) < MODELS_MAX:
            return self.models.setdefault(route.model, ModelNumbers(route.base_model, route.project_id))
        return self.models.setdefault(route.base_model, ModelNumbers(route.base_model))

    def by(self, name: Callable[[str, ModelNumbers], str]) -> dict[str, ModelNumbers]:
        """The models' numbers, added up under the names that ``name`` gives them."""
        found: dict[str, ModelNumbers] = {}
        for model, numbers in list(self.models.items()):
            found.setdefault(name(model, numbers), ModelNumbers(numbers.base_model)).add(numbers)
        return found
