"""Credits whose time has come are taken from their funds, but for what requests under way hold of them."""

import threading

import structlog

from argosy.billing import alerts
from argosy.billing.credits import store
from argosy.billing.funds import change_allowed
from argosy.core import now
from argosy.runtime import Database

_log = structlog.get_logger()
_EVERY_S = 10.0


class CreditSweeper:
    """A chore of the worker. Several may run at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, stop: threading.Event) -> None:
        """Sweep every few seconds until ``stop`` is set."""
        while not stop.is_set():
            try:
                self.sweep(now())
            except Exception as error:  # the database may come back
                _log.warning("credits.not_swept", error=type(error).__name__)
            stop.wait(_EVERY_S)

    def sweep(self, at: int) -> int:
        """Take what expired until ``at``, in unix seconds; says how many micro-units that was."""
        with self._database.read() as tx:
            due = store.funds_with_expired(tx, at)
        return sum(self._expire(fund_id, at) for fund_id in due)

    def _expire(self, fund_id: str, at: int) -> int:
        with self._database.write() as tx:
            taken = store.expire(tx, fund_id, at)
            total = sum(amount for _, amount in taken)
            if total:
                change_allowed(tx, fund_id, -total)
                alerts.notice(tx, {fund_id})
        for credit_id, amount in taken:
            _log.info("credit.expired", credit=credit_id, amount=amount)
        return total
