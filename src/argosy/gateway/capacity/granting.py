"""Grants what waits when there is more capacity: more replicas, a faster form, another limit lowered elsewhere."""

import structlog

from argosy.gateway.capacity.store import all_waiting
from argosy.gateway.capacity.waitlist import grantable, settle
from argosy.runtime import Database, read_version

_log = structlog.get_logger()


class Granting:
    """Looks at the line when the configuration has changed. Every API process does: whoever is second finds nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = -1
        self._failing = False

    def refresh(self) -> bool:
        """Grant what there is capacity for, if anything has changed; says whether anything was granted.

        Raises what the database raises when it is read; a grant that fails is tried again, and keeps nobody else back.
        """
        with self._database.read() as tx:
            version = read_version(tx)
            if version == self._version:
                return False
            waits = bool(all_waiting(tx))
        granted = 0
        try:
            if waits:
                granted = self._grant()
        except Exception as error:
            if not self._failing:
                _log.warning("waitlist.unsettled", error=type(error).__name__)
            self._failing = True
            return False
        self._version, self._failing = version, False
        return bool(granted)

    def _grant(self) -> int:
        with self._database.read() as tx:
            if not grantable(tx):
                return 0
        with self._database.write() as tx:
            return settle(tx)
