"""Time to the same held-out accuracy: this trainer against TRL's SFTTrainer at its best learning rate.

    python bench/tuning_vs_trl.py BASE.gguf TRAIN.jsonl HELD_OUT.jsonl OUT.json [--target 0.5] [--quick]

Same machine, same rows, same weights, same run, taking turns. Each contender is a process of its own with a budget of
epochs; after some epochs the held-out rows are scored (a row counts when every token of its answer would be chosen
greedily), and the time of scoring is taken off. TRL runs at several rates, with gradient checkpointing (its default)
and without; the best of them counts. All contenders train in bf16 where the processor has it.
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
RANK, ALPHA, BATCH = 32, 64, 8


def main() -> None:
    arguments = parse()
    if arguments.contender:
        contend(json.loads(arguments.contender))
        return
    epochs = 2 if arguments.quick else arguments.epochs
    contenders: list[dict[str, Any]] = [{"name": "argosy"}]
    for rate in RATES[1:2] if arguments.quick else RATES:
        for checkpointing in [False] if arguments.quick else [True, False]:
            contenders.append({"name": "trl", "rate": rate, "gradient_checkpointing": checkpointing})
    curves = []
    for contender in contenders:
        order = contender | {"base": arguments.base, "train": arguments.train, "held_out": arguments.held_out,
                             "epochs": epochs}  # fmt: skip
        curves.append(contender | {"curve": run(order)})
        print(json.dumps(curves[-1]), flush=True)
    result = summary(curves, arguments.target)
    Path(arguments.out).write_text(json.dumps(result, indent=1))
    print(json.dumps({name: value for name, value in result.items() if name != "curves"}, indent=1))


def run(order: dict[str, Any]) -> list[dict[str, float]]:
    """One contender in a process of its own; its curve of {epoch, seconds, accuracy}."""
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as lines:
        command = [sys.executable, __file__, "-", "-", "-", "-", "--contender", json.dumps(order | {"out": lines.name})]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in Path(lines.name).read_text().splitlines()]


def summary(curves: list[dict[str, Any]], target: float | None) -> dict[str, Any]:
    """Seconds to the accuracy that the best TRL run ends with (or `target`), and the ratio."""
    trl = [curve for curve in curves if curve["name"] == "trl"]
    goal = target if target is not None else max(point["accuracy"] for c in trl for point in c["curve"])
    ours = seconds_to(curves[0], goal)
    theirs = min((s for s in (seconds_to(c, goal) for c in trl) if s is not None), default=None)
    return {
        "accuracy": goal,
        "argosy_s": ours,
        "trl_best_s": theirs,
        "times_faster": round(theirs / ours, 2) if ours and theirs else None,
        "curves": curves,
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

        for epoch in range(order["epochs"]):
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
                logits = trainer.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
                right += logits.argmax(1).tolist() == answer
        model.train()
        return right / len(held_out)

    class Score(TrainerCallback):  # type: ignore[misc]
        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
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
                gradient_checkpointing=order["gradient_checkpointing"], dataloader_num_workers=0, disable_tqdm=True,
            ),
        )  # fmt: skip
        trainer.train()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("base", "train", "held_out", "out"):
        parser.add_argument(name)
    parser.add_argument("--target", type=float, default=None)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="one TRL rate and two epochs: does it run at all")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
