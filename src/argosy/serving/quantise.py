"""Weights in another precision: a GGUF file is read, unpacked, and packed again, with its metadata kept."""

import os
import shutil
from pathlib import Path
from typing import Any

from argosy.core import Invalid, OutOfSpace

FORMATS = ("Q4_0", "Q8_0")
"""What can be written. Both use blocks of 32 weights."""


def quantise(source: Path, target: Path, form: str) -> None:
    """Write ``target`` with all matrices of ``source`` as ``form``; vectors, such as norms, stay as they are.

    The file appears whole or not at all. Takes about a second per hundred million weights. Raises OutOfSpace, and
    Invalid for a file that is no GGUF.
    """
    _need_space(source, target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _write(source, temporary, form)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def open_weights(path: Path) -> Any:
    """The file's `gguf.GGUFReader`. Raises Invalid if it is damaged or of another kind."""
    import gguf

    try:
        return gguf.GGUFReader(path)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise Invalid(
            f"{path.name} is not a GGUF file that can be read ({error}). Delete {path} and deploy the model again.",
            code="weights_damaged",
        ) from error


def _write(source: Path, target: Path, form: str) -> None:
    import gguf

    reader = open_weights(source)
    writer = gguf.GGUFWriter(target, str(reader.fields["general.architecture"].contents()))
    kind = gguf.GGMLQuantizationType[form]
    for name, entry in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = gguf.LlamaFileType[f"MOSTLY_{form}"].value if name == "general.file_type" else entry.contents()
        inner = entry.types[-1] if entry.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, entry.types[0], sub_type=inner)
    for tensor in reader.tensors:
        data, packed = tensor.data, tensor.tensor_type
        if len(tensor.shape) == 2 and tensor.shape[0] % 32 == 0 and packed != kind:
            data, packed = gguf.quantize(gguf.dequantize(data, packed), kind), kind
        writer.add_tensor(tensor.name, data, raw_dtype=packed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _need_space(source: Path, target: Path) -> None:
    needed = 2 * source.stat().st_size  # Q8_0 from a 4-bit file is nearly twice its size
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise OutOfSpace(
            f"Writing {target.name} needs up to {needed // 2**20} MiB in {target.parent}, and {free // 2**20} MiB are "
            "free. Free some space and deploy the model again.",
            code="disk_full",
        )
