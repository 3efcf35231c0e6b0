"""From a file of weights to a card: what its header says, what an engine can run, and what it costs in memory."""

import math
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import msgspec

from argosy.catalog.architectures import read_config, read_splitting
from argosy.catalog.licence import licence, licences
from argosy.catalog.model_card import Modality, ModelCard, Prices, WeightsFile
from argosy.catalog.repository import Entry, Folder, HubRepository, Repository, read_json
from argosy.catalog.safetensors import StoredTensor, header_size, parse_header
from argosy.catalog.weights import Weights, open_weights
from argosy.core import Invalid, NotFound, Unavailable

_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin")
_WORD = r"\w[\w.-]*"  # no part of a path that leads upwards
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_RANK_POOLING = 4  # llama.cpp's number for models that score pairs
_HEADER_BYTES = 16 << 20  # of a GGUF file: its vocabulary is most of it
_SHARD_BYTES = 1 << 20  # of a safetensors file: more than most headers have


@dataclass(frozen=True)
class Description:
    """What the owner of a file must say of it, since its header does not."""

    name: str
    licence: str = ""
    """Id of a licence of the catalog; left out, as the hub says it."""
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


def import_card(
    place: str, given: Description, environment: Mapping[str, str], report: Callable[[int], None] = lambda _: None
) -> tuple[ModelCard, Cost]:
    """The card of a model where it lies, pinned by its digests, and what it costs in memory.

    ``place``: a GGUF file or a folder of safetensors on this machine, or ``hf:org/name[@revision][/file.gguf]``.
    ``environment`` as for `pull`; ``report`` hears the bytes read so far of each file here. Nothing is run, and of a
    repository only headers and small files are read. Raises Invalid for what no engine here runs, a pickle above all,
    and for an unusable name; NotFound, Forbidden and UpstreamFailed for what cannot be had.
    """
    if place.startswith("hf:"):
        repository, path = _on_hub(place.removeprefix("hf:"), environment)
        given = replace(given, licence=given.licence or _licence_of(repository))
        return _repository_card(repository, path, given)
    file = Path(place).expanduser()
    if file.is_dir():
        return _repository_card(Folder(file.absolute(), report), None, given)
    _refuse_strange(file)
    return _file_card(Folder(file.parent.absolute(), report), file.name, given)


def _on_hub(place: str, environment: Mapping[str, str]) -> tuple[Repository, str | None]:
    """``org/name[@revision][/file]``."""
    match = re.fullmatch(rf"({_WORD}/{_WORD})(?:@({_WORD}))?(?:/({_WORD}(?:/{_WORD})*))?", place)
    if match is None:
        raise Invalid(
            f"'hf:{place}' names no repository. Write hf:ORG/NAME, hf:ORG/NAME@REVISION or hf:ORG/NAME/FILE.gguf.",
            code="invalid_repository",
            param="path",
        )
    return HubRepository(match[1], match[2] or "main", environment), match[3]


def _repository_card(repository: Repository, path: str | None, given: Description) -> tuple[ModelCard, Cost]:
    """GGUF if there is one such file or one was named, else safetensors."""
    entries = repository.entries()
    packed = [name for name in entries if name.endswith(".gguf")]
    if path is not None:
        if path not in entries:
            raise NotFound(f"{repository.name} has no file '{path}'.", code="file_not_found", param="path")
        return _file_card(repository, path, given)
    if any(name.endswith(".safetensors") for name in entries):
        return _parts_card(repository, given)
    if len(packed) == 1:
        return _file_card(repository, packed[0], given)
    if packed:
        raise Invalid(
            f"{repository.name} has {len(packed)} GGUF files. Name one: {', '.join(packed[:20])}.",
            code="several_files",
            param="path",
        )
    if any(name.endswith(_PICKLES) for name in entries):
        raise _pickle(repository.name)
    raise Invalid(
        f"{repository.name} holds neither GGUF nor safetensors files.", code="format_not_served", param="path"
    )


def _file_card(repository: Repository, path: str, given: Description) -> tuple[ModelCard, Cost]:
    """Of one GGUF file."""
    entry = repository.entries()[path]
    if path.endswith(_PICKLES):
        raise _pickle(path)
    weights = _header_of(repository, entry)
    architecture = str(weights.fields.get("general.architecture", ""))
    _check_architecture(path, architecture)
    file = WeightsFile(
        name=re.sub(r"[^\w.-]+", "_", path.rpartition("/")[2]),
        quantisation=main_form(weights),
        size_bytes=entry.size_bytes,
        sha256=repository.sha256(path),
    )
    facts = {
        "title": given.title or str(weights.fields.get("general.name") or given.name),
        "modality": given.modality or _modality(weights, architecture),
        "sources": [repository.source(path)],
        "parameters": sum(math.prod(tensor.dimensions) for tensor in weights.tensors),
        "context_length": weights.number("context_length") or None,
        "architecture": architecture,
        "file": msgspec.to_builtins(file),
    }
    return _card(given, facts), Cost(entry.size_bytes, kv_bytes_per_token(weights))


def _header_of(repository: Repository, entry: Entry) -> Weights:
    """Its beginning, in a sparse file as long as the whole, so that everything that is checked there can be."""
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / (entry.path.rpartition("/")[2] or "file")
        for count in (_HEADER_BYTES, 8 * _HEADER_BYTES):
            start.write_bytes(repository.start(entry.path, min(count, entry.size_bytes)))
            os.truncate(start, entry.size_bytes)
            weights = open_weights(start)
            if weights.data_start <= count:
                return weights
    raise Invalid(f"The header of {entry.path} has over {8 * _HEADER_BYTES:,} bytes.", code="weights_damaged")


def _parts_card(repository: Repository, given: Description) -> tuple[ModelCard, Cost]:
    """Of safetensors with their configuration and tokenizer."""
    entries = repository.entries()
    shards = sorted(name for name in entries if name.endswith(".safetensors"))
    architecture = read_config(read_json(repository, "config.json"))
    read_splitting(read_json(repository, "tokenizer.json"))
    settings = read_json(repository, "tokenizer_config.json")
    chats = bool(settings.get("chat_template")) or "chat_template.jinja" in entries
    tensors = [tensor for shard in shards for tensor in _tensors_of(repository, entries[shard])]
    names = [*shards, "config.json", "tokenizer.json", "tokenizer_config.json"]
    names += [name for name in ("generation_config.json", "chat_template.jinja") if name in entries]
    files = [
        {"path": name, "size_bytes": entries[name].size_bytes, "sha256": repository.sha256(name)} for name in names
    ]
    halves = all(tensor.form == "F16" for tensor in tensors if len(tensor.shape) == 2)
    parameters = sum(math.prod(tensor.shape) for tensor in tensors)
    facts = {
        "title": given.title or repository.name.rpartition("/")[2],
        "modality": given.modality or ("chat" if chats else "completion"),
        "sources": [repository.source(None)],
        "parameters": parameters,
        "context_length": architecture.context_length,
        "architecture": architecture.name,
        "parts": {"form": "F16" if halves else "BF16", "files": files},
    }
    per_token = 2 * 2 * architecture.layers * architecture.kv_heads * architecture.head_size
    return _card(given, facts), Cost(2 * parameters, per_token)


def _tensors_of(repository: Repository, entry: Entry) -> list[StoredTensor]:
    start = repository.start(entry.path, min(_SHARD_BYTES, entry.size_bytes))
    size = header_size(start, entry.path)
    if size > entry.size_bytes:
        raise Invalid(f"The header of {entry.path} runs over its end.", code="weights_damaged")
    header = start if size <= len(start) else repository.start(entry.path, size)
    return parse_header(header[:size], entry.size_bytes, entry.path)


def _card(given: Description, facts: dict[str, object]) -> ModelCard:
    try:
        return msgspec.convert(
            {
                "name": given.name,
                "publisher": given.publisher or "imported",
                "family": given.family or facts["architecture"],
                "licence": licence(given.licence).id,
                "prices": given.prices and msgspec.to_builtins(given.prices),
                **facts,
            },
            ModelCard,
        )
    except msgspec.ValidationError as error:
        raise Invalid(f"A card cannot be written for this model: {error}", code="invalid_card") from error


def _licence_of(repository: Repository) -> str:
    """The catalog's licence that the publisher's tag stands for. Raises Invalid where it is not certain."""
    tag = (repository.licence_tag or "none").lower()
    for known in licences().values():
        if known.kind != "service" and tag in (known.id.lower(), known.id.lower().replace("llama-", "llama")):
            return known.id
    raise Invalid(
        f"The publisher of {repository.name} gives its licence as '{tag}', which is none of the catalog's. Name the "
        "one that applies with --licence; 'argosy licences' lists them.",
        code="licence_missing",
        param="licence",
    )


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
        raise _pickle(path.name)
    if path.suffix == ".safetensors":
        raise Invalid(
            f"{path.name} is one file of a model. Import its folder, with config.json and the tokenizer.",
            code="format_not_served",
            param="path",
        )


def _pickle(name: str) -> Invalid:
    return Invalid(
        f"{name} may be a pickle, which can run anything when it is read, so it is never opened here. Look for the "
        "model as safetensors or GGUF.",
        code="pickle_refused",
        param="path",
    )


def _check_architecture(path: str, architecture: str) -> None:
    known = set(_gguf().MODEL_ARCH_NAMES.values())
    if architecture not in known:
        raise Invalid(
            f"{path} is of the architecture '{architecture}', which the local engine does not know.",
            code="unknown_architecture",
            param="path",
        )


def _modality(weights: Weights, architecture: str) -> Modality:
    pooling = weights.fields.get(f"{architecture}.pooling_type")
    if pooling is not None:
        return "rerank" if pooling == _RANK_POOLING else "embedding"
    return "chat" if "tokenizer.chat_template" in weights.fields else "completion"


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
