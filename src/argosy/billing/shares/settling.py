"""Shares are fixed when usage is posted: in the same transaction as the usage row and what was charged for it.

Invariants: an event has one entry pair for each rule that holds for it, or none if both it and its share are zero; a
month's row is what its events' entries add up to; months are changed only under the ledger's lock, so several who post
take turns, and shares are exact.
"""

import time
from collections.abc import Iterator, Sequence

from argosy.billing.ledger import OWNER_PAYABLE, SHARE_COST, Entry, lock
from argosy.billing.shares import store
from argosy.billing.shares.rule import Rule, rule_for, share_of, tokens_of
from argosy.billing.usage import UsageEvent
from argosy.runtime import Transaction

Charged = tuple[UsageEvent, int, str]
"""A new event, what was charged for it in micro-units, and the currency."""
_MICRO = 1_000_000


def settle(tx: Transaction, charged: Sequence[Charged]) -> list[Entry]:
    """The entries for the shares of new events, to be posted with what was charged for them.

    An event of an adapter counts for its base's owner too, whatever other rule the adapter has of its own. Where no
    model of the batch has a rule this is one look at a small table.
    """
    names = {name for event, _, _ in charged for name in (event.model, event.base_model)}
    rules = store.rules_of(tx, names) if names else {}
    due = [(rule, *one) for one in charged for rule in _rules_for(rules, *one)]
    if not due:
        return []
    lock(tx)
    keys = {(rule.id, month_number(event.finished_us)) for rule, event, _, _ in due}
    months = store.read_months(tx, keys)
    entries: list[Entry] = []
    for rule, event, amount, currency in due:
        month = months[rule.id, month_number(event.finished_us)]
        share = share_of(amount, tokens_of(event), rule, month.revenue)
        month.revenue += amount
        month.share += share
        month.events += 1
        if amount or share:
            entries += _entries(rule, event, share, currency)
    store.write_months(tx, months)
    return entries


def month_number(finished_us: int) -> int:
    """The calendar month, in UTC, in which an event falls: such as 202611."""
    date = time.gmtime(finished_us // _MICRO)
    return date.tm_year * 100 + date.tm_mon


def _rules_for(rules: dict[str, list[Rule]], event: UsageEvent, _charged: int, currency: str) -> Iterator[Rule]:
    """The base's rule, then the model's own; a rule speaks of one currency only."""
    for name in dict.fromkeys((event.base_model, event.model)):
        rule = rule_for(rules.get(name, []), event.started_us // _MICRO)
        if rule is not None and rule.currency == currency:
            yield rule


def _entries(rule: Rule, event: UsageEvent, share: int, currency: str) -> list[Entry]:
    said = (event.project_id, event.model, rule.id, event.id, rule.owner)
    return [_entry(SHARE_COST, share, currency, *said), _entry(OWNER_PAYABLE, -share, currency, *said)]


def _entry(account: str, amount: int, currency: str, project: str, model: str, rule: str, id_: str, who: str) -> Entry:
    return Entry(id_, account, project, amount, currency, model, rule, id_, who)
