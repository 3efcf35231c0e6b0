"""A response as it is kept: what GET shows of it, and what a later one needs to go on from it."""

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True)
class StoredResponse:
    """One turn of a conversation."""

    id: str
    project_id: str
    previous_id: str | None
    created_at: int
    """Unix seconds."""
    input: str
    """JSON: the list of items that this turn brought."""
    body: str
    """JSON: the response object."""

    def conversation(self) -> list[dict[str, Any]]:
        """What this turn brought and what it answered, as items."""
        return [*self.input_items(), *msgspec.json.decode(self.body)["output"]]

    def input_items(self) -> list[dict[str, Any]]:
        """What this turn brought."""
        items: list[dict[str, Any]] = msgspec.json.decode(self.input)
        return items

    @property
    def size(self) -> int:
        """Characters in it, for who holds many."""
        return len(self.input) + len(self.body)
