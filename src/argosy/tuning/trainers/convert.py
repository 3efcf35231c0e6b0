"""An adapter as a GGUF file that llama.cpp serves beside the base."""

import os
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from torch import Tensor

from argosy.tuning.trainers.adapter import Adapter, names
from argosy.tuning.trainers.weights import Shape, halves_to_pairs


def write_adapter(path: Path, base: Shape, adapter: Adapter, flat_a: Tensor, flat_b: Tensor) -> None:
    """Write the adapter with these weights to `path`: complete or not at all. The runtime scale is alpha / rank."""
    temporary = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(temporary, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, adapter.alpha)
    for index, name, a, b in separate(base, flat_a, flat_b, adapter.rank, adapter.first):
        writer.add_tensor(f"blk.{index}.{name}.weight.lora_a", a.numpy().astype(np.float16))
        writer.add_tensor(f"blk.{index}.{name}.weight.lora_b", in_file_order(name, b, base).numpy().astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def separate(
    shape: Shape, flat_a: Tensor, flat_b: Tensor, rank: int, first: int = 0
) -> Iterator[tuple[int, str, Tensor, Tensor]]:
    """(block, GGUF name of the layer, A (rank, in), B (out, rank)) for each layer of the unfused model.

    Fused layers share their A; rows of B are in the order of transformers.
    """
    at_a = at_b = 0
    for index, fused in names(shape, first):
        rows, columns = shape.fused[fused]
        a = flat_a[at_a : at_a + rank * columns].view(rank, columns)
        b = flat_b[at_b : at_b + rank * rows].view(rows, rank)
        at_a, at_b = at_a + rank * columns, at_b + rank * rows
        parts = shape.parts[fused]
        for name, part in zip(parts, b.split(list(parts.values())), strict=True):
            yield index, name, a, part


def in_file_order(name: str, b: Tensor, shape: Shape) -> Tensor:
    """GGUF keeps the rows of q and k as rotary pairs; B must follow, A (which meets the input) must not."""
    heads = {"attn_q": shape.heads, "attn_k": shape.key_heads}.get(name)
    return b if heads is None else halves_to_pairs(b, heads)
