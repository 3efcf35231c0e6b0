"""What a user may choose about the demonstration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from argosy.samples import LANGUAGES

DEFAULT_SAMPLE = 96


@dataclass(frozen=True)
class DemoOptions:
    """Options of ``argosy demo``; the defaults fit two cores and ten minutes."""

    languages: Sequence[str] = LANGUAGES
    """One fine-tuning job for each, all on one base."""
    sample: int | None = None
    """Held-out requests the tuned model is asked, per language; the base, asked in four ways, gets a quarter of them
    each time, at least 24. Spread evenly over the three thirds. None is the default of 96."""
    out: Path = Path("out/demo")
    """Where report.html, report.json and the charts are written."""
    home: Path | None = None
    """State of the platform that is started; default ``out/home``, emptied first but for its models."""
    json: bool = False
    """Print the report as JSON on stdout at the end; progress then goes to stderr."""

    @property
    def tuned_sample(self) -> int:
        """How many held-out requests the tuned model is asked."""
        return DEFAULT_SAMPLE if self.sample is None else self.sample

    @property
    def base_sample(self) -> int:
        """How many of those the base model is asked, in each way."""
        return max(24, self.tuned_sample // 4)
