"""The trained part: low-rank matrices A (rank, in) and B (out, rank) beside each fused linear layer.

All A live in one flat fp32 vector and all B in another; so do their gradients. The optimiser, the checkpoint
and the average of the weights then each deal with two vectors instead of hundreds of tensors.

Layers that read the same input (q, k, v; gate, up) share one A. That halves the low-rank work, and in GGUF
the shared A is simply written once for each of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from argosy.tuning.trainers.weights import BaseModel, Shape


@dataclass(slots=True)
class Pair:
    """Views into the flat vectors for one layer, and the copies that the matrix products use."""

    a: Tensor
    b: Tensor
    grad_a: Tensor
    grad_b: Tensor
    work_a: Tensor
    work_b: Tensor
    norm: Tensor | None


class Adapter:
    """LoRA on every linear layer of the blocks from `first` on. B starts at zero: training starts from the base."""

    def __init__(self, base: BaseModel, rank: int, alpha: float, seed: int, first: int = 0) -> None:
        self.rank, self.alpha, self.scale, self.first = rank, alpha, alpha / rank, first
        sizes = [(base.shape.fused[name], name, index) for index, name in names(base.shape, first)]
        self.flat_a = torch.zeros(sum(rank * size[1] for size, _, _ in sizes))
        self.flat_b = torch.zeros(sum(rank * size[0] for size, _, _ in sizes))
        self.grad_a, self.grad_b = torch.zeros_like(self.flat_a), torch.zeros_like(self.flat_b)
        self._work_a = torch.zeros_like(self.flat_a, dtype=base.dtype)
        self._work_b = torch.zeros_like(self.flat_b, dtype=base.dtype)
        self.pairs: list[dict[str, Pair]] = [{} for _ in range(base.shape.layers)]
        generator = torch.Generator().manual_seed(seed)
        at_a = at_b = 0
        for (rows, columns), name, index in sizes:
            a = [
                flat[at_a : at_a + rank * columns].view(rank, columns)
                for flat in (self.flat_a, self.grad_a, self._work_a)
            ]
            b = [flat[at_b : at_b + rank * rows].view(rows, rank) for flat in (self.flat_b, self.grad_b, self._work_b)]
            # Kaiming-uniform with a = sqrt(5), as in the LoRA paper's code: bound 1 / sqrt(in).
            a[0].uniform_(-(columns**-0.5), columns**-0.5, generator=generator)
            self.pairs[index][name] = Pair(a[0], b[0], a[1], b[1], a[2], b[2], base.blocks[index].norm[name])
            at_a, at_b = at_a + rank * columns, at_b + rank * rows
        self.refresh()

    def refresh(self) -> None:
        """Renew the working copies after the flat vectors changed."""
        self._work_a.copy_(self.flat_a)
        torch.mul(self.flat_b, self.scale, out=self._work_b)
        for block in self.pairs:
            for pair in block.values():
                if pair.norm is not None:  # the input that arrives lacks the norm's gain; see BlockWeights
                    torch.mul(pair.a, pair.norm, out=pair.work_a)

    def zero_gradient(self) -> None:
        """Forget the gradients of the last step."""
        self.grad_a.zero_()
        self.grad_b.zero_()


def names(shape: Shape, first: int = 0) -> list[tuple[int, str]]:
    """(block, layer) of all fused linear layers from block `first` on, in the order of the flat vectors."""
    return [(index, name) for index in range(first, shape.layers) for name in shape.fused]
