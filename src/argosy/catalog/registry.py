"""All cards that this process knows, by name, and the nearest to a name that nobody has."""

import difflib
import re
from collections.abc import Iterable
from functools import cache

from argosy.catalog.model_card import ModelCard, ProviderSource, Source
from argosy.catalog.shipped import read_folder
from argosy.core import NotFound

_known: dict[str, ModelCard] = {}
"""The shipped and the imported cards together, bound anew as a whole; empty until imported ones were looked for."""


def cards() -> dict[str, ModelCard]:
    """All cards by name, in the order of their names: those that ship with Argosy, and those that were imported.

    Raises ValueError if a shipped one is malformed.
    """
    return _known or shipped_cards()


def take_imported(found: Iterable[ModelCard]) -> None:
    """Know these imported cards from now on, and no others. Every process calls it when the configuration changes."""
    global _known
    _known = dict(sorted({**shipped_cards(), **{card.name: card for card in found}}.items()))


@cache
def shipped_cards() -> dict[str, ModelCard]:
    """The cards that ship with Argosy. Raises ValueError if one is malformed."""
    return {card.name: card for card in read_folder("cards", ModelCard)}


def card(name: str) -> ModelCard:
    """The card of this name. Raises NotFound with names that are close to it."""
    found = cards().get(name)
    if found is None:
        near = near_names(name, cards())
        hint = f" Did you mean {' or '.join(near)}?" if near else " 'argosy models' lists what there is."
        raise NotFound(f"There is no model '{name}' in the catalog.{hint}", code="model_not_found", param="model")
    return found


def answer_length(provider: str, model: str) -> int:
    """Tokens of the longest answer of what a provider calls so; 0 where no card says it."""
    for each in cards().values():
        if each.answer_length and any(_is_at(source, provider, model) for source in each.sources):
            return each.answer_length
    return 0


def _is_at(source: Source, provider: str, model: str) -> bool:
    return isinstance(source, ProviderSource) and (source.provider, source.model) == (provider, model)


def near_names(name: str, known: "dict[str, ModelCard]") -> list[str]:
    """Up to three of the known names that someone may have meant by ``name``, quoted: the nearest, and those that are
    about as near.
    """
    asked = _plain(name)
    matcher = difflib.SequenceMatcher(b=asked)
    likeness = {}
    for candidate in known:
        matcher.set_seq1(_plain(candidate))
        likeness[candidate] = matcher.ratio()
    best = max(likeness.values(), default=0.0)
    near = [name for name in likeness if likeness[name] >= max(0.5, best - 0.08)]
    return [f"'{name}'" for name in sorted(near, key=lambda name: -likeness[name])[:3]]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
