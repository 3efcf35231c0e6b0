"""Fit weights to this machine: try the sensible precisions for some seconds, keep the best, remember the result."""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from argosy.catalog import kv_bytes_per_token, main_form, open_weights
from argosy.core import Invalid, OutOfSpace, UpstreamFailed
from argosy.runtime import whole_file
from argosy.serving.calibrate import calibrate, can_calibrate
from argosy.serving.measuring import Measured, measure, write_texts
from argosy.serving.quantise import FORMATS, quantise
from argosy.serving.replicas import kv_context

STREAMS = 16
"""Requests that an engine answers side by side."""
PERPLEXITY_MAX = 1.25
"""On the shipped file's own texts, as a multiple of its own: a form above it is another model, however fast."""
CALIBRATED = "IQ4_NL"
"""Four bits, calibrated: see `argosy.serving.calibrate`."""
_TEXT_LENGTH = 96  # tokens of each of the sixteen texts that a calibration passes through
_NEAR = 0.8  # of the chosen: forms that are worth a second look


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
    measured: dict[str, Measured]
    """By quantisation; empty when nothing was measured."""
    characters_per_token: float = 0.0
    """Of what the model writes; 0 when nothing was measured."""
    note: str = ""

    @property
    def context_length(self) -> int:
        """Tokens that one request gets here, prompt and answer together, while `STREAMS` are answered side by side."""
        return kv_context(self.shape.context_length, self.shape.kv_bytes_per_token, STREAMS)

    @property
    def memory_bytes(self) -> int:
        """What an engine takes: the weights, and the room of all requests."""
        return self.path.stat().st_size + self.context_length * STREAMS * self.shape.kv_bytes_per_token


def fit(
    source: Path,
    scratch: Path,
    tell: Callable[[str], None],
    form: str | None = None,
    *,
    thorough: bool = False,
) -> Fitted:
    """The form of ``source`` that serves best here: the fastest at 16 streams of those that answer as it does.

    Cached in ``fit.json`` beside it, for this machine and engine. ``form`` wants one form, whatever was measured;
    ``thorough`` also tries `CALIBRATED`, which takes minutes, where that may pay.
    ``scratch`` is a folder for the measuring engines' files; ``tell`` gets one line about what goes on. Raises Invalid
    for damaged weights, UpstreamFailed if not even the shipped file can be served.
    """
    identity = _identity(source)
    cache = source.with_name("fit.json")
    known = _recall(cache, identity)
    shape, measured, characters = known or (shape_of(source), {}, 0.0)
    if known is None:
        for packed in (*FORMATS, CALIBRATED):  # they may be of another file that had this name
            _packed(source, packed).unlink(missing_ok=True)
    try:
        if form is None and (not measured or (thorough and _worth_calibrating(source, measured))):
            measured, characters = _measure_all(source, shape.shipped, scratch, tell, thorough=thorough)
            _remember(cache, identity, shape, measured, characters)
        chosen = form or best(measured)
        return Fitted(_file(source, chosen, shape.shipped, scratch, tell), chosen, shape, measured, characters)
    except OutOfSpace as error:
        if form:
            raise
        return Fitted(source, shape.shipped, shape, {}, note=f"Served as shipped. {error.message}")


def recall(source: Path) -> Fitted | None:
    """What an earlier `fit` found for this file, on this machine and engine."""
    try:
        found = _recall(source.with_name("fit.json"), _identity(source))
    except OSError:
        return None
    if found is None:
        return None
    shape, measured, characters = found
    chosen = best(measured)
    path = source if chosen == shape.shipped else _packed(source, chosen)
    return Fitted(path, chosen, shape, measured, characters)


def adopt(source: Path, elsewhere: Path) -> None:
    """Take over what was found for the very same file in another folder, such as the one that it was copied from."""
    other, cache = elsewhere / source.name, source.with_name("fit.json")
    if cache.exists() or not other.exists() or _identity(other) != _identity(source):
        return
    found = recall(other)
    if found is None:
        return
    for file in {found.path, other.with_name("fit.json")} - {other}:
        if not file.exists():
            return
        with whole_file(source.with_name(file.name)) as temporary:
            shutil.copyfile(file, temporary)


def best(measured: Mapping[str, Measured]) -> str:
    """The rule: the fastest at 16 streams of the forms whose perplexity is at most `PERPLEXITY_MAX` times the shipped
    file's. Its own always is.
    """
    like = [form for form in measured if measured[form].perplexity <= PERPLEXITY_MAX]
    return max(like, key=lambda form: measured[form].sixteen_streams)


def _measure_all(
    source: Path, shipped: str, scratch: Path, tell: Callable[[str], None], *, thorough: bool
) -> tuple[dict[str, Measured], float]:
    """Measure every form, and those near the front once more: a neighbour's burst must not decide for good."""
    measured: dict[str, Measured] = {}
    tell(f"Measuring {shipped}")
    measured[shipped], reference = measure(source, scratch, None)

    def try_form(form: str) -> None:
        file = _file(source, form, shipped, scratch, tell)
        tell(f"Measuring {form}")
        with contextlib.suppress(UpstreamFailed):  # a form that this engine cannot serve is none to choose
            measured[form], _ = measure(file, scratch, reference)

    for form in (form for form in FORMATS if form != shipped):
        try_form(form)
    if thorough and _worth_calibrating(source, measured):
        try_form(CALIBRATED)
    near = _NEAR * measured[best(measured)].sixteen_streams
    for form in [form for form, one in measured.items() if one.sixteen_streams >= near]:
        tell(f"Measuring {form} again")
        again, _ = measure(_file(source, form, shipped, scratch, tell), scratch, reference)
        measured[form] = measured[form].better(again)
    for form in measured:
        if form not in (best(measured), shipped):
            _packed(source, form).unlink(missing_ok=True)
    return measured, reference.characters_per_token


def _worth_calibrating(source: Path, measured: Mapping[str, Measured]) -> bool:
    """Whether four bits would be faster than what is good enough so far, and are not good enough as they are."""
    plain = measured.get("Q4_0")
    if plain is None or CALIBRATED in measured or plain.perplexity <= PERPLEXITY_MAX:
        return False
    return plain.sixteen_streams > measured[best(measured)].sixteen_streams and can_calibrate(source)


def _file(source: Path, form: str, shipped: str, scratch: Path, tell: Callable[[str], None]) -> Path:
    if form == shipped:
        return source
    target = _packed(source, form)
    if target.exists():
        return target
    tell(f"Packing the weights as {form}")
    if form == CALIBRATED:
        if not can_calibrate(source):
            raise Invalid(
                f"{source.name} cannot be calibrated: only Llamas of up to a billion weights are. Choose another "
                "quantisation, or 'best'.",
                code="cannot_calibrate",
            )
        calibrate(source, target, write_texts(source, scratch, _TEXT_LENGTH), tell)
    else:
        quantise(source, target, form)
    return target


def _packed(source: Path, form: str) -> Path:
    return source.with_name(f"{source.stem}.argosy-{form.lower()}.gguf")


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
        "written_ns": source.stat().st_mtime_ns,
    }


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _recall(cache: Path, identity: dict[str, object]) -> tuple[Shape, dict[str, Measured], float] | None:
    try:
        saved = json.loads(cache.read_text(encoding="utf-8"))
        if saved["identity"] != identity:
            return None
        measured = {form: Measured(**one) for form, one in saved["measured"].items()}
        return Shape(**saved["shape"]), measured, float(saved["characters_per_token"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(
    cache: Path, identity: dict[str, object], shape: Shape, measured: dict[str, Measured], characters: float
) -> None:
    document = {
        "identity": identity,
        "shape": asdict(shape),
        "measured": {form: asdict(one) for form, one in measured.items()},
        "characters_per_token": characters,
    }
    with whole_file(cache) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
