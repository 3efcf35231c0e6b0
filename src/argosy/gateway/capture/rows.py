"""What is kept of a request, and what somebody said of it, as they lie in the database."""

from dataclasses import dataclass, field, replace
from typing import Literal

RatingFilter = Literal["up", "down", "neutral", "any", "none"]
"""By the mean of a request's ratings: above 0, below 0, 0; rated at all, or not."""


@dataclass(frozen=True)
class CaptureRow:
    """One captured request. Times are Unix seconds."""

    id: str
    project_id: str
    key_id: str
    created_at: int
    model: str
    """As it was asked for: a model, an alias or a route."""
    served_by: str
    """The model that answered."""
    kind: str
    outcome: str
    """``complete``, or ``cached`` for a kept answer."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    sealed: bytes = field(repr=False)
    rating: float | None = None
    corrected: bool = False
    """Whether any key gave a correction."""

    @property
    def purpose(self) -> str:
        """What it is sealed for: it opens as this project's this request only."""
        return f"capture {self.project_id} {self.id}"

    def with_sealed(self, sealed: bytes) -> "CaptureRow":
        """The same with its content."""
        return replace(self, sealed=sealed)


@dataclass(frozen=True)
class FeedbackRow:
    """What the holder of one key said of one request."""

    project_id: str
    request_id: str
    key_id: str
    rating: float
    corrects: bool
    created_us: int
    sealed: bytes = field(repr=False)

    @property
    def purpose(self) -> str:
        """What it is sealed for."""
        return feedback_purpose(self.project_id, self.request_id, self.key_id)


@dataclass(frozen=True)
class Wanted:
    """Which captured requests to list."""

    model: str | None = None
    """As asked for, or as it answered."""
    since: int | None = None
    until: int | None = None
    """Unix seconds: from the first on, before the second."""
    rating: RatingFilter | None = None


def feedback_purpose(project_id: str, request_id: str, key_id: str) -> str:
    """What the words of a piece of feedback are sealed for."""
    return f"feedback {project_id} {request_id} {key_id}"
