"""Whether and how a model fits this machine, as a document: what its card lets one expect, and what was measured."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from argosy.catalog import ModelCard
from argosy.core import Settings
from argosy.serving.conversion import converted_file
from argosy.serving.cost import cost_of_use
from argosy.serving.fit import PERPLEXITY_MAX, STREAMS, Fitted, recall
from argosy.serving.room import estimate

RULE = (
    f"The fastest at {STREAMS} streams of the forms whose perplexity on the shipped file's own texts is at most "
    f"{PERPLEXITY_MAX} times that file's."
)


def fit_document(card: ModelCard, settings: Settings, fitted: Fitted | None = None) -> dict[str, Any]:
    """``fitted`` is what was just measured; left out, what is remembered from the last time on this machine."""
    expected = estimate(card)
    if fitted is None and (source := _source(card, settings)):
        fitted = recall(source)
    return {
        "object": "fit",
        "model": card.name,
        "estimate": expected and {
            "fits": expected.fits,
            "weights_bytes": expected.weights_bytes,
            "memory_bytes": expected.memory_bytes,
        },
        "rule": RULE,
        "chosen": fitted and fitted.quantisation,
        "shipped": fitted and fitted.shape.shipped,
        "streams": fitted and STREAMS,
        "context_length": fitted and fitted.context_length,
        "measured": fitted and {form: asdict(one) for form, one in fitted.measured.items()},
        "cost": _cost(fitted, settings),
    }  # fmt: skip


def _source(card: ModelCard, settings: Settings) -> Path | None:
    """Where the file lies that fitting measures, if it was ever pulled."""
    folder = settings.home / "models" / card.name
    if card.parts:
        return converted_file(folder, card)
    return folder / card.file.name if card.file else None


def _cost(fitted: Fitted | None, settings: Settings) -> dict[str, Any] | None:
    if fitted is None or settings.machine_price is None:
        return None
    found = cost_of_use(fitted, *settings.machine_price)
    return asdict(found) if found else None
