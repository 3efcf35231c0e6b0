"""Causal attention over a shared prefix and padded rows, with its gradient written out.

Plain matrix products with a softmax between them beat torch's fused attention several times over on a
processor at these sizes (a few hundred tokens, 64 wide heads), and keep what the gradient needs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from argosy.tuning.trainers.batches import Batch
from argosy.tuning.trainers.weights import Shape


@dataclass(slots=True)
class Attended:
    """What one group of queries needs for its gradient. G = rows * key heads, R = queries per key head."""

    query: Tensor  # (G, R, head)
    key: Tensor  # (G, S, head)
    value: Tensor  # (G, S, head)
    share: Tensor  # (G, R, S), the softmax


class Rotation:
    """Rotary positions for the tokens of one batch: cosine and signed sine, each (N, 1, head)."""

    def __init__(self, shape: Shape, positions: Tensor, dtype: torch.dtype) -> None:
        half = shape.head_width // 2
        frequency = shape.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = positions[:, None].double() * frequency
        self.cosine = torch.cat([angle.cos(), angle.cos()], 1)[:, None].to(dtype)
        self.sine = torch.cat([-angle.sin(), angle.sin()], 1)[:, None].to(dtype)
        self._half = half

    def turn(self, heads: Tensor) -> None:
        """Rotate (N, heads, head) in place."""
        self._apply(heads, 1)

    def turn_back(self, heads: Tensor) -> None:
        """The inverse, which is also the gradient."""
        self._apply(heads, -1)

    def _apply(self, heads: Tensor, sign: int) -> None:
        swapped = torch.cat([heads[..., self._half :], heads[..., : self._half]], -1)
        heads.mul_(self.cosine).addcmul_(swapped, self.sine, value=sign)


class Attention:
    """The attention of one batch: prefix tokens see the prefix, row tokens see the prefix and their row."""

    def __init__(self, shape: Shape, batch: Batch, dtype: torch.dtype) -> None:
        self.shape, self.batch = shape, batch
        self.scale = shape.head_width**-0.5
        self.group = shape.heads // shape.key_heads
        self.rotation = Rotation(shape, batch.positions, dtype)
        self.pad_mask = batch.pad_mask.to(dtype) if batch.pad_mask.numel() > batch.unpad_index.numel() else None
        prefix, length = batch.prefix, batch.length
        self._prefix_mask = _causal(prefix, prefix, self.group, dtype)
        self._row_mask = _causal(length, prefix + length, self.group, dtype)
        self._widths = (shape.heads * shape.head_width, shape.key_heads * shape.head_width)

    def forward(self, qkv: Tensor) -> tuple[Tensor, Attended, Attended]:
        """(N, q + k + v), rotated in place here, to (N, heads * head) and what the gradient needs."""
        batch, prefix = self.batch, self.batch.prefix
        self.rotation.turn(self._rotated(qkv))
        of_prefix = self._split(qkv[:prefix], 1)
        front = Attended(*of_prefix, self._share(of_prefix[0], of_prefix[1], self._prefix_mask))
        query, key, value = self._split(qkv.index_select(0, batch.pad_index), batch.rows)
        key, value = self._behind_prefix(front.key, key), self._behind_prefix(front.value, value)
        rows = Attended(query, key, value, self._share(query, key, self._row_mask))
        context = qkv.new_empty(len(qkv), self._widths[0])
        context[:prefix] = self._merge(torch.bmm(front.share, front.value), 1)
        padded = self._merge(torch.bmm(rows.share, rows.value), batch.rows)
        torch.index_select(padded, 0, batch.unpad_index, out=context[prefix:])
        return context, front, rows

    def backward(self, grad: Tensor, front: Attended, rows: Attended) -> Tensor:
        """Gradient of `forward` with respect to qkv before the rotation: (N, q + k + v)."""
        batch, prefix = self.batch, self.batch.prefix
        padded = grad.index_select(0, batch.pad_index)
        if self.pad_mask is not None:
            padded.mul_(self.pad_mask)
        d_query, d_key, d_value = self._gradient(self._heads(padded, batch.rows), rows)
        shared_key, d_key = self._apart(d_key)
        shared_value, d_value = self._apart(d_value)
        out = grad.new_empty(len(grad), sum(self._widths) + self._widths[1])
        of_rows = self._join(d_query, d_key, d_value, batch.rows)
        torch.index_select(of_rows, 0, batch.unpad_index, out=out[prefix:])
        d_query, d_key, d_value = self._gradient(self._heads(grad[:prefix], 1), front)
        out[:prefix] = self._join(d_query, d_key.add_(shared_key), d_value.add_(shared_value), 1)
        self.rotation.turn_back(self._rotated(out))
        return out

    def _share(self, query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
        return torch.softmax(torch.baddbmm(mask, query, key.transpose(1, 2), alpha=self.scale), -1)

    def _gradient(self, grad: Tensor, seen: Attended) -> tuple[Tensor, Tensor, Tensor]:
        d_value = torch.bmm(seen.share.transpose(1, 2), grad)
        d_share = torch.bmm(grad, seen.value.transpose(1, 2))
        d_score = torch._softmax_backward_data(d_share, seen.share, -1, grad.dtype)
        d_query = torch.bmm(d_score, seen.key).mul_(self.scale)
        d_key = torch.bmm(d_score.transpose(1, 2), seen.query).mul_(self.scale)
        return d_query, d_key, d_value

    def _rotated(self, qkv: Tensor) -> Tensor:
        """The q and k heads of (N, q + k + v) as (N, heads, head), a view."""
        return qkv[:, : sum(self._widths)].unflatten(1, (self.shape.heads + self.shape.key_heads, -1))

    def _heads(self, tokens: Tensor, rows: int) -> Tensor:
        """(rows * L, heads * head) to (rows * key heads, group * L, head)."""
        shape, length = self.shape, len(tokens) // rows
        split = tokens.view(rows, length, shape.heads, shape.head_width).transpose(1, 2)
        return split.reshape(rows * shape.key_heads, self.group * length, shape.head_width)

    def _merge(self, heads: Tensor, rows: int) -> Tensor:
        """The inverse of `_heads`."""
        length = heads.shape[1] // self.group
        split = heads.view(rows, self.shape.heads, length, self.shape.head_width).transpose(1, 2)
        return split.reshape(rows * length, self._widths[0])

    def _split(self, qkv: Tensor, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        q, k = self._widths
        parts = qkv.split([q, k, k], 1)
        shape, length = self.shape, len(qkv) // rows

        def heads(part: Tensor, count: int) -> Tensor:
            split = part.unflatten(1, (count, shape.head_width)).unflatten(0, (rows, length))
            each = count // shape.key_heads * length
            return split.transpose(1, 2).reshape(rows * shape.key_heads, each, shape.head_width)

        return heads(parts[0], shape.heads), heads(parts[1], shape.key_heads), heads(parts[2], shape.key_heads)

    def _join(self, query: Tensor, key: Tensor, value: Tensor, rows: int) -> Tensor:
        """Gradients by head back to (rows * L, q + k + v)."""
        length, wide = query.shape[1] // self.group, self.shape.head_width
        counts = (self.shape.heads, self.shape.key_heads, self.shape.key_heads)
        parts = [part.view(rows, count, length, wide).transpose(1, 2).flatten(2)
                 for part, count in zip((query, key, value), counts, strict=True)]  # fmt: skip
        return torch.cat(parts, 2).flatten(0, 1)

    def _behind_prefix(self, front: Tensor, rows: Tensor) -> Tensor:
        """Put the prefix's keys (key heads, P, head) before those of each row."""
        count = self.batch.rows
        own = rows.unflatten(0, (count, -1))
        return torch.cat([front.expand(count, *front.shape), own], 2).flatten(0, 1)

    def _apart(self, grad: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of `_behind_prefix`: summed over rows for the prefix, and for the rows."""
        split = grad.unflatten(0, (self.batch.rows, -1))
        front, own = split.split([self.batch.prefix, self.batch.length], 2)
        return front.sum(0), own.flatten(0, 1)


def _causal(queries: int, keys: int, group: int, dtype: torch.dtype) -> Tensor:
    """0 where a query may look, minus infinity elsewhere: (1, group * queries, keys)."""
    later = torch.ones(queries, keys, dtype=torch.bool).triu(keys - queries + 1)
    return torch.zeros(queries, keys, dtype=dtype).masked_fill_(later, float("-inf")).repeat(group, 1)[None]
