"""Forward and backward pass of a llama-type model whose only trained part is the adapter.

There is no autograd here. Writing the gradient out keeps exactly what it needs, computes none for frozen
weights, and spends two passes over a tensor where a general engine spends six. Activations and weights are
bf16 where the processor multiplies it natively; the residual stream and its gradient stay in fp32.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from argosy.tuning.trainers.adapter import Adapter, Pair
from argosy.tuning.trainers.attention import Attended, Attention
from argosy.tuning.trainers.batches import Batch
from argosy.tuning.trainers.weights import BaseModel

PLAUSIBLE_SHARE = 1e-4


@dataclass(slots=True)
class Outcome:
    """Loss and accuracy of the trained tokens of one batch, weighted as the batch says (a mean, or a share of it)."""

    loss: float
    accuracy: float

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.loss + other.loss, self.accuracy + other.accuracy)


@dataclass(slots=True)
class Normed:
    """A normalised input (N, width) and its factor 1 / rms, (N, 1) in fp32."""

    value: Tensor
    factor: Tensor


@dataclass(slots=True)
class Kept:
    """What the backward pass of one block needs of the forward pass. `low` holds x @ A^T by layer."""

    attention_input: Normed
    front: Attended
    rows: Attended
    context: Tensor
    mlp_input: Normed
    gate_up: Tensor
    gate: Tensor
    product: Tensor
    low: dict[str, Tensor]


class Model:
    """The base with its adapter."""

    def __init__(self, base: BaseModel, adapter: Adapter) -> None:
        self.base, self.adapter, self.dtype = base, adapter, base.dtype
        self._final_norm = base.final_norm.to(base.dtype)
        self._output, self._place = base.output, torch.arange(base.shape.vocabulary)
        self.plausible = torch.zeros(base.shape.vocabulary, dtype=torch.bool)

    @torch.inference_mode()
    def score_plausible(self, batch: Batch) -> None:
        """From here on, `train` computes the output layer for plausible tokens only, a tenth of the vocabulary.

        Plausible are the tokens of all batches so far and of this one, and those that were given more than
        one part in ten thousand at any place while `score_all` was on. The rest has no share in the loss,
        but nearly all of its cost.
        """
        self.plausible[batch.ids] = True
        self.plausible[batch.answer] = True
        tokens = self.plausible.nonzero().squeeze(1)
        self._output = self.base.output.index_select(0, tokens)
        self._place = torch.full_like(self._place, -1).index_copy_(0, tokens, torch.arange(len(tokens)))

    def score_all(self) -> None:
        """From here on, `train` computes the output layer for the whole vocabulary, and learns what is plausible."""
        self._output, self._place = self.base.output, torch.arange(self.base.shape.vocabulary)

    @torch.inference_mode()
    def train(self, batch: Batch) -> Outcome:
        """Add the gradient of the batch's loss to the adapter's gradients."""
        attention = Attention(self.base.shape, batch, self.dtype)
        hidden, kept = self._forward(batch, attention, keep=True)
        outcome, grad = self._loss(hidden, batch)
        for index in reversed(range(self.adapter.first, self.base.shape.layers)):
            self._block_backward(index, grad, kept.pop(), attention)
        return outcome

    @torch.inference_mode()
    def measure(self, batch: Batch) -> Outcome:
        """Loss and accuracy only."""
        attention = Attention(self.base.shape, batch, self.dtype)
        hidden, _ = self._forward(batch, attention, keep=False)
        logits = self._logits(hidden, batch)
        loss = torch.nn.functional.cross_entropy(logits, batch.answer, reduction="none")
        accuracy = batch.weight @ (logits.argmax(1) == batch.answer).float()
        return Outcome(float(batch.weight @ loss), float(accuracy))

    @torch.inference_mode()
    def logits(self, batch: Batch) -> Tensor:
        """(T, vocabulary) in fp32 at the places that predict trained tokens; for tests."""
        hidden, _ = self._forward(batch, Attention(self.base.shape, batch, self.dtype), keep=False)
        return self._logits(hidden, batch)

    def _forward(self, batch: Batch, attention: Attention, *, keep: bool) -> tuple[Tensor, list[Kept]]:
        hidden = self.base.embedding.index_select(0, batch.ids).float()
        kept = []
        for index in range(self.base.shape.layers):
            block = self._block(index, hidden, attention)
            if keep and index >= self.adapter.first:
                kept.append(block)
        return hidden, kept

    def _block(self, index: int, hidden: Tensor, attention: Attention) -> Kept:
        """One block; adds its two outputs to `hidden` in place."""
        low: dict[str, Tensor] = {}
        attention_input = self._normed(hidden)
        qkv = self._linear(index, "qkv", attention_input.value, low)
        context, front, rows = attention.forward(qkv)
        hidden.add_(self._linear(index, "output", context, low))
        mlp_input = self._normed(hidden)
        gate_up = self._linear(index, "gate_up", mlp_input.value, low)
        raw_gate, up = gate_up.chunk(2, 1)
        gate = silu(raw_gate)
        product = gate * up
        hidden.add_(self._linear(index, "down", product, low))
        return Kept(attention_input, front, rows, context, mlp_input, gate_up, gate, product, low)

    def _block_backward(self, index: int, grad: Tensor, kept: Kept, attention: Attention) -> None:
        """Turn `grad`, with respect to the block's output, into that of its input, in place."""
        d_product = self._linear_backward(index, "down", grad.to(self.dtype), kept.product, kept.low)
        raw_gate, up = kept.gate_up.chunk(2, 1)
        d_gate_up = torch.empty_like(kept.gate_up)
        torch.mul(d_product, kept.gate, out=d_gate_up[:, up.shape[1] :])
        torch.ops.aten.silu_backward(d_product.mul_(up), raw_gate, grad_input=d_gate_up[:, : up.shape[1]])
        d_input = self._linear_backward(index, "gate_up", d_gate_up, kept.mlp_input.value, kept.low)
        _norm_backward(grad, d_input, kept.mlp_input)
        d_context = self._linear_backward(index, "output", grad.to(self.dtype), kept.context, kept.low)
        d_qkv = attention.backward(d_context, kept.front, kept.rows)
        lowest = index == self.adapter.first
        d_input = self._linear_backward(index, "qkv", d_qkv, kept.attention_input.value, kept.low, stop=lowest)
        if not lowest:
            _norm_backward(grad, d_input, kept.attention_input)

    def _linear(self, index: int, name: str, x: Tensor, low: dict[str, Tensor]) -> Tensor:
        """x W^T + (x A^T) B^T, the latter from the adapter's first block on; (N, in) to (N, out)."""
        out = linear(x, self.base.blocks[index].weight[name])
        if index < self.adapter.first:
            return out
        pair = self.adapter.pairs[index][name]
        low[name] = x @ pair.work_a.t()
        return out.addmm_(low[name], pair.work_b.t())

    def _linear_backward(
        self, index: int, name: str, grad: Tensor, x: Tensor, low: dict[str, Tensor], *, stop: bool = False
    ) -> Tensor:
        """Add to the gradients of A and B; return that of x, unless nothing below is trained (`stop`)."""
        pair: Pair = self.adapter.pairs[index][name]
        d_low = grad @ pair.work_b
        pair.grad_b.add_(grad.t() @ low[name], alpha=self.adapter.scale)
        d_a = d_low.t() @ x
        if pair.norm is None:
            pair.grad_a.add_(d_a)
        else:
            pair.grad_a.addcmul_(d_a, pair.norm)
        return grad if stop else (grad @ self.base.blocks[index].weight[name]).addmm_(d_low, pair.work_a)

    def _normed(self, hidden: Tensor) -> Normed:
        """Root-mean-square norm without its gain, which the weights hold."""
        squares = torch.linalg.vector_norm(hidden, dim=1, keepdim=True).square_()
        factor = squares.div_(hidden.shape[1]).add_(self.base.shape.norm_epsilon).rsqrt_()
        return Normed(torch.mul(hidden, factor, out=torch.empty_like(hidden, dtype=self.dtype)), factor)

    def _logits(self, hidden: Tensor, batch: Batch) -> Tensor:
        normed = self._normed(hidden.index_select(0, batch.answer_index)).value
        return linear(normed * self._final_norm, self.base.output).float()

    def _loss(self, hidden: Tensor, batch: Batch) -> tuple[Outcome, Tensor]:
        """Cross-entropy at the answers' tokens, and its gradient with respect to `hidden`, (N, width).

        The probability of the right token is taken as one minus the sum of the others, which stays exact
        when it is close to one, where bf16 has no digits left.
        """
        normed = self._normed(hidden.index_select(0, batch.answer_index))
        answer = self._place.index_select(0, batch.answer)[:, None]
        share = torch.softmax(linear(normed.value * self._final_norm, self._output), -1)
        if self._output is self.base.output:
            self.plausible.logical_or_(share.amax(0) > PLAUSIBLE_SHARE)
        right = share.gather(1, answer)
        accuracy = float(batch.weight @ (right >= share.amax(1, keepdim=True)).float()[:, 0])
        wrong = share.scatter_(1, answer, 0).sum(1, keepdim=True)
        exact = torch.where(wrong < 0.5, torch.log1p(-wrong.float()), right.float().clamp_(min=1e-30).log())
        share.scatter_(1, answer, -wrong)
        d_normed = (share @ self._output).mul_(batch.weight[:, None].to(self.dtype)).mul_(self._final_norm)
        answers = torch.zeros(len(d_normed), hidden.shape[1])
        _norm_backward(answers, d_normed, normed)
        grad = torch.zeros_like(hidden).index_add_(0, batch.answer_index, answers)
        return Outcome(float(-(batch.weight @ exact[:, 0])), accuracy), grad


def _norm_backward(grad: Tensor, d_normed: Tensor, normed: Normed) -> None:
    """Add the gradient of the norm's input to `grad` (fp32), in place."""
    along = torch.linalg.vecdot(d_normed, normed.value)[:, None].div_(-grad.shape[1])
    grad.addcmul_(torch.addcmul(d_normed, normed.value, along), normed.factor)
