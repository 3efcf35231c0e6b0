"""Records as bytes: ``AJ1\\n``, length, checksum, payload.

Invariants: a record is read exactly as it was written, or not at all. What a crash cut off at the end of a file is
`torn` and was never acknowledged; bad bytes with good records behind them are `damaged`: the good ones are still read.
"""

import struct
import zlib
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from argosy.billing.usage import Intent, UsageEvent

_MAGIC = b"AJ1\n"
_HEADER = struct.Struct("<4sII")
_PAYLOAD_BYTES_MAX = 1 << 20


class Progress(msgspec.Struct, frozen=True, array_like=True, tag="progress"):
    """How much of an answer has been delivered so far."""

    id: str
    delivered_tokens: int
    at_us: int


class Void(msgspec.Struct, frozen=True, array_like=True, tag="void"):
    """The request of this intent was never dispatched: there is nothing to charge."""

    id: str


Record: TypeAlias = Intent | Progress | UsageEvent | Void

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


@dataclass
class Reading:
    """What a segment holds."""

    records: list[Record] = field(default_factory=list)
    torn: bool = False
    damaged: bool = False


def encode(record: Record) -> bytes:
    """One record, ready to be appended."""
    payload = _encoder.encode(record)
    return _HEADER.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def decode(data: bytes) -> Reading:
    """All good records of a segment, in order, and what is wrong with the rest."""
    reading, position = Reading(), 0
    while position < len(data):
        record, end = _read(data, position)
        if record is None:
            reading.torn = True
            position = data.find(_MAGIC, position + 1)
            if position < 0:
                break
            continue
        reading.damaged |= reading.torn  # a good record behind a bad one: not a torn end
        reading.torn = False
        reading.records.append(record)
        position = end
    return reading


def _read(data: bytes, start: int) -> tuple[Record | None, int]:
    """The record that starts here and where it ends, or None if there is no good one."""
    body = start + _HEADER.size
    if len(data) < body:
        return None, start
    magic, length, checksum = _HEADER.unpack_from(data, start)
    payload = data[body : body + length]
    if magic != _MAGIC or length > _PAYLOAD_BYTES_MAX or len(payload) != length or zlib.crc32(payload) != checksum:
        return None, start
    try:
        return _decoder.decode(payload), body + length
    except msgspec.DecodeError:
        return None, start
