"""From a model's name to what an engine can be started with: pull, fit, and choose the room per request."""

import importlib.util
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from argosy.catalog import ModelCard, Progress, card, cards, pull
from argosy.core import ArgosyError, Unavailable
from argosy.serving import e5
from argosy.serving.conversion import convert, converted_file
from argosy.serving.engines.llama_cpp import MISSING
from argosy.serving.fit import adopt, fit, shape_of
from argosy.serving.route import modality_of
from argosy.serving.versions import Spec

_ECHO_CONTEXT = 8192
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

    def __init__(self, model: str, spec: Spec, home: Path, environment: Mapping[str, str]) -> None:
        self.state, self.progress = "pulling", "Waiting"
        self.result: Prepared | None = None
        self.error: str | None = None
        work = (model, spec, home, environment)
        threading.Thread(target=self._run, args=work, daemon=True, name=f"prepares {model}").start()

    def _run(self, model: str, spec: Spec, home: Path, environment: Mapping[str, str]) -> None:
        try:
            self.result = prepare(model, spec, home, environment, self._tell)
        except ArgosyError as error:
            self.error = error.message
        except Exception as error:
            self.error = f"Preparing {model} failed unexpectedly: {error!r}. Deploy it again to retry."

    def _tell(self, state: str, progress: str) -> None:
        self.state, self.progress = state, progress


def prepare(
    model: str, spec: Spec, home: Path, environment: Mapping[str, str], tell: Callable[[str, str], None]
) -> Prepared:
    """Blocks until the weights are here and fitted. ``tell`` gets the deployment's state and a line of progress.

    ``environment`` as for `argosy.catalog.pull`.

    Raises ArgosyError with what to do next.
    """
    if spec.engine == "echo":
        known = cards().get(model)
        context = known and known.context_length
        return Prepared("", context or _ECHO_CONTEXT, detail={"quantisation": "none"})
    if not all(importlib.util.find_spec(package) for package in ("xllamacpp", "gguf")):
        raise Unavailable(MISSING, code="engine_missing")
    source = ready_file(card(model), home, environment, tell)
    if modality_of(model) in ("embedding", "rerank"):
        return _numbers(source)
    if folder := environment.get("ARGOSY_MODELS_PATH"):
        adopt(source, Path(folder).expanduser() / model)
    fitted = fit(source, home / "run", lambda line: tell("fitting", line), spec.quantisation)
    detail = {
        "file": str(fitted.path),
        "quantisation": fitted.quantisation,
        "measured": {form: asdict(one) for form, one in fitted.measured.items()},
        "note": fitted.note or None,
    }
    memory = fitted.memory_bytes
    return Prepared(str(fitted.path), fitted.context_length, {**detail, "memory_bytes": memory}, memory)


def ready_file(wanted: ModelCard, home: Path, environment: Mapping[str, str], tell: Callable[[str, str], None]) -> Path:
    """The model's weights as one GGUF file, pulled and converted as need be. Raises as `pull` does, and Invalid."""
    source = pull(wanted, home, lambda progress: tell("pulling", _line(progress)), environment)
    tell("fitting", "Checking the weights")
    if wanted.parts:
        target = converted_file(source.parent, wanted)
        if not target.exists():
            tell("fitting", "Converting the weights")
            convert(source, wanted.parts, target, wanted.title)
        return target
    if e5.is_e5(source):
        target = source.with_suffix(".gguf")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            e5.write_gguf(source, target)
        return target
    return source


def _numbers(source: Path) -> Prepared:
    """A model that gives numbers about text is served as it was shipped: its speed is not in writing token by token."""
    shape = shape_of(source)
    room = min(shape.context_length, _NUMBERS_CONTEXT_MAX)
    memory = source.stat().st_size
    detail = {"file": str(source), "quantisation": shape.shipped, "memory_bytes": memory}
    return Prepared(str(source), room, detail, memory)


def _line(progress: Progress) -> str:
    if progress.total_bytes is None:
        return progress.message
    return f"{progress.message}: {progress.done_bytes / 1e6:.0f} of {progress.total_bytes / 1e6:.0f} MB"
