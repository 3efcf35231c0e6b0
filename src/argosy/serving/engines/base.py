"""What every engine process is started with, and what it says when it can answer.

Standard library only: an engine process must not pay for importing the rest of the platform.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

ENGINES = ("llama_cpp", "echo")
"""The engines that exist, by the name of their module here."""


@dataclass(frozen=True)
class EngineSpec:
    """All that an engine process is told. Written to a JSON file before it starts."""

    name: str
    """The base model's name, by which the engine calls itself."""
    ready_file: str
    """Where the process writes its `Announcement`."""
    model_path: str = ""
    """The weights; empty for the echo engine."""
    adapter_names: tuple[str, ...] = ()
    adapter_paths: tuple[str, ...] = ()
    """Adapters, in the order of their indexes in requests. Both tuples have the same length."""
    slots: int = 16
    """Requests that are computed side by side; more wait."""
    context_length: int = 4096
    """Tokens of one request, prompt and answer together. Each slot has room of its own for this many."""
    task: str = "chat"
    """``embedding`` and ``rerank`` engines answer with numbers about text, all others write text."""
    threads: int = 0
    """Computing threads, 0 for one per core."""

    def write(self, path: Path) -> None:
        """Save for the process to read."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> "EngineSpec":
        """Read in the engine process."""
        members = json.loads(path.read_text(encoding="utf-8"))
        for name in ("adapter_names", "adapter_paths"):
            members[name] = tuple(members[name])
        return EngineSpec(**members)

    @property
    def writes(self) -> bool:
        """Whether it completes text."""
        return self.task not in ("embedding", "rerank")

    @property
    def computing_threads(self) -> int:
        """The number of threads to compute with."""
        return self.threads or len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Announcement:
    """What an engine process says once: its port, or why it cannot start."""

    port: int = 0
    error: str = ""

    def write(self, path: Path) -> None:
        """Publish, whole or not at all."""
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        os.replace(temporary, path)

    @staticmethod
    def read(path: Path) -> "Announcement | None":
        """None until the process has said something."""
        try:
            return Announcement(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None


def engine_command(engine: str, spec_file: Path) -> list[str]:
    """The command that starts an engine process. ``-P``: the folder it is started in holds no modules of ours."""
    return [sys.executable, "-P", "-m", f"argosy.serving.engines.{engine}", str(spec_file)]
