"""The captured requests of one API process: put together, redacted, sealed and written in a thread, many at a time.

Invariants: nothing that fails here fails a request or holds it up; nothing is written that was not redacted; what waits
is bounded. What cannot be kept is dropped and counted.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from argosy.core import Unavailable
from argosy.gateway.cache.fold import NotPlain
from argosy.gateway.cache.heard import Heard
from argosy.gateway.capture.record import record
from argosy.gateway.capture.rows import CaptureRow
from argosy.gateway.capture.settings import CaptureSettings
from argosy.gateway.capture.spec import CaptureSpec
from argosy.gateway.capture.store import add_captures
from argosy.gateway.trip import Call
from argosy.redaction.redactor import Redactor, TooSlow
from argosy.runtime import Database, Vault

_log = structlog.get_logger()
RECORD_BYTES_MAX = 1 << 20
"""A request, or an answer, that is longer is not kept."""
_WAITING_MAX = 1024
_WAITING_BYTES_MAX = 64 << 20
_AT_ONCE = 64
_GATHER_S = 0.1
"""How long the first of a batch waits for others: what a kill may lose."""
_SLOW_MAX = 3
"""Requests in a row whose redaction took too long; then the project waits until its settings are changed."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    call: Call
    answer: bytes | Heard
    spec: CaptureSpec

    @property
    def size(self) -> int:
        answer = self.answer.size if isinstance(self.answer, Heard) else len(self.answer)
        return len(self.call.request.body) + answer


class Capture:
    """One per API process."""

    def __init__(self, database: Database, vault: Vault, redactor: Redactor) -> None:
        self.settings, self.redactor, self.vault = CaptureSettings(database), redactor, vault
        self.counts: Counter[str] = Counter()
        """What became of the requests that were to be kept: kept; or not: unwanted (switched off or deleted
        meanwhile, or there already), too_large, not_plain, too_slow, dropped (too many wait), failed."""
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._size = self._added = self._done = 0
        self._changed = threading.Condition()
        self._stopping = self._hurry = self._failing = False
        self._thread: threading.Thread | None = None
        self._slow: dict[str, tuple[CaptureSpec, int]] = {}

    def listen(self) -> Heard:
        """For a streamed answer that is to be kept."""
        return Heard(RECORD_BYTES_MAX)

    def keep(self, call: Call, answer: bytes | Heard) -> None:
        """A request was answered to its end. Returns at once."""
        spec = self.settings.of(call.project_id)
        if spec is None:
            return
        one = _Waiting(call, answer, spec)
        too_long = answer.too_long if isinstance(answer, Heard) else len(answer) > RECORD_BYTES_MAX
        if too_long or len(call.request.body) > RECORD_BYTES_MAX:
            self.counts["too_large"] += 1
            return
        with self._changed:
            if len(self._waiting) >= _WAITING_MAX or self._size + one.size > _WAITING_BYTES_MAX or self._stopping:
                self.counts["dropped"] += 1
                return
            self._waiting.append(one)
            self._size += one.size
            self._added += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that is to be kept so far is written or dropped; says whether it is. Blocks."""
        with self._changed:
            added, self._hurry = self._added, True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._done >= added, timeout_s)

    def stop(self) -> None:
        """Write what is waiting, for some seconds at most, and end. Blocks."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(5)
        self.redactor.stop()

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._write(batch)
            except Exception as error:  # of one batch; the next one may go better
                self._report(error, len(batch))
            finally:
                with self._changed:
                    self._done += len(batch)
                    self._changed.notify_all()

    def _next(self) -> list[_Waiting]:
        """Those to be written together; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            self._changed.wait_for(lambda: self._hurry or self._stopping or len(self._waiting) >= _AT_ONCE, _GATHER_S)
            batch = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            self._size -= sum(one.size for one in batch)
            self._hurry = self._hurry and bool(self._waiting)
        return batch

    def _write(self, batch: list[_Waiting]) -> None:
        rows: dict[str, list[tuple[CaptureRow, int]]] = {}
        for one in batch:
            for row in self._sealed(one):
                rows.setdefault(one.call.project_id, []).append((row, one.call.meter.intent.started_us))
        for project_id, found in rows.items():
            try:
                with self._database.write() as tx:
                    kept = add_captures(tx, project_id, found)
            except Exception as error:
                self._report(error, len(found))
            else:
                self._failing = False
                self.counts["kept"] += kept
                self.counts["unwanted"] += len(found) - kept

    def _sealed(self, one: _Waiting) -> Iterator[CaptureRow]:
        """The row of a request, none if it cannot be made."""
        call, (usage, _) = one.call, one.call.meter.totals()
        spec, slow = self._slow.get(call.project_id, (one.spec, 0))
        slow = slow if spec == one.spec else 0
        if slow >= _SLOW_MAX:
            self.counts["too_slow"] += 1
            return
        try:
            kind, answer = call.request.kind, one.answer
            whole = answer.folded(kind, usage) if isinstance(answer, Heard) else answer
            document = self.redactor.redact(record(kind, call.request.body, whole), one.spec.rules)
        except (NotPlain, ValueError, KeyError, TypeError, RecursionError):
            self.counts["not_plain"] += 1
        except TooSlow:
            self.counts["too_slow"] += 1
            self._slow[call.project_id] = (one.spec, slow + 1)
            if slow + 1 == _SLOW_MAX:
                _log.warning("capture.patterns_too_slow", project_id=call.project_id)
        except Unavailable as error:
            self._report(error, 1)
        else:
            self._slow.pop(call.project_id, None)
            yield self._row(call, document)

    def _row(self, call: Call, document: bytes) -> CaptureRow:
        intent, served = call.meter.intent, call.served
        usage = served.usage or call.meter.totals()[0]
        row = CaptureRow(
            id=call.id,
            project_id=call.project_id,
            key_id=intent.key_id or "",
            created_at=intent.started_us // 1_000_000,
            model=served.asked,
            served_by=served.target or call.request.model,
            kind=intent.kind,
            outcome=served.outcome,
            prompt_tokens=usage.prompt,
            cached_tokens=usage.cached,
            completion_tokens=usage.completion,
            sealed=b"",
        )
        return row.with_sealed(self.vault.seal_bytes(document, row.purpose))

    def _report(self, error: Exception, count: int) -> None:
        self.counts["failed"] += count
        if not self._failing:
            _log.warning("capture.failing", error=type(error).__name__)
        self._failing = True
