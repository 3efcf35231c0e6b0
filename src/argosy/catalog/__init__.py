"""Models: cards of those that can be served, getting their weights, and the adapters that were made from them."""

from argosy.catalog.licence import Licence, licence, licences
from argosy.catalog.lineage import Lineage, code_version
from argosy.catalog.model_card import FREE, ListPrices, Modality, ModelCard, Prices, WeightsFile, card, cards
from argosy.catalog.pulling import Progress, pull
from argosy.catalog.search import CardFilter, find_cards
from argosy.catalog.store import (
    Acceptance,
    ModelVersion,
    accepted,
    adapters_of,
    find_model,
    list_models,
    register_adapter,
    remove_adapter,
)
from argosy.catalog.terms import accept_licence, acceptance_of, require_licence

__all__ = [
    "FREE",
    "Acceptance",
    "CardFilter",
    "Licence",
    "Lineage",
    "ListPrices",
    "Modality",
    "ModelCard",
    "ModelVersion",
    "Prices",
    "Progress",
    "WeightsFile",
    "accept_licence",
    "acceptance_of",
    "accepted",
    "adapters_of",
    "card",
    "cards",
    "code_version",
    "find_cards",
    "find_model",
    "licence",
    "licences",
    "list_models",
    "pull",
    "register_adapter",
    "remove_adapter",
    "require_licence",
]
