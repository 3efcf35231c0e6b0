"""What is kept of an answer: the whole of it as its client saw it, and what it had cost in tokens."""

import msgspec

from argosy.gateway.metering import Usage

BYTES_MAX = 2 << 20
"""An answer that is longer is not kept."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A whole answer in JSON. Stored as an array: a change of its fields needs a new `shelf.FORMAT`."""

    request_id: str
    """Of the request that it was given to first; the id inside the answer."""
    prompt: int
    cached: int
    completion: int
    body: bytes

    @property
    def usage(self) -> Usage:
        """Tokens that the answer took when it was made."""
        return Usage(self.prompt, self.cached, self.completion)

    def named(self, request_id: str) -> bytes:
        """The answer under the id of another request."""
        # Inside of a text a quote is escaped, so these bytes can only be the answer's own id.
        return self.body.replace(b'"%s"' % self.request_id.encode(), b'"%s"' % request_id.encode(), 1)


_DECODER = msgspec.msgpack.Decoder(Entry)


def write(entry: Entry) -> bytes:
    """As bytes to be sealed."""
    return msgspec.msgpack.encode(entry)


def read(data: bytes) -> Entry:
    """Raises ValueError for anything but what `write` wrote."""
    return _DECODER.decode(data)
