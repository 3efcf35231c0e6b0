"""Usage events into the database, whatever state it and they are in.

Invariants: no event is dropped: it is posted, or the call raises because the database is out of reach, or it cannot be
posted at all and is written to ``rejected/``, with an error in the log, without keeping the others back.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from argosy.billing.frames import encode
from argosy.billing.meter import record
from argosy.billing.usage import UsageEvent
from argosy.runtime import Database, is_outage

BATCH = 500
_log = logging.getLogger(__name__)


def post_events(database: Database, events: Sequence[UsageEvent], rejected: Path, holder: str = "") -> int:
    """Record the events in one transaction, or one by one if that fails for a reason of their own; returns how many
    were new. ``holder`` is as `record` takes it.

    Raises the database's own error when it is out of reach: nothing is lost, and trying again is safe.
    """
    try:
        with database.write() as tx:
            return record(tx, events, holder)
    except Exception as error:
        if is_outage(error):
            raise
    return sum(_post_one(database, event, rejected, holder) for event in events)


def _post_one(database: Database, event: UsageEvent, rejected: Path, holder: str) -> int:
    try:
        with database.write() as tx:
            return record(tx, [event], holder)
    except Exception as error:
        if is_outage(error):
            raise
        _log.error("Usage %s cannot be posted and is kept in %s: %s", event.id, rejected, error)
        rejected.mkdir(parents=True, exist_ok=True)
        (rejected / f"{event.id}.frame").write_bytes(encode(event))
        return 0
