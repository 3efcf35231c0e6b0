"""Delivering messages to webhooks: signed, tried again for up to a day, none keeping the others waiting.

Invariants: a message is delivered at least once, or marked failed; to one webhook one message goes at a time; nothing
of what a receiver answers is kept but its status.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from argosy.billing.webhooks import store
from argosy.billing.webhooks.signing import signed_headers
from argosy.billing.webhooks.store import Due
from argosy.core import ArgosyError, now
from argosy.runtime import Database, Vault, egress

_log = structlog.get_logger()
_LOOK_S = 1.0
_AT_ONCE = 16
_CLAIM_S = 60
"""Longer than an attempt may take: a message whose worker died is taken up by another one after this."""
_GIVE_UP_S = 86_400
_BACK_OFF_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600)
"""After each attempt that failed; the last one again and again."""
_GONE = 410
"""The receiver says that it will never want anything again."""


class Deliverer:
    """A chore of the worker. Several may run at once."""

    def __init__(self, database: Database, vault: Vault, clock: Callable[[], int] = now) -> None:
        self._database, self._vault, self._clock = database, vault, clock
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._look = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Deliver what is due until ``stop`` is set; what is under way then may be delivered once more, later."""
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhooks")
        try:
            while not stop.is_set():
                self._look.clear()
                try:
                    for due in self._claim():
                        pool.submit(self._attend, due)
                except Exception as error:  # the database may come back
                    _log.warning("webhooks.not_read", error=type(error).__name__)
                self._look.wait(_LOOK_S)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def deliver_due(self) -> int:
        """Attempt what is due now, one after the other; says how many that were."""
        found = self._claim()
        for due in found:
            self._attend(due)
        return len(found)

    def _claim(self) -> list[Due]:
        with self._lock:
            busy = set(self._busy)
        if len(busy) >= _AT_ONCE:
            return []
        at = self._clock()
        with self._database.read() as tx:
            if not store.anything_due(tx, at):
                return []
        with self._database.write() as tx:
            found = store.claim_due(tx, at, at + _CLAIM_S, busy, _AT_ONCE - len(busy))
        with self._lock:
            self._busy.update(due.webhook.id for due in found)
        return found

    def _attend(self, due: Due) -> None:
        try:
            answered, error = self._attempt(due)
            status, next_at = self._verdict(due, answered)
            with self._database.write() as tx:
                store.record_attempt(tx, due, status, next_at, answered, error)
            if status != "delivered":
                _log.warning("webhook.not_delivered", message=due.id, attempts=due.attempts, status=status)
        except Exception as error:  # it is due again when its claim runs out
            _log.warning("webhook.not_recorded", message=due.id, error=type(error).__name__)
        finally:
            with self._lock:
                self._busy.discard(due.webhook.id)
            self._look.set()

    def _attempt(self, due: Due) -> tuple[int | None, str]:
        """The status of the answer, and what is wrong with it, in words."""
        body = due.body.encode()
        try:
            secret = self._vault.open(due.secret, due.webhook.purpose)
            headers = {"Content-Type": "application/json", **signed_headers(secret, due.id, self._clock(), body)}
            answered = egress.post(due.webhook.url, body, headers, private=due.webhook.private)
        except ArgosyError as error:
            return None, error.message
        if 300 <= answered < 400:
            return answered, f"It answered {answered}: redirects are not followed. Give the webhook its final address."
        return answered, "" if 200 <= answered < 300 else f"It answered {answered}."

    def _verdict(self, due: Due, answered: int | None) -> tuple[str, int]:
        """What the message is now, and when it is due again."""
        at = self._clock()
        if answered is not None and 200 <= answered < 300:
            return "delivered", at
        if answered == _GONE or at - due.created_at >= _GIVE_UP_S:
            return "failed", at
        delay = _BACK_OFF_S[min(due.attempts, len(_BACK_OFF_S)) - 1]
        return "pending", min(at + delay, max(due.created_at + _GIVE_UP_S, at + 1))
