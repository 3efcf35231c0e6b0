"""Time to the same held-out accuracy: this trainer against TRL's SFTTrainer at its best learning rate.

    python bench/tuning_vs_trl.py BASE.gguf TRAIN.jsonl HELD_OUT.jsonl OUT.json [--target 0.5] [--quick]

Same machine, same rows, same weights, same run. Each contender is a process of its own; after some epochs the held-out
rows are scored (a row counts when every token of its answer would be chosen greedily), and the time of scoring is taken
off. First TRL runs a short schedule at each rate and is scored at its end; the best rate then runs the long schedule.
The best accuracy of all these is the goal; without one above zero there is no ratio. This trainer runs as shipped,
every setting at "auto". All train in bf16 where the processor has it. TRL runs without gradient checkpointing: with it,
its default, it computes the same gradients in more time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RATES = (1e-3, 2e-3, 4e-3)
SHORT, LONG = 3, 8  # epochs of TRL's schedules
RANK, ALPHA, BATCH = 32, 64, 8


def main() -> None:
    arguments = parse()
    if arguments.contender:
        contend(json.loads(arguments.contender))
        return
    short, long = (1, 2) if arguments.quick else (SHORT, LONG)
    files = {"base": arguments.base, "train": arguments.train, "held_out": arguments.held_out}
    searched = []
    for rate in RATES:
        searched.append(curve({"name": "trl", "rate": rate, "epochs": short, "score_from": short} | files))
    best = max(searched, key=lambda found: found["curve"][-1]["accuracy"])["rate"]
    trl = curve({"name": "trl", "rate": best, "epochs": long, "score_from": short} | files)
    ours = curve({"name": "argosy", "epochs": 2 if arguments.quick else "auto"} | files)
    result = summary(ours, [trl, *searched], arguments.target)
    Path(arguments.out).write_text(json.dumps(result, indent=1))
    print(json.dumps({name: value for name, value in result.items() if name != "curves"}, indent=1))


def curve(order: dict[str, Any]) -> dict[str, Any]:
    """One contender's order and what came of it, told as soon as it is known."""
    found = {name: order[name] for name in ("name", "rate", "epochs") if name in order} | {"curve": run(order)}
    print(json.dumps(found), flush=True)
    return found


def run(order: dict[str, Any]) -> list[dict[str, float]]:
    """One contender in a process of its own; its curve of {epoch, seconds, accuracy}."""
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as lines:
        command = [sys.executable, __file__, "-", "-", "-", "-", "--contender", json.dumps(order | {"out": lines.name})]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in Path(lines.name).read_text().splitlines()]


def summary(ours: dict[str, Any], trl: list[dict[str, Any]], target: float | None) -> dict[str, Any]:
    """Seconds to the best accuracy of any TRL run (or `target`), and the ratio."""
    goal = target if target is not None else max(point["accuracy"] for found in trl for point in found["curve"])
    ours_s = seconds_to(ours, goal)
    theirs_s = min((s for s in (seconds_to(found, goal) for found in trl) if s is not None), default=None)
    return {
        "accuracy": goal,
        "argosy_s": ours_s,
        "trl_best_s": theirs_s,
        "times_faster": round(theirs_s / ours_s, 2) if goal and ours_s and theirs_s else None,
        "curves": [ours, *trl],
    }


def seconds_to(curve: dict[str, Any], accuracy: float) -> float | None:
    return next((point["seconds"] for point in curve["curve"] if point["accuracy"] >= accuracy), None)


def contend(order: dict[str, Any]) -> None:
    """Train and score as ordered, appending to order["out"]."""
    out = Path(order["out"])
    clock = Clock(out)
    (train_here if order["name"] == "argosy" else train_trl)(order, clock)


class Clock:
    """Seconds since the start of the process, scoring taken off."""

    def __init__(self, out: Path) -> None:
        self.out, self.start, self.paused = out, time.perf_counter(), 0.0

    def score(self, epoch: float, accuracy: Any) -> None:
        began = time.perf_counter()
        seconds = began - self.start - self.paused
        point = {"epoch": epoch, "seconds": round(seconds, 1), "accuracy": round(accuracy(), 4)}
        with self.out.open("a") as file:
            file.write(json.dumps(point) + "\n")
        self.paused += time.perf_counter() - began


def train_here(order: dict[str, Any], clock: Clock) -> None:
    from argosy.tuning.trainers import machine
    from argosy.tuning.trainers.batches import make_batch, parts
    from argosy.tuning.trainers.protocol import TrainerSpec, write_spec
    from argosy.tuning.trainers.report import Report
    from argosy.tuning.trainers.rows import encode, read_rows
    from argosy.tuning.trainers.train import Run

    machine.prepare(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = TrainerSpec(base_gguf=order["base"], train_rows=order["train"], n_epochs=order["epochs"])
        write_spec(folder, spec)
        run = Run(folder, spec, Report(folder))
        held_out = encode(read_rows(order["held_out"]), run.tokenizer, run.shape.context)

        def accuracy() -> float:
            right = 0
            for part in parts(held_out):
                batch = make_batch(part)
                hits = (run.model.logits(batch).argmax(1) == batch.answer).tolist()
                for example in part:
                    count = sum(example.trained)
                    right += all(hits[:count])
                    hits = hits[count:]
            return right / len(held_out)

        for epoch in range(run.settings.n_epochs):
            run.epoch(epoch)
            clock.score(epoch + 1, accuracy)


def train_trl(order: dict[str, Any], clock: Clock) -> None:
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from argosy.tuning.trainers.machine import choose_dtype
    from datasets import Dataset

    base, dtype = Path(order["base"]), choose_dtype("auto")
    model = AutoModelForCausalLM.from_pretrained(
        str(base.parent), gguf_file=base.name, quantization_config=GgufConfig(dequantize=True), dtype=dtype
    )
    tokenizer = AutoTokenizer.from_pretrained(str(base.parent), gguf_file=base.name)
    tokenizer.pad_token = "<|endoftext|>"
    rows = [json.loads(line)["messages"] for line in Path(order["train"]).read_text().splitlines()]
    held_out = [json.loads(line)["messages"] for line in Path(order["held_out"]).read_text().splitlines()]

    def accuracy() -> float:
        model.eval()
        right = 0
        with torch.inference_mode():
            for row in held_out:
                prompt = tokenizer.apply_chat_template(row[:-1], add_generation_prompt=True, return_dict=False)
                answer = tokenizer.encode(row[-1]["content"] + "<|im_end|>", add_special_tokens=False)
                scored = trainer.model(torch.tensor([prompt + answer]), logits_to_keep=len(answer) + 1)
                right += scored.logits[0, :-1].argmax(1).tolist() == answer
        model.train()
        return right / len(held_out)

    class Score(TrainerCallback):  # type: ignore[misc]
        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if round(state.epoch) >= order["score_from"]:
                clock.score(round(state.epoch, 2), accuracy)

    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list([{"prompt": row[:-1], "completion": row[-1:]} for row in rows]),
            peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[Score()],
            args=SFTConfig(
                output_dir=folder, num_train_epochs=order["epochs"], per_device_train_batch_size=BATCH,
                learning_rate=order["rate"], lr_scheduler_type="cosine", warmup_steps=5, logging_steps=10,
                report_to="none", save_strategy="no", bf16=dtype is torch.bfloat16, use_cpu=True,
                gradient_checkpointing=False, dataloader_num_workers=0, disable_tqdm=True,
            ),
        )  # fmt: skip
        trainer.train()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("base", "train", "held_out", "out"):
        parser.add_argument(name)
    parser.add_argument("--target", type=float, default=None)
    parser.add_argument("--quick", action="store_true", help="an epoch or two of everything: does it run at all")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
