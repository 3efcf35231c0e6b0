"""Limits that promise more than there is: put in a line, and granted in its order once there is capacity.

Invariants: at a deployment with a waitlist no limit is set, changed or removed so that more is sold than it can do,
but by an administrator's explicit word; of one project's one limit at most one change waits; every step is one
transaction that holds the lock of the limits, so that two never count on the same room.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from argosy.core import Conflict, now
from argosy.gateway import limits
from argosy.gateway.capacity import store
from argosy.gateway.capacity.sales import InLine, Sales, go_along
from argosy.gateway.capacity.store import Switch, Waiting
from argosy.gateway.capacity.supply import read_supplies
from argosy.gateway.limits import Limit, Scope
from argosy.runtime import Transaction, bump_version
from argosy.serving import PROVIDER, Deployment, find_deployment, modality_of

_lock = bump_version
"""The row that every change of limits and deployments writes is what lets one at a time decide: taken first, it makes
all that is read later stand still."""


@dataclass(frozen=True)
class _Removed:
    """A limit as it counts once it is gone."""

    project_id: str
    scope: str
    subject: str
    tokens_per_minute: None = None


def market(tx: Transaction, project_ids: Collection[str] = ()) -> Sales:
    """What there is and what is sold; ``project_ids`` are looked at besides those that have or want limits."""
    standing = limits.all_limits(tx)
    known = {*project_ids, *(one.project_id for one in standing), *(one.project_id for one in store.all_waiting(tx))}
    return Sales(read_supplies(tx, known), standing)


def line(tx: Transaction) -> list[InLine]:
    """Who waits, in the order of asking, as it stands."""
    waiting = store.all_waiting(tx)
    return go_along(market(tx), waiting)[1] if waiting else []


def ask_for_limit(
    tx: Transaction,
    key_id: str,
    project_id: str,
    scope: Scope,
    subject: str,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
) -> Limit | InLine:
    """Set a limit, or change it; where that would sell more than there is, put it in the line.

    To ask for the same again keeps the place in the line; to ask for something else at the same place withdraws what
    waited there: the last word counts.
    """
    _lock(tx)
    wanted = (requests_per_minute, tokens_per_minute)
    fresh = Waiting("", 0, project_id, scope, subject, *wanted, "waiting", key_id, now())
    waiting, mine = [], fresh
    for one in store.all_waiting(tx):
        if _place(one) != _place(fresh):
            waiting.append(one)
        elif (one.requests_per_minute, one.tokens_per_minute) == wanted:
            waiting.append(mine := one)
        else:
            store.decide(tx, one, "withdrawn", key_id)
    if mine is fresh:
        waiting.append(fresh)
    granted, stay = go_along(market(tx, [project_id]), waiting)
    _write(tx, [one for one in granted if one is not fresh])
    for each in stay:
        if each.waiting is mine:
            return InLine(store.add_waiting(tx, fresh), each.waits_for, each.place) if mine is fresh else each
    return limits.put_limit(tx, project_id, scope, subject, *wanted)


def drop_limit(tx: Transaction, key_id: str, project_id: str, limit_id: str) -> None:
    """Take a limit away, and what waited at its place. Raises NotFound; and Conflict if other limits of the project
    would then promise it more than there is.
    """
    _lock(tx)
    found = next((one for one in limits.list_limits(tx, project_id) if one.id == limit_id), None)
    if found:
        gone = _Removed(project_id, found.scope, found.subject)
        if over := market(tx).short(gone):
            models = ", ".join(one.model for one in over)
            raise Conflict(
                f"Without this limit the project's others promise it more of {models} than is left. "
                "Lower those first; 'argosy capacity' shows what is sold.",
                code="capacity_sold",
            )
        for one in store.all_waiting(tx):
            if _place(one) == _place(gone):
                store.decide(tx, one, "withdrawn", key_id)
    limits.remove_limit(tx, project_id, limit_id)
    settle(tx)


def settle(tx: Transaction) -> int:
    """Grant all that there is capacity for, in the order of asking; returns how many that were."""
    _lock(tx)
    waiting = store.all_waiting(tx)
    granted = go_along(market(tx), waiting)[0] if waiting else []
    _write(tx, granted)
    return len(granted)


def grantable(tx: Transaction) -> bool:
    """Whether `settle` would grant anything as things are."""
    waiting = store.all_waiting(tx)
    return bool(waiting and go_along(market(tx), waiting)[0])


def grant_anyway(tx: Transaction, key_id: str, project_ids: Collection[str], waiting_id: str) -> Waiting:
    """Set a limit that waits, whatever is sold: an administrator's word. Again, it changes nothing.

    Raises NotFound, and Conflict if it was withdrawn.
    """
    _lock(tx)
    found = store.find_waiting(tx, project_ids, waiting_id)
    if found.state == "waiting":
        _put(tx, found)
        found = store.decide(tx, found, "granted", key_id)
        settle(tx)
    return _decided(found, "granted")


def withdraw(tx: Transaction, key_id: str, project_ids: Collection[str], waiting_id: str) -> Waiting:
    """Take a limit that waits out of the line. Again, it changes nothing. Raises NotFound, and Conflict if it was
    granted.
    """
    _lock(tx)
    found = store.find_waiting(tx, project_ids, waiting_id)
    if found.state == "waiting":
        found = store.decide(tx, found, "withdrawn", key_id)
        settle(tx)
    return _decided(found, "withdrawn")


def set_switch(tx: Transaction, name: str, change: Mapping[str, Any]) -> Deployment:
    """Change members of a deployment's `Switch`; what is not among them stays. Then whatever can be granted is.

    Raises NotFound, and Conflict if nobody could ever tell what it can do.
    """
    _lock(tx)
    deployment = find_deployment(tx, name)
    switch = replace(store.all_switches(tx).get(deployment.id, Switch()), **change)
    never = deployment.spec.engine in (PROVIDER, "echo") or modality_of(deployment.model) in ("embedding", "rerank")
    if switch.waitlist and switch.tokens_per_minute is None and never:
        raise Conflict(
            f"What '{deployment.model}' can do is not measured, so the waitlist has nothing to go by. "
            "Say it with 'tokens_per_minute'.",
            code="capacity_unknown",
        )
    store.put_switch(tx, deployment.id, switch)
    settle(tx)
    return deployment


def _write(tx: Transaction, granted: Collection[Waiting]) -> None:
    for one in granted:
        _put(tx, one)
        store.decide(tx, one, "granted", None)


def _put(tx: Transaction, one: Waiting) -> None:
    limits.put_limit(tx, one.project_id, one.scope, one.subject, one.requests_per_minute, one.tokens_per_minute)


def _place(one: Waiting | _Removed) -> tuple[str, str, str]:
    return one.project_id, one.scope, one.subject


def _decided(found: Waiting, state: str) -> Waiting:
    if found.state != state:
        raise Conflict(f"This was {found.state} before. Set the limit anew with 'argosy limits set'.", code="decided")
    return found
