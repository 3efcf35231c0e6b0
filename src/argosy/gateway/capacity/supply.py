"""What each deployment can do in a minute, and by which names a project reaches it.

Capacity is what was measured at sixteen streams when the weights were fitted, as if every token had to be written: a
minute's tokens are prompts and answers together, and reading is quicker, so that much can be done whatever they are.
It counts for each replica that is wanted. Replicas of one machine share its cores: there an administrator who knows
better says so.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from argosy.catalog import adapters_of
from argosy.gateway.capacity.store import Switch, all_switches
from argosy.gateway.store import all_routes
from argosy.identity import organization_of
from argosy.runtime import Transaction
from argosy.serving import Deployment, list_deployments, list_versions


@dataclass(frozen=True)
class Supply:
    """One deployment. One that is stopped is still promised: it may be deployed again."""

    deployment_id: str
    model: str
    replicas: int
    written_per_s: float | None = None
    """Tokens of one replica; None where nothing was measured."""
    read_per_s: float | None = None
    """Tokens of prompts, of one replica."""
    switch: Switch = field(default_factory=Switch)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By project, where it is more than the model's own: adapters and routes too."""
    running: bool = True
    """Whether it is to run."""

    @property
    def tokens_per_minute(self) -> int | None:
        """What it can do; None is unknown, which is not zero."""
        if self.switch.tokens_per_minute is not None:
            return self.switch.tokens_per_minute
        return None if self.written_per_s is None else int(self.written_per_s * 60 * self.replicas)

    def names_for(self, project_id: str) -> Sequence[str]:
        """The names by which a project reaches it."""
        return self.names.get(project_id, (self.model,))


def read_supplies(tx: Transaction, project_ids: Collection[str]) -> list[Supply]:
    """All deployments, oldest first, with the names of these projects."""
    switches, organizations = all_switches(tx), _Organizations(tx)
    found = []
    for one in list_deployments(tx):
        speeds, switch = _speeds(_fit(tx, one)), switches.get(one.id, Switch())
        names = _names(tx, one.model, project_ids, organizations)
        found.append(Supply(one.id, one.model, one.replicas, *speeds, switch, names, one.desired == "running"))
    return found


class _Organizations:
    """Whose routes a project may use."""

    def __init__(self, tx: Transaction) -> None:
        self._tx, self.routes = tx, all_routes(tx)
        self._known: dict[str, str] = {}

    def routes_to(self, project_id: str, models: Collection[str]) -> list[str]:
        """The project's routes with one of these among their targets."""
        if not self.routes:
            return []
        if project_id not in self._known:
            self._known[project_id] = organization_of(self._tx, project_id).id
        mine = self._known[project_id]
        return [
            name
            for (owner, name), spec in self.routes.items()
            if owner == mine and any(target.model in models for target in spec.targets)
        ]


def _names(
    tx: Transaction, model: str, project_ids: Collection[str], organizations: _Organizations
) -> dict[str, Sequence[str]]:
    adapters: dict[str, list[str]] = {}
    for each in adapters_of(tx, model):
        adapters.setdefault(each.project_id, []).append(each.name)
    found: dict[str, Sequence[str]] = {}
    for project_id in project_ids:
        models = [model, *adapters.get(project_id, ())]
        names = dict.fromkeys([*models, *organizations.routes_to(project_id, models)])
        if len(names) > 1:
            found[project_id] = tuple(names)
    return found


def _fit(tx: Transaction, deployment: Deployment) -> Mapping[str, Any]:
    """What was found for the version that is wanted; while it is on its way, for the one that answers."""
    wanted = (one.fit for one in list_versions(tx, deployment.id) if one.number == deployment.version)
    return next(wanted, None) or deployment.detail


def _speeds(fit: Mapping[str, Any]) -> tuple[float | None, float | None]:
    measured = (fit.get("measured") or {}).get(fit.get("quantisation")) or {}
    return measured.get("sixteen_streams"), measured.get("read_sixteen")
