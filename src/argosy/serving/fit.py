"""Fit weights to this machine: try the sensible precisions for some seconds, keep the fastest, remember the result."""

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from argosy.catalog import kv_bytes_per_token, main_form, open_weights
from argosy.core import OutOfSpace, UpstreamFailed
from argosy.serving.engines import EngineSpec
from argosy.serving.quantise import FORMATS, quantise
from argosy.serving.replicas import Replica

_STREAMS = 16
_TOKENS = 12  # per stream: about a second a candidate on two cores
_NEAR = 0.8  # of the fastest: forms that are worth a second look
_START_S_MAX = 120


@dataclass(frozen=True)
class Speed:
    """Tokens per second, all streams together."""

    one_stream: float
    sixteen_streams: float

    def better(self, other: "Speed") -> "Speed":
        """The best of both: what disturbs a measurement only ever slows it."""
        return Speed(max(self.one_stream, other.one_stream), max(self.sixteen_streams, other.sixteen_streams))


@dataclass(frozen=True)
class Shape:
    """What must be known of a model to give its requests room."""

    shipped: str
    """The form that most of the shipped file's matrices have, such as ``Q4_1``."""
    context_length: int
    kv_bytes_per_token: int


@dataclass(frozen=True)
class Fitted:
    """The file to serve, and why it."""

    path: Path
    quantisation: str
    shape: Shape
    measured: dict[str, Speed]
    """By quantisation; empty when nothing could be measured, in which case the file is the shipped one."""
    note: str = ""


def fit(source: Path, scratch: Path, tell: Callable[[str], None]) -> Fitted:
    """The fastest form of ``source`` at 16 streams here. Cached in ``fit.json`` beside it, for this machine and engine.

    ``scratch`` is a folder for the measuring engines' files; ``tell`` gets one line about what goes on. Raises
    Invalid for damaged weights, UpstreamFailed if not even the shipped file can be served.
    """
    identity = _identity(source)
    cache = source.with_name("fit.json")
    shape, measured = _recall(cache, identity) or (shape_of(source), {})
    try:
        if not measured:
            measured = _measure_all(source, shape.shipped, scratch, tell)
            _remember(cache, identity, shape, measured)
        chosen = _fastest(measured)
        return Fitted(_file(source, chosen, shape.shipped, tell), chosen, shape, measured)
    except OutOfSpace as error:
        return Fitted(source, shape.shipped, shape, {}, note=f"Served as shipped. {error.message}")


def measure(path: Path, scratch: Path) -> Speed:
    """Serve the file for a few seconds in a process of its own. Raises UpstreamFailed if it cannot be served."""
    spec = EngineSpec(name="fitting", ready_file="", model_path=str(path), slots=_STREAMS, context_length=512)
    replica = Replica("llama_cpp", spec, scratch, scratch / "fit.log")
    try:
        _await_ready(replica)
        replica.canary()
        return Speed(_tokens_per_second(replica, 1, 2 * _TOKENS), _tokens_per_second(replica, _STREAMS, _TOKENS))
    except OSError as error:
        raise UpstreamFailed(f"{path.name} could not be measured: {error}", code="engine_failed") from error
    finally:
        replica.stop()


def _measure_all(source: Path, shipped: str, scratch: Path, tell: Callable[[str], None]) -> dict[str, Speed]:
    """Measure every form, and those near the front once more: a neighbour's burst must not decide for good."""
    measured: dict[str, Speed] = {}
    for form in (shipped, *(form for form in FORMATS if form != shipped)):
        file = _file(source, form, shipped, tell)
        tell(f"Measuring {form}")
        try:
            measured[form] = measure(file, scratch)
        except UpstreamFailed:
            if form == shipped:
                raise
    near = _NEAR * measured[_fastest(measured)].sixteen_streams
    for form in [form for form in measured if measured[form].sixteen_streams >= near]:
        tell(f"Measuring {form} again")
        measured[form] = measured[form].better(measure(_file(source, form, shipped, tell), scratch))
    for form in FORMATS:
        if form not in (_fastest(measured), shipped):
            _packed(source, form).unlink(missing_ok=True)
    return measured


def _fastest(measured: dict[str, Speed]) -> str:
    return max(measured, key=lambda form: measured[form].sixteen_streams)


def _file(source: Path, form: str, shipped: str, tell: Callable[[str], None]) -> Path:
    if form == shipped:
        return source
    target = _packed(source, form)
    if not target.exists():
        tell(f"Packing the weights as {form}")
        quantise(source, target, form)
    return target


def _packed(source: Path, form: str) -> Path:
    return source.with_name(f"{source.stem}.argosy-{form.lower()}.gguf")


def _await_ready(replica: Replica) -> None:
    while not replica.announced():
        if replica.dead or time.monotonic() - replica.started > _START_S_MAX:
            raise UpstreamFailed(replica.failure, code="engine_failed")
        time.sleep(0.02)


def _tokens_per_second(replica: Replica, streams: int, tokens: int) -> float:
    def ask(index: int) -> None:
        prompt = f"Tell me story number {index} about a merchant ship."
        body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "ignore_eos": True}
        replica.ask("/v1/chat/completions", body, timeout_s=120)

    with ThreadPoolExecutor(streams) as pool:
        began = time.monotonic()
        list(pool.map(ask, range(streams)))
        return round(streams * tokens / (time.monotonic() - began), 1)


def shape_of(source: Path) -> Shape:
    """What the file's header says. Raises Invalid for damaged weights."""
    weights = open_weights(source)
    return Shape(main_form(weights), weights.number("context_length", 2048), kv_bytes_per_token(weights))


def _identity(source: Path) -> dict[str, object]:
    """What the measurement depends on: with any other of these it is not valid."""
    cpu = next((line for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    try:
        engine = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        engine = "none"
    return {
        "cpu": cpu.partition(":")[2].strip() or cpu,
        "cores": len(os.sched_getaffinity(0)),
        "engine": f"xllamacpp {engine}",
        "file": source.name,
        "size_bytes": source.stat().st_size,
    }


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _recall(cache: Path, identity: dict[str, object]) -> tuple[Shape, dict[str, Speed]] | None:
    try:
        saved = json.loads(cache.read_text(encoding="utf-8"))
        if saved["identity"] != identity:
            return None
        return Shape(**saved["shape"]), {form: Speed(**speed) for form, speed in saved["measured"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(cache: Path, identity: dict[str, object], shape: Shape, measured: dict[str, Speed]) -> None:
    speeds = {form: asdict(speed) for form, speed in measured.items()}
    text = json.dumps({"identity": identity, "shape": asdict(shape), "measured": speeds}, indent=2)
    temporary = cache.with_name(f".{cache.name}.{os.getpid()}")
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, cache)
