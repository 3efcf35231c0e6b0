"""Finding cards: by family, kind, terms, languages, size and words."""

from collections.abc import Callable, Iterable
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
    tests = list(_tests(wanted))
    return [card for card in cards if all(test(card) for test in tests)]


def _tests(wanted: CardFilter) -> Iterable[Callable[[ModelCard], bool]]:
    for word in (wanted.words or "").casefold().split():
        yield lambda card, word=word: word in f"{card.name} {card.title} {card.publisher} {card.family}".casefold()
    for field in ("family", "modality", "licence", "hosted"):
        if (value := getattr(wanted, field)) is not None:
            yield lambda card, field=field, value=value: getattr(card, field) == value
    if (language := wanted.language) is not None:
        yield lambda card: language in card.languages
    if (provider := wanted.provider) is not None:
        yield lambda card: isinstance(card.sources[0], ProviderSource) and card.sources[0].provider == provider
    if (commercial := wanted.commercial) is not None:
        yield lambda card: card.terms.allows("commercial") == commercial
    if (least := wanted.parameters_min) is not None:
        yield lambda card: card.parameters is not None and card.parameters >= least
    if (most := wanted.parameters_max) is not None:
        yield lambda card: card.parameters is not None and card.parameters <= most
    if (context := wanted.context_min) is not None:
        yield lambda card: card.context_length is not None and card.context_length >= context
