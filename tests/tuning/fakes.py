"""Doubles of what a worker stands on: a trainer that obeys the protocol, and engines that answer as told."""

import sys
from pathlib import Path

from argosy.runtime import Transaction

FAKE_TRAINER = (sys.executable, str(Path(__file__).with_name("fake_trainer.py")))
BASE = "smollm2-135m-instruct"


class FakeEngines:
    """Serves the base from a file of four bytes; new models answer at once, unless told otherwise."""

    def __init__(self, home: Path) -> None:
        self.file: Path | None = home / "base.gguf"
        self.file.write_bytes(b"GGUF")
        self.loads = True
        self.refuses: str | None = None
        self.demanded = ""

    def weights(self, tx: Transaction, base: str) -> Path | None:
        return self.file if base == BASE else None

    def answers(self, tx: Transaction, model: str) -> bool:
        return self.loads

    def demand(self, tx: Transaction, base: str) -> None:
        self.demanded = base

    def refusal(self, tx: Transaction, base: str, model: str) -> str | None:
        return self.refuses
