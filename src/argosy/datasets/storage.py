"""What projects store, hour by hour: mebibytes times hours of the files that they uploaded or were given.

An hour is counted when it is over, from when each file came and went, so it does not matter when that is, or who does
it. Invariants: an hour of a project has one id, and is charged once; hours are counted in order and none is left out.
"""

import logging
import threading

from argosy.billing import STORAGE, STORAGE_MIB_HOURS, UsageEvent, meter_mark, move_meter_mark, record, storage_price
from argosy.core import now_us
from argosy.datasets.store import stored_byte_seconds
from argosy.runtime import Database

HOUR_US = 3_600_000_000
_HOUR_S = 3_600
_MIB = 1 << 20
_LOOK_S = 60.0
_LOG = logging.getLogger(__name__)


class StorageMeter:
    """A chore of the worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, stop: threading.Event) -> None:
        """Look every minute until ``stop`` is set."""
        while not stop.is_set():
            try:
                while self.count_hour(now_us()) and not stop.is_set():
                    pass
            except Exception as error:  # the database may come back: hours that are over can still be counted
                _LOG.warning("Storage was not metered: %s", type(error).__name__)
            stop.wait(_LOOK_S)

    def count_hour(self, at_us: int) -> bool:
        """Count the next hour that is over at ``at_us``; False if there is none. A platform's first one is the one in
        which it is first asked.
        """
        hour = at_us // HOUR_US
        with self._database.read() as tx:
            mark = meter_mark(tx, STORAGE)
        if mark is not None and mark // HOUR_US >= hour:
            return False
        with self._database.write() as tx:
            mark = meter_mark(tx, STORAGE)
            price = storage_price(tx)
            if mark is None:
                move_meter_mark(tx, STORAGE, hour * HOUR_US)
                return False
            counted = mark // HOUR_US
            if counted >= hour or price is None:  # without any price there is no currency: these hours wait
                return False
            start_s = counted * _HOUR_S
            stored = stored_byte_seconds(tx, start_s, start_s + _HOUR_S)
            record(
                tx,
                [
                    UsageEvent(
                        id=f"sto_{project_id}_{counted}",
                        project_id=project_id,
                        key_id=None,
                        kind=STORAGE,
                        model=STORAGE,
                        base_model=STORAGE,
                        price_version=price,
                        started_us=counted * HOUR_US,
                        finished_us=(counted + 1) * HOUR_US - 1,
                        measured=STORAGE_MIB_HOURS,
                        measured_units=-(-byte_seconds // (_MIB * _HOUR_S)),
                    )
                    for project_id, byte_seconds in stored.items()
                ],
            )
            move_meter_mark(tx, STORAGE, (counted + 1) * HOUR_US)
        return True
