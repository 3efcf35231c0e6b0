"""The rows of a run: read, turned into tokens, and dealt into the batches of an epoch."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from argosy.core.errors import Invalid
from argosy.tuning.trainers.tokens import ChatTokenizer, Example

Row = list[dict[str, Any]]
LONGEST_ROW = 2048  # tokens; attention keeps a square of it for each head of each layer


def read_rows(path: str) -> list[Row]:
    """The messages of each line of a JSONL file."""
    return [msgspec.json.decode(line)["messages"] for line in Path(path).read_bytes().splitlines() if line.strip()]


def encode(rows: Sequence[Row], tokenizer: ChatTokenizer, context: int) -> list[Example]:
    """Tokens of all rows; raises Invalid when a row is too long or has nothing to learn."""
    limit = min(context, LONGEST_ROW)
    examples = [tokenizer.example(row) for row in rows]
    for number, example in enumerate(examples, start=1):
        if len(example) > limit:
            raise Invalid(f"Row {number} has {len(example)} tokens, more than the {limit} that one row may have. "
                          "Shorten or split it.", code="row_too_long")  # fmt: skip
        if not any(example.trained):
            raise Invalid(f"Row {number} has no assistant message to learn from. Add one, or give it weight 1.",
                          code="invalid_training_file")  # fmt: skip
    return examples


def deal(examples: Sequence[Example], batch_size: int, seed: int, epoch: int) -> list[list[Example]]:
    """Shuffle for one epoch, and cut into batches of nearly equal size. The same arguments deal the same."""
    order = list(examples)
    random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311 (order, not secrets)
    count = -(-len(order) // batch_size)
    return [order[len(order) * i // count : len(order) * (i + 1) // count] for i in range(count)]
