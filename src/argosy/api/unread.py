"""A client that does not read its answer is cut off, so that nothing is kept for it for ever."""

import asyncio

import structlog

_log = structlog.get_logger()
_READ_BYTES_MIN = 1024
"""A client that reads less than this in ``patience_s`` does not read."""


class ReaderWatch:
    """Looks, while something is unread, whether the client reads. What is read as it is written costs no timer."""

    __slots__ = ("_loop", "_patience_s", "_timer", "_transport", "_unread")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, patience_s: float) -> None:
        self._loop, self._transport, self._patience_s = loop, transport, patience_s
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0

    def start(self) -> None:
        """To be called when something may be left unread."""
        unread = self._transport.get_write_buffer_size()
        if unread and self._timer is None:
            self._unread = unread
            self._timer = self._loop.call_later(self._patience_s, self._look)

    def stop(self) -> None:
        """It has read, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        before, unread = self._unread, self._transport.get_write_buffer_size()
        if unread and before - unread < min(_READ_BYTES_MIN, before):
            _log.info("client.unread", unread_bytes=unread)
            self._transport.abort()
        else:
            self.start()
