"""What went out to a client as a stream, remembered while it does, to be put together afterwards."""

from dataclasses import dataclass, field

from argosy.gateway.cache.fold import NotPlain, folded
from argosy.gateway.dispatch import Send
from argosy.gateway.metering import Usage
from argosy.gateway.requests import Kind

_EVENTS_PER_ANSWER = 8
"""Most of an event is not its text."""


@dataclass(slots=True)
class Heard:
    """The events of one answer."""

    answer_bytes_max: int
    """A longer answer is not remembered."""
    size: int = 0
    _events: list[bytes] = field(default_factory=list)

    def listening(self, send: Send) -> Send:
        """A ``send`` that remembers what it sent."""

        async def heard(data: bytes) -> None:
            self.size += len(data)
            if not self.too_long:
                self._events.append(data)
            elif self._events:
                self._events.clear()
            await send(data)

        return heard

    @property
    def too_long(self) -> bool:
        """Whether it is not all here."""
        return self.size > self.answer_bytes_max * _EVENTS_PER_ANSWER

    def folded(self, kind: Kind, usage: Usage) -> bytes:
        """The whole answer in JSON. Raises NotPlain."""
        if self.too_long:
            raise NotPlain
        return folded(b"".join(self._events), kind, usage)
