"""The layout of a GGUF file: what it says of itself, and where its tensors lie.

Our own reader, since the `gguf` package takes seconds to make objects of a vocabulary that nobody asks for here.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from argosy.core import Invalid

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT, _ALIGNMENT_MAX = 32, 1 << 16

Scalar = int | float | bool | str


@dataclass(frozen=True)
class Tensor:
    """One tensor's entry. ``dimensions`` as the file has them: the row's length first."""

    name: str
    dimensions: tuple[int, ...]
    form: int
    """A `gguf.GGMLQuantizationType`."""
    offset: int
    """Bytes from the start of the data."""


@dataclass(frozen=True)
class Weights:
    """A file's header. Arrays among the metadata are skipped, but kept in ``metadata``'s bytes."""

    path: Path
    fields: dict[str, Scalar]
    field_places: dict[str, int]
    """Where each scalar's value starts, in bytes from the start of ``metadata``."""
    metadata: bytes
    """All keys and values as they are in the file."""
    field_count: int
    tensors: list[Tensor]
    data_start: int
    alignment: int

    def number(self, name: str, default: int = 0) -> int:
        """A whole number that the model's architecture names, such as ``context_length``; 0 if it is none."""
        value = self.fields.get(f"{self.fields.get('general.architecture')}.{name}", default)
        return int(value) if isinstance(value, int) else default


def open_weights(path: Path) -> Weights:
    """Read the header. Raises Invalid if the file is damaged or of another kind."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(path, _Reader(data))
    except (ValueError, IndexError, KeyError, OverflowError, struct.error) as error:
        raise Invalid(
            f"{path.name} is not a GGUF file that can be read ({error}). If it was pulled, delete {path} and deploy "
            "the model again.",
            code="weights_damaged",
        ) from error


class _Reader:
    """Walks through the bytes. Raises struct.error or ValueError at their end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.place = data, 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from("<" + form, self.data, self.place)
        self.place += struct.calcsize("<" + form)
        return int(value)

    def scalar(self, form: str) -> int | float | bool:
        (value,) = struct.unpack_from("<" + form, self.data, self.place)
        self.place += struct.calcsize("<" + form)
        return value  # type: ignore[no-any-return]  # of the type that `form` says

    def string(self) -> str:
        length = self.number("Q")
        if length > len(self.data) - self.place:
            raise ValueError("a text runs over the end of the file")
        self.place += length
        return self.data[self.place - length : self.place].decode()

    def skip_array(self) -> None:
        kind, count = self.number("I"), self.number("Q")
        if kind in _SCALARS:
            self.place += count * struct.calcsize("<" + _SCALARS[kind])
        elif kind == _STRING:
            unpack, data, place = struct.Struct("<Q").unpack_from, self.data, self.place
            for _ in range(count):
                place += 8 + unpack(data, place)[0]
            self.place = place
        else:
            raise ValueError(f"an array of the unknown kind {kind}")


def _read(path: Path, reader: _Reader) -> Weights:
    if reader.data[:4] != b"GGUF":
        raise ValueError("it does not start with GGUF")
    reader.place = 4
    if (version := reader.number("I")) not in (2, 3):
        raise ValueError(f"its version is {version}")
    tensor_count, field_count = reader.number("Q"), reader.number("Q")
    start, fields, places = reader.place, dict[str, Scalar](), dict[str, int]()
    for _ in range(field_count):
        name, kind = reader.string(), reader.number("I")
        places[name] = reader.place - start
        if kind == _ARRAY:
            reader.skip_array()
        else:
            fields[name] = reader.string() if kind == _STRING else reader.scalar(_SCALARS[kind])
    metadata = reader.data[start : reader.place]
    tensors = [_tensor(reader) for _ in range(tensor_count)]
    if not tensors:
        raise ValueError("it has no tensors")
    alignment = int(fields.get("general.alignment", _ALIGNMENT))
    if not 1 <= alignment <= _ALIGNMENT_MAX:
        raise ValueError(f"its alignment is {alignment}")
    data_start = -(-reader.place // alignment) * alignment
    if data_start + max(tensor.offset for tensor in tensors) >= len(reader.data):
        raise ValueError("it ends before its last tensor")
    return Weights(path, fields, places, metadata, field_count, tensors, data_start, alignment)


def _tensor(reader: _Reader) -> Tensor:
    name, count = reader.string(), reader.number("I")
    if count > 4:
        raise ValueError(f"a tensor of {count} dimensions")
    dimensions = tuple(reader.number("Q") for _ in range(count))
    return Tensor(name, dimensions, reader.number("I"), reader.number("Q"))
