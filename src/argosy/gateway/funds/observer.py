"""Whether other holders of leases are still there. No clocks are compared: a beat that stands still is what tells."""

from collections.abc import Callable

import structlog

from argosy.billing.funds.leases import BEAT_S, TTL_S, forget, standing
from argosy.runtime import Database

_log = structlog.get_logger()
_BLIND_S = 4 * BEAT_S
"""After not having looked for so long, nothing is known: holders may not have reached the database either."""


class Observer:
    """Ends the leases of holders whose beat stood still for `TTL_S` of this process's time, as it saw itself."""

    def __init__(self, holder: str, clock: Callable[[], float]) -> None:
        self._holder, self._clock = holder, clock
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}
        self._looked_at = clock()

    def look(self, database: Database) -> None:
        """Look, every few seconds. Raises what the database raises."""
        now = self._clock()
        blind = now - self._looked_at > _BLIND_S
        if now - self._looked_at < BEAT_S:
            return
        with database.read() as tx:
            found = standing(tx)
        self._looked_at = now
        seen = {} if blind else self._seen
        self._seen = {
            lease: seen[lease] if lease in seen and seen[lease][0] == beat else (beat, now)
            for lease, beat in found.items()
            if lease[1] != self._holder
        }
        for (fund_id, holder), (beat, since) in self._seen.items():
            if now - since >= TTL_S:
                with database.write() as tx:
                    if forget(tx, fund_id, holder, beat):
                        _log.warning("funds.lease_ended", fund=fund_id, holder=holder)
