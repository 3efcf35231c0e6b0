"""The frozen base model, read from the very GGUF file that is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor

from argosy.core.errors import Invalid

SUPPORTED = ("llama",)
BLOCK_TENSORS = ("attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of a llama-type model."""

    layers: int
    width: int
    inner: int
    heads: int
    key_heads: int
    head_width: int
    vocabulary: int
    context: int
    rope_base: float
    norm_epsilon: float

    @property
    def parts(self) -> dict[str, dict[str, int]]:
        """For each fused linear layer, GGUF's names of the layers in it and their output widths, in order."""
        queries, keys = self.heads * self.head_width, self.key_heads * self.head_width
        return {
            "qkv": {"attn_q": queries, "attn_k": keys, "attn_v": keys},
            "output": {"attn_output": self.width},
            "gate_up": {"ffn_gate": self.inner, "ffn_up": self.inner},
            "down": {"ffn_down": self.width},
        }

    @property
    def fused(self) -> dict[str, tuple[int, int]]:
        """(out, in) of the four fused linear layers of a block."""
        attention = self.heads * self.head_width
        return {
            "qkv": (attention + 2 * self.key_heads * self.head_width, self.width),
            "output": (self.width, attention),
            "gate_up": (2 * self.inner, self.width),
            "down": (self.width, self.inner),
        }


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """One transformer block. `weight[name]` is (out, in); `norm[name]` (in,) in fp32, or None.

    The gain of the norm before qkv and gate_up is already multiplied into the columns of their weights, so
    that the forward pass need not: W (n * x) = (W n) x.
    """

    weight: dict[str, Tensor]
    norm: dict[str, Tensor | None]


@dataclass(frozen=True, slots=True)
class BaseModel:
    """All frozen tensors, and the metadata of the file (tokenizer, template, name)."""

    shape: Shape
    metadata: Mapping[str, Any]
    embedding: Tensor
    output: Tensor
    final_norm: Tensor
    blocks: list[BlockWeights]
    dtype: torch.dtype


def read_base(path: Path, dtype: torch.dtype) -> BaseModel:
    """Read and dequantise a GGUF file; raises Invalid for an architecture that cannot be trained here."""
    reader = gguf.GGUFReader(path)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    shape = read_shape(metadata)
    tensors = {tensor.name: tensor for tensor in reader.tensors}

    expected = {"token_embd.weight", "output.weight", "output_norm.weight"}
    expected |= {f"blk.{index}.{name}.weight" for index in range(shape.layers) for name in BLOCK_TENSORS}
    if unknown := sorted(tensors.keys() - expected):
        raise _unsupported(f"tensors that plain llama models lack ({unknown[0]})")

    def read(name: str) -> Tensor:
        tensor = tensors[name]
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        return torch.from_numpy(values if values.flags.writeable else values.copy())

    embedding = read("token_embd.weight").to(dtype)
    output = read("output.weight").to(dtype) if "output.weight" in tensors else embedding
    blocks = [_read_block(read, f"blk.{index}", shape, dtype) for index in range(shape.layers)]
    return BaseModel(shape, metadata, embedding, output, read("output_norm.weight").float(), blocks, dtype)


def read_shape(metadata: Mapping[str, Any]) -> Shape:
    """Dimensions from GGUF metadata; raises Invalid where the forward pass here would be wrong."""
    architecture = metadata["general.architecture"]
    if architecture not in SUPPORTED:
        raise _unsupported(f"the architecture {architecture!r} (supported: {', '.join(SUPPORTED)})")
    if any(name.startswith("llama.rope.scaling") for name in metadata):
        raise _unsupported("scaled rotary positions")
    heads = metadata["llama.attention.head_count"]
    width = metadata["llama.embedding_length"]
    head_width = metadata.get("llama.attention.key_length", width // heads)
    if metadata.get("llama.rope.dimension_count", head_width) != head_width:
        raise _unsupported("rotary positions on a part of each head")
    return Shape(
        layers=metadata["llama.block_count"],
        width=width,
        inner=metadata["llama.feed_forward_length"],
        heads=heads,
        key_heads=metadata.get("llama.attention.head_count_kv", heads),
        head_width=head_width,
        vocabulary=len(metadata["tokenizer.ggml.tokens"]),
        context=metadata["llama.context_length"],
        rope_base=metadata.get("llama.rope.freq_base", 10000.0),
        norm_epsilon=metadata["llama.attention.layer_norm_rms_epsilon"],
    )


def _unsupported(what: str) -> Invalid:
    return Invalid(f"Fine-tuning cannot handle this base model yet: it has {what}. Choose another base model.",
                   code="architecture_not_supported")  # fmt: skip


def halves_to_pairs(weight: Tensor, heads: int) -> Tensor:
    """Rows of a q or k projection from "two halves" order (transformers, and here) to GGUF's "pairs" order."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def pairs_to_halves(weight: Tensor, heads: int) -> Tensor:
    """The inverse of `halves_to_pairs`."""
    rows = weight.shape[0]
    return weight.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def _read_block(read: Any, name: str, shape: Shape, dtype: torch.dtype) -> BlockWeights:
    attention_norm = read(f"{name}.attn_norm.weight").float()
    mlp_norm = read(f"{name}.ffn_norm.weight").float()
    query = pairs_to_halves(read(f"{name}.attn_q.weight"), shape.heads)
    key = pairs_to_halves(read(f"{name}.attn_k.weight"), shape.key_heads)
    qkv = torch.cat([query, key, read(f"{name}.attn_v.weight")])
    gate_up = torch.cat([read(f"{name}.ffn_gate.weight"), read(f"{name}.ffn_up.weight")])
    weight = {
        "qkv": (qkv * attention_norm).to(dtype),
        "output": read(f"{name}.attn_output.weight").to(dtype),
        "gate_up": (gate_up * mlp_norm).to(dtype),
        "down": read(f"{name}.ffn_down.weight").to(dtype),
    }
    return BlockWeights(weight, {"qkv": attention_norm, "output": None, "gate_up": mlp_norm, "down": None})
