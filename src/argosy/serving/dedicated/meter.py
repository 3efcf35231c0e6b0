"""Seconds that dedicated engines run, billed to their projects window by window.

Invariants: a window of an engine has one id, so it is charged once, however many workers meter and whoever is killed;
no engine is charged for a time at which it was not seen; what a killed worker had seen is charged by the next one.
"""

import logging
import threading

from argosy.billing import ENGINE, ENGINE_SECONDS, UsageEvent, current_prices, price_for, record
from argosy.core import now_us
from argosy.runtime import Database, Transaction
from argosy.serving.dedicated import store
from argosy.serving.route import version_of

WINDOW_US = 300_000_000
GRACE_US = 30_000_000
"""A window is billed so long after its end: a look at its engine that comes late still counts."""
_LOOK_S = 5.0
_AT_ONCE = 500
_SECOND_US = 1_000_000
_LOG = logging.getLogger(__name__)


class EngineMeter:
    """A chore of the worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, stop: threading.Event) -> None:
        """Look every few seconds until ``stop`` is set."""
        while not stop.wait(_LOOK_S):
            try:
                self.look(now_us())
            except Exception as error:  # the database may come back; what was not seen is not charged
                _LOG.warning("The time of dedicated engines was not metered: %s", type(error).__name__)

    def look(self, at_us: int) -> int:
        """See who runs at ``at_us``, and bill the windows that are over; says how many were billed just now."""
        with self._database.read() as tx:
            running = store.running(tx)
            due = store.windows_before(tx, (at_us - GRACE_US) // WINDOW_US, 1)
        if not (running or due):
            return 0
        with self._database.write() as tx:
            prices = current_prices(tx)
            for engine in running:
                price = price_for(prices, engine.model, engine.model)
                if price:
                    _see(tx, engine, at_us, price.id)
            return _bill(tx, (at_us - GRACE_US) // WINDOW_US)


def _see(tx: Transaction, engine: store.Running, at_us: int, price_version: str) -> None:
    window = at_us // WINDOW_US
    if store.extend(tx, engine, window, at_us):
        return
    begin_us, last_us = window * WINDOW_US, store.seen_until(tx, engine, window - 1)
    if last_us is not None and at_us - last_us <= GRACE_US:  # it ran on through the end of the window before
        store.extend(tx, engine, window - 1, begin_us)
        store.begin(tx, engine, window, begin_us, at_us, price_version)
    else:
        store.begin(tx, engine, window, at_us, at_us, price_version)


def _bill(tx: Transaction, before: int) -> int:
    """Post the windows before this one."""
    rows = store.windows_before(tx, before, _AT_ONCE)
    new = record(
        tx,
        [
            UsageEvent(
                id=f"eng_{row.replica_id}_{row.window}",
                project_id=row.project_id,
                key_id=None,
                kind=ENGINE,
                model=row.model,
                base_model=row.model,
                price_version=row.price_version,
                started_us=row.from_us,
                finished_us=max(row.from_us, row.to_us - 1),  # the end belongs to the next window, and day
                target=row.model,
                model_version=version_of(row.deployment_id, row.version),
                measured=ENGINE_SECONDS,
                measured_units=seconds,
            )
            for row in rows
            if (seconds := (row.to_us - row.from_us + _SECOND_US // 2) // _SECOND_US)
        ],
    )
    for row in rows:
        store.forget(tx, row.replica_id, row.window)
    return new
