"""From examples to the tensors of one forward pass.

Rows of one task nearly always begin alike (the system prompt). The tokens all rows of a batch share at the
front are computed once: N = prefix + sum of what is left of each row. Linear layers see these N tokens and no
padding; only attention pads (see attention.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from argosy.tuning.trainers.tokens import Example

PART_TOKENS = 2048  # about 2 GB of activations for a model of 30 layers, 576 wide


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward pass over `rows` rows.

    ids, positions: (N,), the prefix first, then the rest of each row without padding.
    pad_index: (rows * length,) where in N each padded place takes its token from.
    unpad_index: (N - prefix,) the inverse. pad_mask: (rows * length, 1), 0 where there is padding.
    answer_index: (T,) tokens whose successor is trained; answer: (T,) that successor; weight: (T,) its share.
    """

    ids: Tensor
    positions: Tensor
    prefix: int
    rows: int
    length: int
    pad_index: Tensor
    unpad_index: Tensor
    pad_mask: Tensor
    answer_index: Tensor
    answer: Tensor
    weight: Tensor


def common_prefix(examples: Sequence[Example]) -> int:
    """How many leading tokens all examples share. At least one prompt token stays in each row, because the
    token before an answer predicts a different answer in each.
    """
    limit = min(example.first_trained for example in examples) - 1
    first, last = min(e.ids[:limit] for e in examples), max(e.ids[:limit] for e in examples)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=True)) if a != b), limit)


def parts(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    """Cut a batch into parts whose forward pass fits in memory; their gradients are added up."""
    start = tokens = 0
    for index, example in enumerate(examples):
        if index > start and tokens + len(example) > PART_TOKENS:
            yield examples[start:index]
            start, tokens = index, 0
        tokens += len(example)
    yield examples[start:]


def make_batch(examples: Sequence[Example], answers: int | None = None) -> Batch:
    """Lay out some examples. Each trained token weighs 1 / answers; by default, their number here."""
    prefix = common_prefix(examples)
    ids = list(examples[0].ids[:prefix])
    positions = list(range(prefix))
    length = max(len(example) for example in examples) - prefix
    pad_index = torch.zeros(len(examples), length, dtype=torch.int64)
    pad_mask = torch.zeros(len(examples), length)
    answer_index, answer = [], []
    for row, example in enumerate(examples):
        start, count = len(ids), len(example) - prefix
        pad_index[row, :count] = torch.arange(start, start + count)
        pad_mask[row, :count] = 1
        ids += example.ids[prefix:]
        positions += range(prefix, len(example))
        for place in range(1, len(example)):
            if example.trained[place]:
                answer_index.append(start + place - 1 - prefix)
                answer.append(example.ids[place])
    return Batch(
        ids=torch.tensor(ids),
        positions=torch.tensor(positions),
        prefix=prefix,
        rows=len(examples),
        length=length,
        pad_index=pad_index.view(-1),
        unpad_index=pad_mask.view(-1).nonzero().squeeze(1),
        pad_mask=pad_mask.view(-1, 1),
        answer_index=torch.tensor(answer_index),
        answer=torch.tensor(answer),
        weight=torch.full((len(answer),), 1 / (answers or len(answer))),
    )
