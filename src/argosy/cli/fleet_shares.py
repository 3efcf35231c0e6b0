"""What owners of models get, as a fleet file declares it: the members of PUT /v1/shares, by the model's name."""

from collections.abc import Mapping
from typing import Any

import msgspec


class TierEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A percentage of a month's revenue above a threshold in micro-units."""

    above: int
    basis_points: int


class ShareEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share. Amounts are micro-units."""

    owner: str
    owner_name: str
    currency: str
    basis_points: int = 0
    per_million_tokens: int = 0
    minimum: int = 0
    tiers: list[TierEntry] = []
    effective_from: int | None = None
    effective_until: int | None = None
    note: str = ""


def share_body(model: str, entry: ShareEntry) -> dict[str, Any]:
    """What is put. A beginning that the file leaves out is not said, so that an agreement that holds goes on."""
    said: dict[str, Any] = msgspec.to_builtins(entry)
    if entry.effective_from is None:
        del said["effective_from"]
    return {"model": model, **said}


def share_differences(entry: ShareEntry, there: Mapping[str, Any] | None) -> list[str]:
    """The members that the latest version has otherwise; none if there is no version."""
    if there is None:
        return []
    return [name for name, value in share_body(there["model"], entry).items() if value != there[name]]
