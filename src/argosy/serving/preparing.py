"""From a model's name to what an engine can be started with: pull, fit, and choose the room per request."""

import importlib.util
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from argosy.catalog import Progress, card, cards, pull
from argosy.core import ArgosyError, Unavailable
from argosy.serving import e5
from argosy.serving.engines.llama_cpp import MISSING
from argosy.serving.fit import fit, shape_of
from argosy.serving.replicas import kv_context
from argosy.serving.route import modality_of

_ECHO_CONTEXT = 8192
_SLOTS = 16
_NUMBERS_CONTEXT_MAX = 8192


@dataclass(frozen=True)
class Prepared:
    """What to start engines with, and what to tell about it."""

    model_path: str
    context_length: int
    detail: dict[str, Any] = field(default_factory=dict)
    memory_bytes: int = 0
    """What an engine takes: its weights, and the room of all requests."""


class Preparation:
    """Pulls and fits in a thread of its own, which never holds up the end of the process."""

    def __init__(self, model: str, engine: str, home: Path) -> None:
        self.state, self.progress = "pulling", "Waiting"
        self.result: Prepared | None = None
        self.error: str | None = None
        threading.Thread(target=self._run, args=(model, engine, home), daemon=True, name=f"prepares {model}").start()

    def _run(self, model: str, engine: str, home: Path) -> None:
        try:
            self.result = prepare(model, engine, home, self._tell)
        except ArgosyError as error:
            self.error = error.message
        except Exception as error:
            self.error = f"Preparing {model} failed unexpectedly: {error!r}. Deploy it again to retry."

    def _tell(self, state: str, progress: str) -> None:
        self.state, self.progress = state, progress


def prepare(model: str, engine: str, home: Path, tell: Callable[[str, str], None]) -> Prepared:
    """Blocks until the weights are here and fitted. ``tell`` gets the deployment's state and a line of progress.

    Raises ArgosyError with what to do next.
    """
    if engine == "echo":
        known = cards().get(model)
        context = known and known.context_length
        return Prepared("", context or _ECHO_CONTEXT, detail={"quantisation": "none"})
    if not all(importlib.util.find_spec(package) for package in ("xllamacpp", "gguf")):
        raise Unavailable(MISSING, code="engine_missing")
    source = pull(card(model), home, lambda progress: tell("pulling", _line(progress)))
    tell("fitting", "Checking the weights")
    if modality_of(model) in ("embedding", "rerank"):
        return _numbers(source)
    fitted = fit(source, home / "run", lambda line: tell("fitting", line))
    room = kv_context(fitted.shape.context_length, fitted.shape.kv_bytes_per_token, _SLOTS)
    detail = {
        "file": str(fitted.path),
        "quantisation": fitted.quantisation,
        "tokens_per_second": {form: asdict(speed) for form, speed in fitted.measured.items()},
        "note": fitted.note or None,
    }
    memory = fitted.path.stat().st_size + room * _SLOTS * fitted.shape.kv_bytes_per_token
    return Prepared(str(fitted.path), room, {**detail, "memory_bytes": memory}, memory)


def _numbers(source: Path) -> Prepared:
    """A model that gives numbers about text is served as it was shipped: its speed is not in writing token by token."""
    if e5.is_e5(source):
        packed = source.with_suffix(".gguf")
        if not packed.exists():
            e5.write_gguf(source, packed)
        source = packed
    shape = shape_of(source)
    room = min(shape.context_length, _NUMBERS_CONTEXT_MAX)
    memory = source.stat().st_size
    detail = {"file": str(source), "quantisation": shape.shipped, "memory_bytes": memory}
    return Prepared(str(source), room, detail, memory)


def _line(progress: Progress) -> str:
    if progress.total_bytes is None:
        return progress.message
    return f"{progress.message}: {progress.done_bytes / 1e6:.0f} of {progress.total_bytes / 1e6:.0f} MB"
