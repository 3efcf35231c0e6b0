"""Whether answers are kept: what a request says, else what its project says, else no."""

from collections.abc import Mapping
from typing import Literal, get_args

from argosy.gateway.cache.store import all_modes
from argosy.runtime import Database, read_version

Mode = Literal["off", "on", "force"]
"""``on`` keeps answers in which nothing is drawn at random, ``force`` those too."""
MODES: tuple[str, ...] = get_args(Mode)


class CacheModes:
    """What all projects said, in memory, as it was at the last `refresh`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = -1
        self._modes: Mapping[str, str] = {}

    def of(self, project_id: str) -> str:
        """One of `MODES`."""
        return self._modes.get(project_id, "off")

    def refresh(self) -> bool:
        """Load them again if anything was changed since the last time; says whether it did."""
        with self._database.read() as tx:
            version = read_version(tx)  # first, so that a change between the reads is never missed
            if version == self._version:
                return False
            self._modes, self._version = all_modes(tx), version
        return True
