"""Prices and usage events to bill."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from argosy import billing
from argosy.billing import Intent, UsageEvent
from argosy.runtime import Database


@dataclass(frozen=True)
class Card:
    """A tariff as a model card has it."""

    currency: str = "USD"
    input: int = 150_000
    cached_input: int = 75_000
    output: int = 600_000
    training: int = 3_000_000


@dataclass(frozen=True)
class Meter:
    """Makes events and intents of one model at its present price."""

    price_version: str

    def event(self, id_: str, *, project: str = "proj_a", at: float = 1_000.0, **fields: object) -> UsageEvent:
        named = {"key_id": "key_a", "kind": "chat.completion", "model": "ship", "base_model": "ship", **fields}
        times = {"started_us": int(at * 1e6) - 1, "finished_us": int(at * 1e6)}
        return UsageEvent(id=id_, project_id=project, price_version=self.price_version, **times, **named)  # type: ignore[arg-type]

    def intent(self, id_: str, *, prompt_estimate: int = 7) -> Intent:
        return Intent(
            id=id_,
            project_id="proj_a",
            key_id="key_a",
            kind="chat.completion",
            model="ship",
            base_model="ship",
            price_version=self.price_version,
            prompt_estimate=prompt_estimate,
            started_us=5,
        )


@pytest.fixture
def card() -> Card:
    return Card()


@pytest.fixture
def meter(database: Database, card: Card) -> Meter:
    with database.write() as tx:
        return Meter(billing.ensure_price(tx, "ship", card))


@pytest.fixture
def tenants(database: Database) -> None:
    """``proj_a`` and ``proj_b`` are of one organization, ``proj_theirs`` is of another."""
    with database.write() as tx:
        for name in ("a", "theirs"):
            tx.execute(text(f"INSERT INTO organizations VALUES ('org_{name}', 'Org {name}', 'org-{name}', 1)"))
        for name, owner in (("a", "a"), ("b", "a"), ("theirs", "theirs")):
            tx.execute(text(f"INSERT INTO projects VALUES ('proj_{name}', 'org_{owner}', 'Project {name}', 1)"))


@pytest.fixture
def journals(home: Path) -> Path:
    """Where journals live."""
    return home / "journal"
