"""A journal that keeps nothing, to measure against: what a gateway without metering would do."""

import asyncio
from pathlib import Path
from typing import Any

from argosy.billing import Intent, UsageEvent


class DroppingJournal:
    """Says yes to every intent at once. Only for measurements."""

    unshipped = open_requests = outcome_count = 0

    def __init__(self, parent: Path, **_: Any) -> None:
        self.parent = self.folder = parent
        self._done: asyncio.Future[None] | None = None

    def intent(self, _: Intent) -> "asyncio.Future[None]":
        """Safe, it says."""
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
            self._done.set_result(None)
        return self._done

    def progress(self, id_: str, delivered_tokens: int) -> None:
        """Nothing."""

    def outcome(self, _: UsageEvent) -> None:
        """Nothing."""

    def void(self, id_: str) -> None:
        """Nothing."""

    def take(self, _: int) -> list[UsageEvent]:
        """Nothing."""
        return []

    def shipped(self, count: int) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
