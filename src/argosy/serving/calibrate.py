"""Four bits a weight that keep a model's answers.

Rounding a matrix to four bits as it stands makes a small model another one. Here it is rounded column by column, and
what each column loses is made up for by the columns after it, as far as the inputs of the matrix allow: GPTQ (Frantar
et al., arXiv 2210.17323). The inputs come from texts that the model itself wrote, passed through the layers that are
rounded already.
"""

import math
import struct
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from argosy.catalog import Weights, open_weights
from argosy.serving.quantise import stored_rows, write_with

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PARAMETERS_MAX = 1_000_000_000
"""Some minutes on two cores, and four bytes a weight of one layer."""
_BLOCK = 32
_DAMPING = 0.01  # of the mean curvature, as in the paper
_SHRUNK = (0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05)
"""Scales that are tried for each block, as shares of the one that just reaches its largest weight."""
_LEVELS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""What a weight can be in IQ4_NL, in units of its block's scale: dense where most weights are."""
_LAYER = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def can_calibrate(source: Path) -> bool:
    """Whether the model is of a kind, and small enough, to be passed through here."""
    weights = open_weights(source)
    if weights.fields.get("general.architecture") != "llama":
        return False
    names = {f"blk.{number}.{name}.weight" for number in range(weights.number("block_count")) for name in _LAYER}
    matrices = [tensor for tensor in weights.tensors if len(tensor.dimensions) == 2]
    others = {tensor.name for tensor in matrices} - names
    return (
        names <= {tensor.name for tensor in matrices}
        and others <= {"token_embd.weight", "output.weight"}
        and all(tensor.dimensions[0] % _BLOCK == 0 for tensor in matrices)
        and not any(tensor.name.endswith(".bias") or tensor.name.startswith("rope_") for tensor in weights.tensors)
        and sum(math.prod(tensor.dimensions) for tensor in weights.tensors) <= PARAMETERS_MAX
    )


def calibrate(source: Path, target: Path, texts: list[list[int]], tell: Callable[[str], None]) -> None:
    """Write ``target``, whole or not at all, with all matrices of ``source`` as IQ4_NL.

    ``texts``: tokens of texts that the model wrote, all of one length; a thousand in all do. Takes about a minute per
    hundred million weights on two cores. Raises OutOfSpace, Invalid.
    """
    packed = dict(_Pass(open_weights(source), texts).packed(tell))
    write_with(source, target, "IQ4_NL", lambda tensor, stored: packed[tensor.name])


class _Pass:
    """Passes texts through a Llama, layer by layer, and packs each matrix as it is reached."""

    def __init__(self, weights: Weights, texts: list[list[int]]) -> None:
        import numpy as np

        self._weights, self._tensors = weights, {tensor.name: tensor for tensor in weights.tensors}
        self._data = np.memmap(weights.path, np.uint8, "r")
        self._heads = weights.number("attention.head_count")
        self._kv_heads = weights.number("attention.head_count_kv", self._heads)
        self._tokens = np.array(texts)
        self._epsilon = float(weights.fields["llama.attention.layer_norm_rms_epsilon"])

    def packed(self, tell: Callable[[str], None]) -> Iterator[tuple[str, "Array"]]:
        """The bytes of every matrix, by name."""
        embedding = self._matrix("token_embd.weight")
        x = embedding[self._tokens]
        count = self._weights.number("block_count")
        for number in range(count):
            tell(f"Calibrating four bits: layer {number + 1} of {count}")
            x = yield from self._layer(x, f"blk.{number}.")
        inputs = _Inputs(self._normed(x, "output_norm.weight"))
        if "output.weight" in self._tensors:
            yield "output.weight", _round(self._matrix("output.weight"), inputs)[1]
            yield "token_embd.weight", _round(embedding, _Inputs(None))[1]
        else:  # one matrix for both: what it gives out matters more than what it takes in
            yield "token_embd.weight", _round(embedding, inputs)[1]

    def _layer(self, x: "Array", layer: str) -> "Generator[tuple[str, Array], None, Array]":
        import numpy as np

        def through(name: str, values: "Array", inputs: _Inputs) -> "Array":
            rounded, found[f"{layer}{name}.weight"] = _round(self._matrix(f"{layer}{name}.weight"), inputs)
            return values @ rounded.T

        found: dict[str, Array] = {}
        normed = self._normed(x, f"{layer}attn_norm.weight")
        inputs = _Inputs(normed)
        queries, keys, values = (through(name, normed, inputs) for name in ("attn_q", "attn_k", "attn_v"))
        attended = self._attention(queries, keys, values)
        x = x + through("attn_output", attended, _Inputs(attended))
        normed = self._normed(x, f"{layer}ffn_norm.weight")
        inputs = _Inputs(normed)
        gate, up = through("ffn_gate", normed, inputs), through("ffn_up", normed, inputs)
        inner = gate / (1 + np.exp(-gate)) * up
        x = x + through("ffn_down", inner, _Inputs(inner))
        yield from found.items()
        return x

    def _attention(self, queries: "Array", keys: "Array", values: "Array") -> "Array":
        import numpy as np

        texts, length = self._tokens.shape
        size = queries.shape[-1] // self._heads
        q = self._rotated(queries.reshape(texts, length, self._heads, size))
        k = self._rotated(keys.reshape(texts, length, self._kv_heads, size))
        v = values.reshape(texts, length, self._kv_heads, size)
        k, v = (np.repeat(each, self._heads // self._kv_heads, axis=2) for each in (k, v))
        scores = np.einsum("blhd,bmhd->bhlm", q, k, optimize=True) / math.sqrt(size)
        scores += np.triu(np.full((length, length), -1e9, np.float32), 1)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        found: Array = np.einsum("bhlm,bmhd->blhd", shares, v, optimize=True).reshape(texts, length, -1)
        return found

    def _rotated(self, heads: "Array") -> "Array":
        """Positions turned into pairs of neighbours, as llama.cpp stores a Llama's rows."""
        import numpy as np

        length, size = heads.shape[1], heads.shape[-1]
        base = float(self._weights.fields.get("llama.rope.freq_base", 10_000.0))
        angles = np.arange(length)[:, None] * base ** -(np.arange(0, size, 2) / size)
        cos, sin = (turn(angles)[None, :, None, :].astype(np.float32) for turn in (np.cos, np.sin))
        found = np.empty_like(heads)
        even, odd = heads[..., 0::2], heads[..., 1::2]
        found[..., 0::2], found[..., 1::2] = even * cos - odd * sin, even * sin + odd * cos
        return found

    def _normed(self, x: "Array", name: str) -> "Array":
        import numpy as np

        tensor = self._tensors[name]
        start = self._weights.data_start + tensor.offset
        (count,) = tensor.dimensions
        weight = np.array(struct.unpack(f"<{count}f", self._data[start : start + 4 * count].tobytes()), np.float32)
        found: Array = x / np.sqrt((x * x).mean(-1, keepdims=True) + self._epsilon) * weight
        return found

    def _matrix(self, name: str) -> "Array":
        import gguf

        tensor = self._tensors[name]
        found: Array = gguf.dequantize(
            stored_rows(self._data, self._weights, tensor), gguf.GGMLQuantizationType(tensor.form)
        ).reshape(tensor.dimensions[::-1])
        return found


@dataclass
class _Inputs:
    """What a matrix was given; None where nothing is known, so that all inputs matter alike."""

    values: "Array | None"

    @cached_property
    def curvature(self) -> "tuple[Array, Array] | None":
        """How much each column's error matters, and how columns make up for one another: the diagonal of the loss's
        second derivative, and the upper factor of its inverse.
        """
        import numpy as np

        if self.values is None:
            return None
        flat = self.values.reshape(-1, self.values.shape[-1]).astype(np.float64)
        hessian = flat.T @ flat
        diagonal = np.diag_indices(len(hessian))
        hessian[diagonal] += _DAMPING * hessian[diagonal].mean() + 1e-8
        upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
        return hessian[diagonal].astype(np.float32), upper.astype(np.float32)


def _round(matrix: "Array", inputs: _Inputs) -> "tuple[Array, Array]":
    """The matrix as four bits make it, and its bytes (rows by bytes): scale as F16, then 32 numbers of four bits."""
    import numpy as np

    rest, columns = matrix.astype(np.float32).copy(), matrix.shape[1]
    curvature = inputs.curvature
    levels = np.array(_LEVELS, np.float32)
    weight, upper = curvature or (np.ones(columns, np.float32), np.eye(columns, dtype=np.float32))
    rounded = np.empty_like(rest)
    packed = np.empty((len(rest), columns // _BLOCK, 2 + _BLOCK // 2), np.uint8)
    for number in range(columns // _BLOCK):
        here = slice(number * _BLOCK, (number + 1) * _BLOCK)
        block, factor = rest[:, here].copy(), upper[here, here]
        scale = _scale(block, weight[here])
        numbers, errors = np.empty(block.shape, np.uint8), np.empty_like(block)
        for column in range(_BLOCK):
            numbers[:, column] = _nearest(block[:, column], scale)
            rounded[:, here.start + column] = whole = levels[numbers[:, column]] * scale
            errors[:, column] = (block[:, column] - whole) / factor[column, column]
            block[:, column + 1 :] -= errors[:, column, None] * factor[column, None, column + 1 :]
        if curvature:
            rest[:, here.stop :] -= errors @ upper[here, here.stop :]
        packed[:, number, :2] = scale.astype(np.float16).view(np.uint8).reshape(-1, 2)
        packed[:, number, 2:] = numbers[:, : _BLOCK // 2] | (numbers[:, _BLOCK // 2 :] << 4)
    return rounded, packed.reshape(len(rest), -1)


def _scale(block: "Array", weight: "Array") -> "Array":
    """One scale a row, of those that F16 has, that rounds the row's block best."""
    import numpy as np

    levels = np.array(_LEVELS, np.float32)
    largest = block[np.arange(len(block)), np.abs(block).argmax(1)]
    best, least = np.zeros(len(block), np.float32), np.full(len(block), np.inf, np.float32)
    for share in _SHRUNK:
        scale = (largest / levels[0] * share).astype(np.float16).astype(np.float32)
        error = block - levels[_nearest(block, scale[:, None])] * scale[:, None]
        loss = (error * error) @ weight
        better = loss < least
        best[better], least[better] = scale[better], loss[better]
    return best


def _nearest(values: "Array", scale: "Array") -> "Array":
    """Numbers of the levels that come nearest to the values, by a table of all whole numbers between the levels."""
    import numpy as np

    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    whole = np.clip(np.rint(values * inverse), -127, 127).astype(np.int16)
    found: Array = _nearest_of_all()[whole + 127]
    return found


@cache
def _nearest_of_all() -> "Array":
    import numpy as np

    distances = np.abs(np.arange(-127, 128)[:, None] - np.array(_LEVELS))
    found: Array = distances.argmin(1).astype(np.uint8)
    return found
