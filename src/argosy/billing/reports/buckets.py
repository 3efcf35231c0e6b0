"""Usage and costs in buckets of time.

Invariants: every event of the asked time is in exactly one bucket; buckets end on whole minutes, hours or days of UTC,
and the first and the last one are cut to the time that was asked for; amounts are sums of what was charged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from argosy.billing.rating import QUANTITIES
from argosy.billing.reports import store
from argosy.runtime import Transaction

GROUPS = ("project_id", "key_id", "model", "batch", "measured")
"""What results can be grouped by, besides ``metadata.NAME``. ``batch``: whether it was a line of one; ``measured``:
what was counted besides tokens.
"""


_TOLD = ("requests", "answered", "reasoning_tokens", "request_tokens")


@dataclass(frozen=True)
class Question:
    """Which usage, and how it is to be cut up. Times are unix seconds; ``end_time`` is not included."""

    start_time: int
    end_time: int
    width_s: int
    limit: int
    """Buckets at most."""
    group_by: tuple[str, ...] = ()
    """Some of `GROUPS`, and ``metadata.NAME`` for what callers said."""
    only: Mapping[str, Sequence[str] | Sequence[bool]] = field(default_factory=dict)
    """Values that are wanted, by column of the usage events or ``metadata.NAME``."""
    without: tuple[str, ...] = ()
    """Kinds of usage that are left out."""


@dataclass(frozen=True)
class Totals:
    """Sums over some events."""

    group: Mapping[str, str | bool | None]
    currency: str
    events: int
    units: Mapping[str, int]
    """By quantity, see `argosy.billing.QUANTITIES`."""
    amounts: Mapping[str, int]
    """Micro-units, by quantity."""
    saved: Mapping[str, int]
    """What kept answers saved: ``prompt_tokens``, ``completion_tokens``, and their ``amount`` in micro-units."""
    requests: int = 0
    """Events that requests made."""
    answered: int = 0
    """Those of them that got their whole answer."""
    reasoning_tokens: int = 0
    request_tokens: int = 0
    """Of the requests, prompts and answers together."""

    @property
    def cost(self) -> int:
        """What all of it costs, in micro-units."""
        return sum(self.amounts.values())


@dataclass(frozen=True)
class Bucket:
    """A piece of time, and what was used in it."""

    start_time: int
    end_time: int
    results: tuple[Totals, ...]


def report(
    tx: Transaction, project_ids: Sequence[str], question: Question, *, training: bool
) -> tuple[list[Bucket], int | None]:
    """The buckets, empty ones too, and the time at which the next page begins, if there is more.

    ``training`` says whether jobs count, and what is metered by the clock, or requests alone.
    """
    width_s, first = question.width_s, question.start_time // question.width_s
    last = (question.end_time - 1) // width_s
    past = min(first + question.limit, last + 1)
    end = min(question.end_time, past * width_s)
    tags = tuple(dict.fromkeys(name for name in question.group_by if name.startswith(store.TAG)))
    group_by = tuple(name for name in GROUPS if name in question.group_by) + tags
    by_bucket: dict[int, list[Totals]] = {}
    for row in store.sums(tx, project_ids, question, group_by, end=end, training=training):
        by_bucket.setdefault(row.bucket, []).append(
            Totals(
                {name: getattr(row, f"group_{number}") for number, name in enumerate(group_by)},
                row.currency,
                int(row.events),
                {name: int(getattr(row, name)) for name in QUANTITIES},
                {name: int(getattr(row, f"{name}_amount")) for name in QUANTITIES},
                {name: int(getattr(row, f"saved_{name}")) for name in store.SAVED},
                **{name: int(getattr(row, name)) for name in _TOLD},
            )
        )
    buckets = [
        Bucket(max(n * width_s, question.start_time), min((n + 1) * width_s, end), tuple(by_bucket.get(n, ())))
        for n in range(first, past)
    ]
    return buckets, (end if past <= last else None)
