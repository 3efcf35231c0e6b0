"""Whether a model can fit this machine's memory, told from its card alone, before anything is downloaded."""

import os
from dataclasses import dataclass

from argosy.catalog import ModelCard
from argosy.core import Invalid

_Q4_BYTES, _Q4_WEIGHTS = 18, 32
"""A Q4_0 block: 32 weights of four bits and a scale of sixteen."""
_REQUESTS_SHARE = 8  # an eighth of the memory is for requests; see `argosy.serving.replicas.kv_context`


@dataclass(frozen=True)
class Estimate:
    """Bytes, each None where the card does not say enough."""

    weights_bytes: int | None
    """In the smallest form that engines here are given: Q4_0."""
    memory_bytes: int
    """What this machine leaves for weights."""

    @property
    def fits(self) -> bool | None:
        """None when the card does not say."""
        return None if self.weights_bytes is None else self.weights_bytes <= self.memory_bytes


def estimate(card: ModelCard) -> Estimate | None:
    """What the card lets one expect here; None for a provider's model, which needs no memory of ours."""
    if card.hosted:
        return None
    weights = card.parameters and -(-card.parameters // _Q4_WEIGHTS) * _Q4_BYTES
    return Estimate(weights, memory_bytes() * (_REQUESTS_SHARE - 1) // _REQUESTS_SHARE)


def require_room(card: ModelCard) -> None:
    """Raise Invalid, with both sizes, for a model that cannot fit this machine in any form."""
    expected = estimate(card)
    if expected is not None and expected.fits is False:
        needed, there = (expected.weights_bytes or 0) / 2**30, expected.memory_bytes / 2**30
        raise Invalid(
            f"'{card.name}' does not fit this machine: its weights take {needed:,.1f} GiB at four bits each, and "
            f"{there:,.1f} GiB are there for weights. "
            "'argosy models --fits' lists what fits.",
            code="model_too_large",
            param="model",
        )


def memory_bytes() -> int:
    """The machine's memory, or less where this process's control group may not have all of it."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            return min(found, int(file.read()))
    except (OSError, ValueError):  # no control group, or "max"
        return found
