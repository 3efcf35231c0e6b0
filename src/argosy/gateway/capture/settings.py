"""What all projects want kept, in memory, as it was at the last `refresh`."""

from collections.abc import Mapping

from argosy.gateway.capture.spec import CaptureSpec
from argosy.gateway.capture.store import all_specs
from argosy.runtime import Database, read_version


class CaptureSettings:
    """Of one API process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = -1
        self._specs: Mapping[str, CaptureSpec] = {}

    def of(self, project_id: str) -> CaptureSpec | None:
        """None: the project captures nothing."""
        return self._specs.get(project_id)

    def refresh(self) -> bool:
        """Load them again if anything was changed since the last time; says whether it did."""
        with self._database.read() as tx:
            version = read_version(tx)  # first, so that a change between the reads is never missed
            if version == self._version:
                return False
            self._specs, self._version = all_specs(tx), version
        return True
