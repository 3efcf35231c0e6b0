"""The header of a safetensors file: which tensors it holds, of which kind and shape, and where.

Eight bytes say how long the header is, little-endian; it is JSON; the tensors' bytes follow. Nothing in it is run.
"""

import json
import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

from argosy.core import Invalid

HEADER_MAX = 100_000_000
"""Bytes; the format's own limit."""
_SIZES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class StoredTensor:
    """One tensor's entry."""

    name: str
    form: str
    """F32, F16 or BF16."""
    shape: tuple[int, ...]
    start: int
    """In bytes from the start of the file."""
    size: int
    """In bytes."""


def header_size(start: bytes, name: str) -> int:
    """Bytes from the start of the file to its first tensor, told from its first eight. Raises Invalid."""
    if len(start) < 8:
        raise _damaged(name, "it is too short")
    (length,) = struct.unpack_from("<Q", start)
    if not 2 <= length <= HEADER_MAX:
        raise _damaged(name, f"its header is said to have {length:,} bytes")
    return 8 + int(length)


def parse_header(header: bytes, file_size: int, name: str) -> list[StoredTensor]:
    """All tensors, in the order of their bytes; ``header`` is the file up to the first of them. Raises Invalid."""
    try:
        entries = json.loads(header[8:])
        entries.pop("__metadata__", None)
        tensors = [_tensor(tensor, entry, len(header), file_size) for tensor, entry in entries.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(name, str(error)) from error
    if not tensors:
        raise _damaged(name, "it has no tensors")
    return sorted(tensors, key=lambda tensor: tensor.start)


def read_header(file: BinaryIO, file_size: int, name: str) -> list[StoredTensor]:
    """All tensors of an open file. Raises Invalid."""
    start = file.read(8)
    size = header_size(start, name)
    if size > file_size:
        raise _damaged(name, "its header runs over its end")
    return parse_header(start + file.read(size - 8), file_size, name)


def _tensor(name: str, entry: dict[str, object], data_start: int, file_size: int) -> StoredTensor:
    form, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if form not in _SIZES:
        raise ValueError(f"the tensor '{name[:100]}' is of the kind {form}; F32, F16 and BF16 are read")
    if not (isinstance(shape, list) and isinstance(offsets, list) and len(shape) <= 4):
        raise ValueError("an entry is malformed")
    if not all(isinstance(number, int) and number >= 0 for number in (*shape, *offsets)):
        raise ValueError("an entry is malformed")
    begin, end = offsets
    if end - begin != math.prod(shape) * _SIZES[str(form)] or data_start + end > file_size:
        raise ValueError(f"the tensor '{name[:100]}' lies outside of the file")
    return StoredTensor(name, str(form), tuple(shape), data_start + begin, end - begin)


def _damaged(name: str, reason: str) -> Invalid:
    return Invalid(f"{name} is not a safetensors file that can be read ({reason}).", code="weights_damaged")
