"""A trainer that learns nothing but keeps to the protocol: one step every few milliseconds, resuming where it was.

What it does wrong is said by the seed, as that reaches it unchanged: see `Misdeed`.
"""

import enum
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from argosy.tuning.trainers import protocol
from argosy.tuning.trainers.protocol import Checkpoint, Finished, Hyperparameters, Phase, Started, Step, Validation

EPOCHS, STEPS_PER_EPOCH, TOKENS_PER_STEP = 4, 5, 100


class Misdeed(enum.IntEnum):
    NONE = 0
    DIES_ONCE = 1  # killed after step 7, which is after the checkpoint at step 5
    DIES_ALWAYS = 2
    FAILS = 3
    CRASHES = 4
    SLOW = 5  # 0.1 s a step, so that a test can act in the middle


class Run:
    def __init__(self, folder: Path) -> None:
        self.folder, self.spec = folder, protocol.read_spec(folder)
        self.misdeed = Misdeed(self.spec.seed) if self.spec.seed < len(Misdeed) else Misdeed.NONE
        steps = [int(path.name[5:]) for path in (folder / protocol.CHECKPOINTS).glob("step-*")]
        self.resumed = max(steps, default=0)

    def send(self, record: protocol.Record) -> None:
        with open(self.folder / protocol.PROGRESS_FILE, "ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")

    def adapter(self, path: Path, step: int) -> bytes:
        content = f"adapter of step {step} with seed {self.spec.seed}".encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return content

    def run(self) -> int:
        rows = len(Path(self.spec.train_rows).read_text().splitlines())
        assert Path(self.spec.base_gguf).exists()
        if self.misdeed is Misdeed.FAILS:
            failure = protocol.Failure("rows_too_long", "Row 3 is longer than the model can read.")
            (self.folder / protocol.ERROR_FILE).write_bytes(msgspec.json.encode(failure))
            return 1
        if self.misdeed is Misdeed.CRASHES:
            raise RuntimeError("the matrices do not fit")
        chosen = Hyperparameters(EPOCHS, 20, 1.0, 2e-3, self.spec.rank, self.spec.alpha, 0, 0.0, self.spec.seed)
        total = EPOCHS * STEPS_PER_EPOCH
        self.send(Started(total, EPOCHS, rows, 500, chosen, "fp32", self.resumed))
        for step in range(self.resumed + 1, total + 1):
            self.step(step, total)
        self.send(Phase("train", 0.5))
        content = self.adapter(self.folder / protocol.ADAPTER_FILE, total)
        digest = hashlib.sha256(content).hexdigest()
        self.send(Finished(total * TOKENS_PER_STEP, protocol.ADAPTER_FILE, digest, len(content), total, 1.0))
        return 0

    def step(self, step: int, total: int) -> None:
        time.sleep(0.1 if self.misdeed is Misdeed.SLOW else 0.002)
        epoch = (step - 1) // STEPS_PER_EPOCH + 1
        self.send(Step(step, epoch, 2.0 / step, 1 - 1 / step, 1000.0, step * TOKENS_PER_STEP, (total - step) * 0.1))
        if step % STEPS_PER_EPOCH == 0:
            self.send(Validation(step, 3.0 / step, 0.5))
            place = f"{protocol.CHECKPOINTS}/step-{step}"
            self.adapter(self.folder / place / protocol.ADAPTER_FILE, step)
            metrics = {"train_loss": 2.0 / step, "full_valid_loss": 3.0 / step}
            self.send(Checkpoint(step, epoch, place, f"{place}/{protocol.ADAPTER_FILE}", metrics))
        dies = self.misdeed is Misdeed.DIES_ALWAYS or (self.misdeed is Misdeed.DIES_ONCE and self.resumed == 0)
        if dies and step == self.resumed + 7:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(Run(Path(sys.argv[1])).run())
