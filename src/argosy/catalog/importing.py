"""From a file of weights to a card: what its header says, what an engine can run, and what it costs in memory."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import msgspec

from argosy.catalog.licence import licence
from argosy.catalog.model_card import Modality, ModelCard, Prices, WeightsFile
from argosy.catalog.weights import Weights, open_weights
from argosy.core import Invalid, Unavailable

_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin")
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_RANK_POOLING = 4  # llama.cpp's number for models that score pairs
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Description:
    """What the owner of a file must say of it, since its header does not."""

    name: str
    licence: str
    """Id of a licence of the catalog."""
    title: str = ""
    publisher: str = ""
    family: str = ""
    modality: Modality | None = None
    """None: as the header lets one tell."""
    prices: Prices | None = None


@dataclass(frozen=True)
class Cost:
    """What serving a model takes, in bytes."""

    weights: int
    per_token: int
    """Keys and values of one token of one request, at 16 bits each."""


def card_of_file(path: Path, given: Description, progress: Callable[[int], None] = lambda _: None) -> ModelCard:
    """The card of a GGUF file on this machine, pinned by its digest; ``progress`` hears the bytes read so far.

    Raises Invalid for what is no such file, a pickle above all; for one that no engine here runs; and for an unusable
    name. Raises NotFound for an unknown licence.
    """
    terms = licence(given.licence)
    path = path.expanduser()
    _refuse_strange(path)
    weights = open_weights(path)
    architecture = str(weights.fields.get("general.architecture", ""))
    _check_architecture(path, architecture)
    file = WeightsFile(
        name=path.name.replace(" ", "_"),
        quantisation=main_form(weights),
        size_bytes=path.stat().st_size,
        sha256=_digest(path, progress),
    )
    try:
        return msgspec.convert(
            {
                "name": given.name,
                "title": given.title or str(weights.fields.get("general.name") or given.name),
                "publisher": given.publisher or "imported",
                "family": given.family or architecture,
                "modality": given.modality or _modality(weights, architecture),
                "licence": terms.id,
                "sources": [{"kind": "file", "path": str(path.absolute())}],
                "parameters": sum(math.prod(tensor.dimensions) for tensor in weights.tensors),
                "context_length": weights.number("context_length") or None,
                "architecture": architecture,
                "file": msgspec.to_builtins(file),
                "prices": given.prices and msgspec.to_builtins(given.prices),
            },
            ModelCard,
        )
    except msgspec.ValidationError as error:
        raise Invalid(f"A card cannot be written for this model: {error}", code="invalid_card") from error


def cost_of(path: Path) -> Cost:
    """What the header lets one expect. Raises Invalid."""
    weights = open_weights(path)
    return Cost(path.stat().st_size, kv_bytes_per_token(weights))


def kv_bytes_per_token(weights: Weights) -> int:
    """Keys and values of one token in all layers, at 16 bits each."""
    heads = weights.number("attention.head_count", 1) or 1
    head_size = weights.number("attention.key_length", weights.number("embedding_length") // heads)
    return 2 * 2 * weights.number("block_count") * weights.number("attention.head_count_kv", heads) * head_size


def main_form(weights: Weights) -> str:
    """The form that most of the matrices have, such as ``Q4_1``. Raises Unavailable without the engine's parts."""
    gguf = _gguf()
    forms = [tensor.form for tensor in weights.tensors if len(tensor.dimensions) == 2]
    forms = forms or [tensor.form for tensor in weights.tensors]
    return str(gguf.GGMLQuantizationType(max(set(forms), key=forms.count)).name)


def _refuse_strange(path: Path) -> None:
    if not path.is_file():
        raise Invalid(f"There is no file {path} on the platform's machine.", code="file_not_found", param="path")
    with open(path, "rb") as file:
        start = file.read(8)
    if path.suffix in _PICKLES or start[:4] == _ZIP or start[:1] == _PICKLE:
        raise Invalid(
            f"{path.name} may be a pickle, which can run anything when it is read, so it is never opened here. "
            "Convert it to GGUF.",
            code="pickle_refused",
            param="path",
        )
    if path.suffix == ".safetensors":
        raise Invalid(
            f"{path.name} holds safetensors, which the local engine does not read. Convert the model to GGUF with "
            "llama.cpp's convert_hf_to_gguf.py, then import that.",
            code="format_not_served",
            param="path",
        )


def _check_architecture(path: Path, architecture: str) -> None:
    known = set(_gguf().MODEL_ARCH_NAMES.values())
    if architecture not in known:
        raise Invalid(
            f"{path.name} is of the architecture '{architecture}', which the local engine does not know.",
            code="unknown_architecture",
            param="path",
        )


def _modality(weights: Weights, architecture: str) -> Modality:
    pooling = weights.fields.get(f"{architecture}.pooling_type")
    if pooling is not None:
        return "rerank" if pooling == _RANK_POOLING else "embedding"
    return "chat" if "tokenizer.chat_template" in weights.fields else "completion"


def _digest(path: Path, progress: Callable[[int], None]) -> str:
    digest, done = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(done)
    return digest.hexdigest()


def _gguf() -> ModuleType:
    try:
        import gguf
    except ImportError as error:
        raise Unavailable(
            "Reading model files needs the local engine. Install it with: pip install 'argosy[local]'.",
            code="engine_missing",
            retry_after_s=60,
        ) from error
    module: ModuleType = gguf
    return module
