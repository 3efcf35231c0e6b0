"""Setting a rule: checked in full before it holds, since what was settled by it is never settled anew."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from argosy.billing.ledger import lock
from argosy.billing.shares import store
from argosy.billing.shares.rule import WHOLE, Rule, Tier, highest_percentage
from argosy.core import Conflict, Invalid
from argosy.runtime import Transaction

AMOUNT_MAX = 10**15
TIERS_MAX = 20
_SECOND_MAX = 10**11


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to hold, as on `Rule`. Without ``effective_from`` it holds from the next second on."""

    model: str
    owner: str
    owner_name: str
    currency: str
    basis_points: int = 0
    per_million_tokens: int = 0
    minimum: int = 0
    tiers: tuple[Tier, ...] = ()
    effective_from: int | None = None
    effective_until: int | None = None
    note: str = ""


def agree(
    tx: Transaction,
    terms: Terms,
    *,
    key_id: str,
    at: int,
    kin: Sequence[str] = (),
    supersede: bool = False,
) -> Rule:
    """Make the terms the model's next version, or return the present one if it says the same.

    ``at`` is the present second: nothing holds for what is already over. ``kin`` are the models whose rules apply
    beside this one: an adapter's base, a base's adapters. ``supersede`` lets it take the place of a version whose dates
    overlap. Raises Invalid for terms that make no sense, Conflict for dates that overlap.
    """
    _check(terms, at)
    lock(tx)  # nobody posts meanwhile, and two who set rules take turns
    _check_currency(tx, terms)
    versions = store.rules_of(tx, {terms.model}).get(terms.model, [])
    last = versions[-1] if versions else None
    if last is not None and _same(last, terms):
        return last
    begins = at + 1 if terms.effective_from is None else terms.effective_from
    if last is not None and not supersede:
        _check_overlap(last, begins)
    rule = Rule(
        id="",
        number=0,
        model=terms.model,
        version=last.version + 1 if last else 1,
        owner=terms.owner,
        owner_name=terms.owner_name,
        currency=terms.currency,
        basis_points=terms.basis_points,
        per_million_tokens=terms.per_million_tokens,
        minimum=terms.minimum,
        tiers=terms.tiers,
        effective_from=begins,
        effective_until=terms.effective_until,
        note=terms.note,
        key_id=key_id,
        created_at=at,
    )
    _check_together(tx, rule, kin, at)
    number = store.last_number(tx) + 1
    rule = replace(rule, id=f"share_{number}", number=number)
    store.insert_rule(tx, rule)
    return rule


def _check(terms: Terms, at: int) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", terms.owner):
        raise _invalid(
            "An owner's id is 1 to 64 of a-z, 0-9, '.', '_' and '-', such as 'some-lab'; its name may be anything.",
            "owner",
        )
    if not terms.owner_name.strip() or not terms.owner_name.isprintable() or len(terms.owner_name) > 200:
        raise _invalid("Give the owner's name as it is to stand on statements, up to 200 characters.", "owner_name")
    if not re.fullmatch(r"[A-Z]{3}", terms.currency):
        raise _invalid("A currency is three letters, such as USD.", "currency")
    for name, value, most in (
        ("basis_points", terms.basis_points, WHOLE),
        ("per_million_tokens", terms.per_million_tokens, AMOUNT_MAX),
        ("minimum", terms.minimum, AMOUNT_MAX),
    ):
        if not 0 <= value <= most:
            hint = " (100 percent)" if most == WHOLE else ""
            raise _invalid(f"'{name}' is a whole number from 0 to {most:,}{hint}.", name)
    _check_tiers(terms.tiers)
    begins = at + 1 if terms.effective_from is None else terms.effective_from
    if not at < begins <= _SECOND_MAX:
        raise _invalid(
            "A rule cannot begin in the past: what was posted is settled. Leave 'effective_from' out to begin now.",
            "effective_from",
        )
    if terms.effective_until is not None and not begins < terms.effective_until <= _SECOND_MAX:
        raise _invalid("'effective_until' must lie after 'effective_from'.", "effective_until")


def _check_tiers(tiers: tuple[Tier, ...]) -> None:
    thresholds = [tier.above for tier in tiers]
    if len(tiers) > TIERS_MAX or thresholds != sorted(set(thresholds)) or not all(0 < t <= 10**18 for t in thresholds):
        raise _invalid(
            f"Tiers are at most {TIERS_MAX}, each 'above' more than zero and more than the one before.", "tiers"
        )
    if not all(0 <= tier.basis_points <= WHOLE for tier in tiers):
        raise _invalid("A tier's 'basis_points' is a whole number from 0 to 10,000 (100 percent).", "tiers")


def _check_currency(tx: Transaction, terms: Terms) -> None:
    books = store.currencies(tx)
    if books and terms.currency not in books:
        raise Invalid(
            f"The share is in {terms.currency}, but this platform's books are in {', '.join(books)}. Convert it.",
            code="currency_mismatch",
            param="currency",
        )


def _check_overlap(last: Rule, begins: int) -> None:
    if begins <= last.effective_from or (last.effective_until is not None and begins < last.effective_until):
        until = "without an end" if last.effective_until is None else f"to {last.effective_until}"
        raise Conflict(
            f"Version {last.version} holds from {last.effective_from} {until} (unix seconds), which overlaps. Begin "
            "after it, or say 'supersede' to let this one hold instead from its beginning on.",
            code="share_rules_overlap",
            param="effective_from",
        )


def _check_together(tx: Transaction, rule: Rule, kin: Sequence[str], at: int) -> None:
    """An adapter's owner and its base's are both paid of one charge: never more percent than there are."""
    others = store.rules_of(tx, set(kin) - {rule.model})
    for model, versions in others.items():
        coming = [one for one in versions if one.effective_until is None or one.effective_until > at]
        both = highest_percentage(rule) + max(map(highest_percentage, coming), default=0)
        if both > WHOLE:
            raise Conflict(
                f"Together with the share of '{model}', which is paid of the same charges, this comes to "
                f"{both / 100:g} percent. Agree on 100 at most.",
                code="shares_above_whole",
                param="basis_points",
            )


def _same(rule: Rule, terms: Terms) -> bool:
    names = ("owner", "owner_name", "currency", "basis_points", "per_million_tokens", "minimum", "tiers", "note")
    dates = terms.effective_from in (None, rule.effective_from) and terms.effective_until == rule.effective_until
    return dates and all(getattr(rule, name) == getattr(terms, name) for name in names)


def _invalid(message: str, param: str) -> Invalid:
    return Invalid(message, code="invalid_share", param=param)
