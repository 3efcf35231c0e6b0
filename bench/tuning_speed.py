"""Where a training step spends its time, and what each idea buys: tokens/s, GFLOP/s, seconds by phase.

    python bench/tuning_speed.py BASE.gguf ROWS.jsonl OUT.json [--steps 6] [--threads 2]

Each variant trains on the same batches; variants alternate, and the median of their steps counts.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from argosy.tuning.trainers import machine
from argosy.tuning.trainers.adapter import Adapter
from argosy.tuning.trainers.batches import Batch, make_batch
from argosy.tuning.trainers.model import Model
from argosy.tuning.trainers.optimise import Optimiser
from argosy.tuning.trainers.recipe import AUTO_BATCH
from argosy.tuning.trainers.rows import deal, encode, read_rows
from argosy.tuning.trainers.tokens import ChatTokenizer, Example
from argosy.tuning.trainers.weights import BaseModel, read_base


def main() -> None:
    arguments = parse()
    machine.prepare(arguments.threads)
    dtype = machine.choose_dtype("auto")
    start = time.perf_counter()
    base = read_base(Path(arguments.base), dtype)
    tokenizer = ChatTokenizer(base.metadata)
    load_s = time.perf_counter() - start
    examples = encode(read_rows(arguments.rows), tokenizer, base.shape.context)
    batches = deal(examples, AUTO_BATCH, 0, 0)[: arguments.steps]
    variants = {
        "as shipped": Variant(base, batches, make_batch),
        "whole vocabulary": Variant(base, batches, make_batch, score_all=True),
        "prefix computed for every row": Variant(base, batches, without_sharing),
    }
    for variant in variants.values():
        variant.step(0)
    for index in range(len(batches)):
        for variant in variants.values():
            variant.step(index, timed=True)
    result = {
        "precision": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "load_s": round(load_s, 2),
        "matmul_gflops": round(matmul_rate(dtype), 0),
        "variants": {name: variant.figures(base) for name, variant in variants.items()},
    }
    Path(arguments.out).write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


class Variant:
    """One way to compute the same steps."""

    def __init__(
        self,
        base: BaseModel,
        batches: list[list[Example]],
        layout: Callable[[list[Example]], Batch],
        *,
        score_all: bool = False,
    ) -> None:
        self.model = Model(base, Adapter(base, 32, 64.0, 0))
        self.score_all = score_all
        self.optimiser = Optimiser(self.model.adapter, 2e-3, 1000)
        self.batches, self.layout = batches, layout
        self.seconds: list[float] = []
        self.computed = self.answers = 0

    def step(self, index: int, *, timed: bool = False) -> None:
        start = time.perf_counter()
        batch = self.layout(self.batches[index])
        if timed and not self.score_all:
            self.model.score_plausible(batch)
        self.model.train(batch)
        if timed:
            self.computed += len(batch.ids)
            self.answers += len(batch.answer)
        self.optimiser.step()
        if timed:
            self.seconds.append(time.perf_counter() - start)

    def figures(self, base: BaseModel) -> dict[str, Any]:
        """Operations counted: 4 for each frozen weight and computed token (forward, and the input's gradient)."""
        shape = base.shape
        weights = shape.layers * sum(rows * columns for rows, columns in shape.fused.values())
        flop = 4 * weights * self.computed + 4 * self.model._output.numel() * self.answers
        rows_tokens = sum(len(example) for batch in self.batches for example in batch)
        return {
            "step_s_median": round(statistics.median(self.seconds), 3),
            "row_tokens_per_s": round(rows_tokens / sum(self.seconds), 0),
            "computed_tokens_per_s": round(self.computed / sum(self.seconds), 0),
            "gflops": round(flop / sum(self.seconds) / 1e9, 0),
        }


def without_sharing(examples: list[Example]) -> Batch:
    """The layout that would be without a shared prefix: a different first token in each row forbids sharing."""
    marked = [Example((index, *e.ids[1:]), e.trained) for index, e in enumerate(examples)]
    return make_batch(marked)


_QUICK = 5.0
"""GFLOP/s, from which on the large product takes seconds at most."""


def matmul_rate(dtype: torch.dtype) -> float:
    """GFLOP/s of one large matrix product: the ceiling. Of a small one where that is slow already: a processor without
    the instructions would take minutes for a large one.
    """
    rate = max(_rate(dtype, 256) for _ in range(3))  # the first one warms up
    return max(_rate(dtype, 2048) for _ in range(8)) if rate > _QUICK else rate


def _rate(dtype: torch.dtype, size: int) -> float:
    a, b = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    start = time.perf_counter()
    torch.mm(a, b)
    return 2 * size**3 / (time.perf_counter() - start) / 1e9


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("rows")
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
