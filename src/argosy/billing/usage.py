"""What a meter says: an intent before the work, a usage event after it.

Invariants: both are immutable; a usage event's id is the id of the request or job, so that every copy of it, whoever
writes or replays it, is the same event. Both are stored as arrays: new fields go to the end and have a default.
"""

import msgspec

from argosy.core import PERCENT

TRAINING = "training"
"""The kind of a fine-tuning job's usage."""
ENGINE, STORAGE = "engine", "storage"
"""The kinds of what is metered by the clock: engines that stand ready for one project, and what is stored."""
NOT_REQUESTS = (TRAINING, ENGINE, STORAGE)
"""Kinds of usage that no request made."""
ENGINE_SECONDS, STORAGE_MIB_HOURS = "engine_seconds", "storage_mib_hours"
IMAGES, CHARACTERS = "images", "characters"
PER_REQUEST = (IMAGES, CHARACTERS)
"""What requests are counted by besides tokens, one of them or none, where their price or their provider's says so:
images that the request brings, or the characters of what it brings and of what is answered."""
MEASURED = (ENGINE_SECONDS, STORAGE_MIB_HOURS, *PER_REQUEST)
"""What is counted besides tokens: seconds that an engine ran, mebibytes (2**20 bytes) stored for an hour, and
`PER_REQUEST`. A price is micro-units per million of them."""


class Intent(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="intent"):
    """A request that is about to be dispatched. Durable before its first byte goes out."""

    id: str
    project_id: str
    key_id: str | None
    kind: str
    model: str
    base_model: str
    price_version: str
    prompt_estimate: int
    """Tokens of the prompt by our own count: charged only if the platform dies and the engine's count is lost."""
    started_us: int
    route: str = ""
    """The route by whose name it was asked for; empty if it was the model's own."""
    discount: int = 0
    """Percent off the price: pinned here, as the price is."""
    batch_id: str | None = None
    """The batch whose line this is. Its id is the line's, so that a line that runs again is charged once; and it is
    charged only when it is answered: nothing of it is delivered before."""
    tags: str = ""
    """The caller's ``metadata``, as JSON; empty without."""
    fund: str = ""
    """The prepaid fund that pays for it, pinned as the price is; empty if it is owed."""
    held: str = ""
    """The funds, by id with spaces between, of which money is held for it until it is posted."""
    cost_version: str = ""
    """What the provider asks that it goes to, pinned as the price is; empty for an engine of ours, and where the cost
    is not known."""
    measured: str = ""
    """Which of `PER_REQUEST` it is counted by besides tokens; empty for most."""
    measured_units: int = 0
    """How many of them it brings."""

    def ended(
        self,
        outcome: str,
        finished_us: int,
        *,
        prompt: int,
        completion: int,
        cached: int = 0,
        estimated: bool = False,
        attempts: int = 1,
        saved_prompt: int = 0,
        saved_completion: int = 0,
        reasoning: int = 0,
        target: str = "",
        model_version: str = "",
        first_token_us: int = 0,
        measured_units: int | None = None,
    ) -> "UsageEvent":
        """What became of it: the usage event that carries on its id, its names and its price. Counts are tokens, but
        for ``measured_units``: None for as many as it brought.
        """
        return UsageEvent(
            id=self.id,
            project_id=self.project_id,
            key_id=self.key_id,
            kind=self.kind,
            model=self.model,
            base_model=self.base_model,
            price_version=self.price_version,
            started_us=self.started_us,
            finished_us=finished_us,
            prompt_tokens=prompt,
            cached_tokens=cached,
            completion_tokens=completion,
            estimated=estimated,
            outcome=outcome,
            route=self.route,
            attempts=attempts,
            discount=self.discount,
            batch_id=self.batch_id,
            saved_prompt_tokens=saved_prompt,
            saved_completion_tokens=saved_completion,
            reasoning_tokens=reasoning,
            target=target,
            model_version=model_version,
            first_token_us=first_token_us,
            tags=self.tags,
            fund=self.fund,
            held=self.held,
            cost_version=self.cost_version,
            measured=self.measured,
            measured_units=self.measured_units if measured_units is None else measured_units,
        )


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="usage"):
    """What one request or job used. Raises ValueError if a count is negative: unknown is not a number; and for
    a discount that is no percentage."""

    id: str
    """``req_...`` or the id of the job: the key under which it is posted once."""
    project_id: str
    key_id: str | None
    kind: str
    """``chat.completion``, ``completion``, ``training``, ``engine``, ``storage``..."""
    model: str
    """The model that was asked for, the target that a route led to, or the base that was trained."""
    base_model: str
    price_version: str
    """The price that was valid when the work started."""
    started_us: int
    finished_us: int
    prompt_tokens: int = 0
    """All tokens of the prompt, the cached ones among them."""
    cached_tokens: int = 0
    completion_tokens: int = 0
    training_tokens: int = 0
    estimated: bool = False
    """Whether the counts are our own because the engine's were lost."""
    outcome: str = "complete"
    """``complete``, ``cached``, ``client_gone``, ``upstream_cut``, ``recovered``..."""
    route: str = ""
    """As on the intent."""
    attempts: int = 1
    """Replicas and providers that it was sent to until one answered."""
    discount: int = 0
    """Percent off the price."""
    batch_id: str | None = None
    """The batch whose line this was."""
    saved_prompt_tokens: int = 0
    """Tokens of a kept answer, outcome ``cached``, that were not computed again and are not charged."""
    saved_completion_tokens: int = 0
    target: str = ""
    """Who answered: a deployment's or a provider's name."""
    model_version: str = ""
    """Which version of the model that was."""
    first_token_us: int = 0
    """Microseconds from ``started_us`` to the first of the answer that could go out; 0 where there was none."""
    reasoning_tokens: int = 0
    """Those of the completion's tokens that were reasoning, where the engine says so."""
    tags: str = ""
    """The caller's ``metadata``, as JSON; empty without."""
    fund: str = ""
    """The prepaid fund that pays for it; empty if it is owed."""
    held: str = ""
    """As on the intent. Only for posting: no column holds it."""
    cost_version: str = ""
    """What the provider asked that answered, pinned as the price is."""
    measured: str = ""
    """What else was counted: one of `argosy.billing.MEASURED`; empty for tokens alone."""
    measured_units: int = 0

    def __post_init__(self) -> None:
        if (
            self.prompt_tokens < 0
            or self.cached_tokens < 0
            or self.completion_tokens < 0
            or self.training_tokens < 0
            or self.saved_prompt_tokens < 0
            or self.saved_completion_tokens < 0
            or self.reasoning_tokens < 0
            or self.measured_units < 0
        ):
            raise ValueError(f"the usage event {self.id} has a negative count")
        if not 0 <= self.discount <= PERCENT:
            raise ValueError(f"the usage event {self.id} has a discount of {self.discount} percent")
