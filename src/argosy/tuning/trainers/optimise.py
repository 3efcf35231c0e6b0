"""How a gradient becomes a step: Adam with warm-up, decay and clipping."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from argosy.tuning.trainers.adapter import Adapter

BETAS = (0.9, 0.99)
EPSILON = 1e-8
CLIP = 1.0
WARM_UP_SHARE = 0.06
FINAL_SHARE = 0.05
B_RATE = 3.0
"""How much faster B learns than A: B starts at zero and carries the update (LoRA+, arXiv 2402.12354; the factor was
measured on chart requests, docs/decisions/0010)."""


@dataclass(slots=True)
class Moments:
    """Adam's running means of the gradient and of its square, for one flat vector."""

    mean: Tensor
    square: Tensor


class Optimiser:
    """Updates the adapter in place. Its state is two `Moments` and the number of steps taken."""

    def __init__(self, adapter: Adapter, rate: float, total_steps: int) -> None:
        self.adapter, self.rate, self.total_steps = adapter, rate, total_steps
        self.steps = 0
        self.moments = {
            "a": Moments(torch.zeros_like(adapter.flat_a), torch.zeros_like(adapter.flat_a)),
            "b": Moments(torch.zeros_like(adapter.flat_b), torch.zeros_like(adapter.flat_b)),
        }

    def step(self) -> None:
        """Apply the gathered gradient and forget it."""
        adapter, rate = self.adapter, self.rate * schedule(self.steps, self.total_steps)
        norm = math.hypot(adapter.grad_a.norm().item(), adapter.grad_b.norm().item())
        if norm > CLIP:
            adapter.grad_a.mul_(CLIP / norm)
            adapter.grad_b.mul_(CLIP / norm)
        self._update(adapter.flat_a, adapter.grad_a, self.moments["a"], rate)
        self._update(adapter.flat_b, adapter.grad_b, self.moments["b"], rate * B_RATE)
        self.steps += 1
        adapter.zero_gradient()
        adapter.refresh()

    def served(self) -> tuple[Tensor, Tensor]:
        """The weights to serve: flat A and flat B."""
        return self.adapter.flat_a, self.adapter.flat_b

    def _update(self, weight: Tensor, grad: Tensor, moments: Moments, rate: float) -> None:
        torch._fused_adamw_(
            [weight], [grad], [moments.mean], [moments.square], [], [torch.tensor(float(self.steps + 1))],
            lr=rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False,
        )  # fmt: skip


def schedule(step: int, total: int) -> float:
    """Share of the full rate at a step: a linear warm-up, then a cosine down to `FINAL_SHARE`."""
    warm_up = max(1, round(total * WARM_UP_SHARE))
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, total - warm_up)
    return FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * done))
