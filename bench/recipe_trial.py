"""Whether a change of the training recipe pays, on rows that no test set holds: no engine, no platform, minutes.

    python bench/recipe_trial.py BASE.gguf en --seed 1 [--epochs 8] [--batch 4] [--threads 1]

Trains on a language's training rows with the working tree's trainer and scores the dev rows, and their sentences filled
twice more with other dev names and periods. A row counts when every token of its answer would be chosen greedily.
A share of 150 rows has a standard error of 0.04, and these rows share sentences: run several seeds before believing a
difference. BASE.gguf is what is served; `python -m bench trl` makes it as out/bench/base-q4_0.gguf.
"""

import argparse
import collections
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from torch.nn.functional import cross_entropy

from argosy.demo.task import FIELDS
from argosy.samples import split_file, train_file, writing
from argosy.samples.table import make_table
from argosy.tuning.trainers import machine
from argosy.tuning.trainers.batches import make_batch, parts
from argosy.tuning.trainers.protocol import TrainerSpec, write_spec
from argosy.tuning.trainers.report import Report
from argosy.tuning.trainers.rows import Row, encode, read_rows
from argosy.tuning.trainers.train import Run


def main() -> None:
    arguments = parse()
    machine.prepare(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        spec = TrainerSpec(
            base_gguf=arguments.base,
            train_rows=str(train_file(arguments.language)),
            n_epochs=arguments.epochs or "auto",
            batch_size=arguments.batch or "auto",
            seed=arguments.seed,
        )
        write_spec(Path(name), spec)
        run = Run(Path(name), spec, Report(Path(name)))
        started = time.perf_counter()
        for epoch in range(run.settings.n_epochs):
            run.epoch(epoch)
        seconds = time.perf_counter() - started
        print(json.dumps({"language": arguments.language, "seed": arguments.seed, "epochs": run.settings.n_epochs,
                          "batch": run.settings.batch_size, "seconds": round(seconds),
                          **scored(run, dev_rows(arguments.language))}))  # fmt: skip


def dev_rows(language: str) -> list[Row]:
    """The dev rows, then the same sentences with other dev names and periods, no request twice."""
    rows = read_rows(str(split_file(language, "dev")))
    system = rows[0][0]
    shapes, table = writing.read_shapes(language), make_table()
    refillable = [shape for shape in shapes["train"] if shape.slots]
    writing._seeded(f"{language}/refill").shuffle(refillable)
    sentences = [*shapes["dev"], *refillable[: writing._REFILLED_DEV]]
    requests = {row[1]["content"] for row in rows}
    for filling in ("dev_again", "dev_once_more"):
        writing._POOLS[filling] = ("dev",)
        for request, answer in writing._split_rows(language, filling, sentences, table):
            if request not in requests:
                requests.add(request)
                turns = {"role": "user", "content": request}, {"role": "assistant", "content": answer}
                rows.append([system, *turns])
    return rows


def scored(run: Run, rows: list[Row]) -> dict[str, Any]:
    """Share of right rows, mean loss of an answer in nats, and the fields in which wrong rows first go wrong."""
    examples = sorted(encode(rows, run.tokenizer, run.shape.context), key=len)
    right, loss = 0, 0.0
    wrong: collections.Counter[str] = collections.Counter()
    for part in parts(examples):
        batch = make_batch(part)
        logits = run.model.logits(batch)
        loss += float(cross_entropy(logits, batch.answer, reduction="sum"))
        hits, place = (logits.argmax(1) == batch.answer).tolist(), 0
        for example in part:
            own = hits[place : place + sum(example.trained)]
            if all(own):
                right += 1
            else:
                before = run.tokenizer.decode(batch.answer[place : place + own.index(False)].tolist())
                wrong[next((field for field in reversed(FIELDS) if f'"{field}":' in before), FIELDS[0])] += 1
            place += len(own)
    return {
        "rows": len(rows),
        "right": round(right / len(rows), 3),
        "loss": round(loss / len(rows), 2),
        "first_wrong": dict(wrong),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("language", choices=("en", "zh"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=0, help='0: the recipe\'s "auto"')
    parser.add_argument("--batch", type=int, default=0, help='0: the recipe\'s "auto"')
    parser.add_argument("--threads", type=int, default=0, help="0: all cores; 1 to run two trials side by side")
    return parser.parse_args()


if __name__ == "__main__":
    main()
