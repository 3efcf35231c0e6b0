"""Models: cards of those that can be served, getting their weights, and the adapters that were made from them."""

from argosy.catalog.licence import Licence, licence, licences
from argosy.catalog.lineage import Lineage, code_version
from argosy.catalog.model_card import (
    FREE,
    ListPrices,
    Modality,
    ModelCard,
    Prices,
    ProviderSource,
    WeightsFile,
    card,
    cards,
)
from argosy.catalog.naming import point_alias
from argosy.catalog.provider import KnownProvider, Provider, known_providers, offered_models, settle
from argosy.catalog.pulling import Progress, pull
from argosy.catalog.search import CardFilter, find_cards
from argosy.catalog.store import (
    Acceptance,
    Alias,
    ModelVersion,
    accepted,
    adapters_of,
    add_provider,
    all_aliases,
    find_model,
    find_provider,
    list_aliases,
    list_models,
    list_providers,
    register_adapter,
    remove_adapter,
    remove_alias,
    remove_provider,
)
from argosy.catalog.terms import accept_licence, acceptance_of, require_licence

__all__ = [
    "FREE",
    "Acceptance",
    "Alias",
    "CardFilter",
    "KnownProvider",
    "Licence",
    "Lineage",
    "ListPrices",
    "Modality",
    "ModelCard",
    "ModelVersion",
    "Prices",
    "Progress",
    "Provider",
    "ProviderSource",
    "WeightsFile",
    "accept_licence",
    "acceptance_of",
    "accepted",
    "adapters_of",
    "add_provider",
    "all_aliases",
    "card",
    "cards",
    "code_version",
    "find_cards",
    "find_model",
    "find_provider",
    "known_providers",
    "licence",
    "licences",
    "list_aliases",
    "list_models",
    "list_providers",
    "offered_models",
    "point_alias",
    "pull",
    "register_adapter",
    "remove_adapter",
    "remove_alias",
    "remove_provider",
    "require_licence",
    "settle",
]
