"""Finding cards: by family, kind, terms, languages, size and words."""

from collections.abc import Iterable
from dataclasses import dataclass

from argosy.catalog.model_card import Modality, ModelCard, ProviderSource


@dataclass(frozen=True)
class CardFilter:
    """What a card must be; None asks for nothing. A card that does not say passes no filter about it."""

    words: str | None = None
    """Each of them must stand in the name, title, publisher or family."""
    family: str | None = None
    modality: Modality | None = None
    language: str | None = None
    """ISO 639."""
    licence: str | None = None
    provider: str | None = None
    hosted: bool | None = None
    commercial: bool | None = None
    """Whether the licence allows commercial use."""
    parameters_min: int | None = None
    parameters_max: int | None = None
    context_min: int | None = None
    """Tokens."""


def find_cards(cards: Iterable[ModelCard], wanted: CardFilter) -> list[ModelCard]:
    """The cards that pass, in their order."""
    return [card for card in cards if _passes(card, wanted)]


def _passes(card: ModelCard, wanted: CardFilter) -> bool:
    text = f"{card.name} {card.title} {card.publisher} {card.family}".casefold()
    source = card.sources[0]
    return (
        all(word in text for word in (wanted.words or "").casefold().split())
        and wanted.family in (None, card.family)
        and wanted.modality in (None, card.modality)
        and wanted.licence in (None, card.licence)
        and wanted.hosted in (None, card.hosted)
        and wanted.commercial in (None, card.terms.allows("commercial"))
        and (wanted.language is None or wanted.language in card.languages)
        and (wanted.provider is None or (isinstance(source, ProviderSource) and source.provider == wanted.provider))
        and _within(card.parameters, wanted.parameters_min, wanted.parameters_max)
        and _within(card.context_length, wanted.context_min, None)
    )


def _within(value: int | None, least: int | None, most: int | None) -> bool:
    """Whether it lies between the bounds that are given; what is not known lies nowhere."""
    if least is None and most is None:
        return True
    return value is not None and (least is None or value >= least) and (most is None or value <= most)
