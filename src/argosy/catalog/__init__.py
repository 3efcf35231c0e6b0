"""Models: cards of those that can be served, getting their weights, and the adapters that were made from them."""

from argosy.catalog.lineage import Lineage, code_version
from argosy.catalog.model_card import ModelCard, Prices, WeightsFile, card, cards
from argosy.catalog.pulling import Progress, pull
from argosy.catalog.store import ModelVersion, adapters_of, find_model, list_models, register_adapter, remove_adapter

__all__ = [
    "Lineage",
    "ModelCard",
    "ModelVersion",
    "Prices",
    "Progress",
    "WeightsFile",
    "adapters_of",
    "card",
    "cards",
    "code_version",
    "find_model",
    "list_models",
    "pull",
    "register_adapter",
    "remove_adapter",
]
