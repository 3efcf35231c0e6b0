"""Weights in another precision: each tensor is unpacked and packed again, and the metadata is kept."""

import math
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from argosy.catalog import Tensor, Weights, open_weights
from argosy.core import OutOfSpace
from argosy.runtime import whole_file

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FORMATS = ("Q4_0", "Q8_0")
"""What can be written. Both use blocks of 32 weights."""

_BLOCK = 32


def quantise(source: Path, target: Path, form: str) -> None:
    """Write ``target`` with all matrices of ``source`` as ``form``; vectors, such as norms, stay as they are.

    The file appears whole or not at all. Takes about a second per hundred million weights, and the memory of its
    largest tensor. Raises OutOfSpace, and Invalid for a file that is no GGUF.
    """
    import gguf

    kind = gguf.GGMLQuantizationType[form]

    def pack(tensor: Tensor, stored: "Array") -> "Array":
        packed: Array = gguf.quantize(gguf.dequantize(stored, gguf.GGMLQuantizationType(tensor.form)), kind)
        return packed

    write_with(source, target, form, pack)


def write_with(source: Path, target: Path, form: str, pack: "Callable[[Tensor, Array], Array]") -> None:
    """Write ``target`` as ``source`` with other matrices: ``pack`` gets each that has another form yet, with its bytes
    (rows by bytes), and returns them in this one. Raises as `quantise` does.
    """
    weights = open_weights(source)
    _need_space(source, target)
    with whole_file(target) as temporary, open(temporary, "wb") as file:
        _write(weights, file, form, pack)


def _write(weights: Weights, file: IO[bytes], form: str, pack: "Callable[[Tensor, Array], Array]") -> None:
    import gguf
    import numpy as np

    kind = gguf.GGMLQuantizationType[form]
    forms = [int(kind) if _is_matrix(tensor) else tensor.form for tensor in weights.tensors]
    file.write(_header(weights, forms, int(gguf.LlamaFileType[f"MOSTLY_{form}"])))
    data = np.memmap(weights.path, np.uint8, "r")
    for tensor, packed in zip(weights.tensors, forms, strict=True):
        _pad(file, weights.alignment)
        stored = stored_rows(data, weights, tensor)
        if packed != tensor.form:
            stored = pack(tensor, stored)
        file.write(stored.tobytes())


def stored_rows(data: "Array", weights: Weights, tensor: Tensor) -> "Array":
    """A tensor's bytes out of all of the file's (rows by bytes)."""
    start = weights.data_start + tensor.offset
    return data[start : start + _size(tensor.dimensions, tensor.form)].reshape(math.prod(tensor.dimensions[1:]), -1)


def _header(weights: Weights, forms: list[int], file_type: int) -> bytes:
    metadata = bytearray(weights.metadata)
    if (place := weights.field_places.get("general.file_type")) is not None:
        struct.pack_into("<I", metadata, place, file_type)
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(weights.tensors), weights.field_count), bytes(metadata)]
    offset = 0
    for tensor, form in zip(weights.tensors, forms, strict=True):
        name, count = tensor.name.encode(), len(tensor.dimensions)
        parts.append(struct.pack("<Q", len(name)) + name)
        parts.append(struct.pack(f"<I{count}QIQ", count, *tensor.dimensions, form, offset))
        offset += -(-_size(tensor.dimensions, form) // weights.alignment) * weights.alignment
    return b"".join(parts)


def _size(dimensions: tuple[int, ...], form: int) -> int:
    """Bytes of a tensor in this form."""
    import gguf

    sizes: dict[Any, tuple[int, int]] = gguf.GGML_QUANT_SIZES
    per_block, block_bytes = sizes[gguf.GGMLQuantizationType(form)]
    return math.prod(dimensions) // per_block * block_bytes


def _is_matrix(tensor: Tensor) -> bool:
    return len(tensor.dimensions) == 2 and tensor.dimensions[0] % _BLOCK == 0


def _pad(file: IO[bytes], alignment: int) -> None:
    file.write(bytes(-file.tell() % alignment))


def _need_space(source: Path, target: Path) -> None:
    needed = 2 * source.stat().st_size  # Q8_0 from a 4-bit file is nearly twice its size
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise OutOfSpace(
            f"Writing {target.name} needs up to {needed // 2**20} MiB in {target.parent}, and {free // 2**20} MiB are "
            "free. Free some space and deploy the model again.",
            code="disk_full",
        )
