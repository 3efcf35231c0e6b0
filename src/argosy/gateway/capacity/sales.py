"""What was sold of each deployment, and who of those that wait may have what is left. Pure: no clock, no database.

The rule. A limit of tokens a minute is a promise. What a project was promised at a deployment is its own limit, or less
if its limits at all the names by which it reaches that deployment are together lower; without a limit of its own, those
limits at names. A project with neither was promised nothing: it takes what the others leave. Limits of keys divide what
their project has, and are not counted again. A project's own limit counts in full at every deployment, since it may be
used at any one of them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from argosy.gateway.capacity.store import Waiting
from argosy.gateway.capacity.supply import Supply

Place = tuple[str, str]
"""Scope and subject of a limit."""


class Ask(Protocol):
    """A limit, or one that is wanted."""

    @property
    def project_id(self) -> str:
        """Whose it is."""

    @property
    def scope(self) -> str:
        """As of `Limit`."""

    @property
    def subject(self) -> str:
        """As of `Limit`."""

    @property
    def tokens_per_minute(self) -> int | None:
        """None: it promises none."""


class Sales:
    """The books of one moment: what is sold, and what would be. Counts are tokens a minute."""

    def __init__(self, supplies: Sequence[Supply], limits: Iterable[Ask]) -> None:
        self.supplies = supplies
        self._limits: dict[str, dict[Place, int | None]] = {}
        for each in limits:
            self._limits.setdefault(each.project_id, {})[each.scope, each.subject] = each.tokens_per_minute
        self._sold = {
            one.deployment_id: sum(self.promised(one, project) or 0 for project in self._limits) for one in supplies
        }

    def promised(self, supply: Supply, project_id: str) -> int | None:
        """To one project at one deployment; None is nothing in particular."""
        return _promised(self._limits.get(project_id, {}), supply.names_for(project_id))

    def promises(self, supply: Supply) -> dict[str, int]:
        """By project, of all that were promised something."""
        found = {project: self.promised(supply, project) for project in self._limits}
        return {project: tokens for project, tokens in found.items() if tokens is not None}

    def sold(self, supply: Supply) -> int:
        """To all projects."""
        return self._sold[supply.deployment_id]

    def raised(self, ask: Ask) -> dict[str, int]:
        """What more would be sold by this limit, by deployment; those alone that have a waitlist."""
        found = {}
        for one in self.supplies:
            if one.switch.waitlist and (more := self._more(one, ask)) > 0:
                found[one.deployment_id] = more
        return found

    def short(self, ask: Ask, before: Mapping[str, int] | None = None) -> list[Supply]:
        """Where this limit would sell more than there is, or, by ``before``, others wait for the same. Of an unknown
        capacity there is nothing more.
        """
        raised, before = self.raised(ask), before or {}
        return [
            one
            for one in self.supplies
            if (more := raised.get(one.deployment_id))
            and (before.get(one.deployment_id) or self.sold(one) + more > (one.tokens_per_minute or 0))
        ]

    def grant(self, ask: Ask) -> None:
        """Count this limit."""
        for one in self.supplies:
            self._sold[one.deployment_id] += self._more(one, ask)
        self._limits.setdefault(ask.project_id, {})[ask.scope, ask.subject] = ask.tokens_per_minute

    def _more(self, supply: Supply, ask: Ask) -> int:
        mine, names = self._limits.get(ask.project_id, {}), supply.names_for(ask.project_id)
        after = _promised({**mine, (ask.scope, ask.subject): ask.tokens_per_minute}, names)
        return (after or 0) - (_promised(mine, names) or 0)


@dataclass(frozen=True)
class InLine:
    """One that cannot be granted now."""

    waiting: Waiting
    waits_for: Sequence[str]
    """Models that are sold out, or that others wait for who came before."""
    place: int
    """Counted from 1: among those that wait for the same."""


def go_along(sales: Sales, waiting: Sequence[Waiting]) -> tuple[list[Waiting], list[InLine]]:
    """Go along the line in the order of asking: who is granted, counted in ``sales`` from then on, and who stays.

    Nobody passes one who came before and needs more of the same deployment, or a large limit would wait for ever.
    """
    granted: list[Waiting] = []
    left = list(waiting)
    while True:
        before, stay = Counter[str](), list[InLine]()
        for one in left:
            short = sales.short(one, before)
            if not short:
                sales.grant(one)
                granted.append(one)
                continue
            place = 1 + max(before[supply.deployment_id] for supply in short)
            stay.append(InLine(one, [supply.model for supply in short], place))
            before.update(sales.raised(one).keys())
        if len(stay) == len(left):
            return granted, stay
        left = [each.waiting for each in stay]  # once more: a granted limit may also lower what is sold elsewhere


def _promised(limits: Mapping[Place, int | None], names: Sequence[str]) -> int | None:
    own = limits.get(("project", ""))
    at_names = [tokens for name in names if (tokens := limits.get(("model", name))) is not None]
    if own is None:
        return sum(at_names) if at_names else None
    return min(own, sum(at_names)) if len(at_names) == len(names) else own
