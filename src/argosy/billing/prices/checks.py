"""What a price may be. Every way in, an API call, a deployment or a file, leads through here."""

import re
from collections.abc import Iterator, Mapping

from argosy.billing.prices.price import Tariff, Terms, Tier
from argosy.billing.usage import MEASURED, PER_REQUEST
from argosy.core import PERCENT, Invalid

RATE_MAX = 10**12
"""Micro-units per million units: a million of the currency's units for a million tokens."""
_TIERS_MAX = 16
_TOKENS_MAX = 10**9
_AHEAD_S_MAX = 10 * 366 * 86_400
_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,199}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")


def terms_of(tariff: Tariff) -> Terms:
    """All that a tariff says, its tiers in order."""
    tiers: tuple[Tier, ...] = getattr(tariff, "tiers", ())
    measured: Mapping[str, int] | None = getattr(tariff, "measured", None)
    return Terms(
        tariff.currency,
        tariff.input,
        tariff.cached_input,
        tariff.output,
        tariff.training,
        tuple(sorted(tiers, key=lambda tier: tier.above_prompt_tokens)),
        getattr(tariff, "batch_discount", None),
        None if measured is None else {name: rate for name, rate in measured.items() if rate},
    )


def check_name(name: str, param: str = "model") -> None:
    """Raise Invalid for what can be no model's or provider's name, a spreadsheet's formula among others."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:60]!r} is no name of a {param}: it has 1 to 200 letters, digits and . _ : / @ + -, and starts "
            "with a letter or a digit.",
            code="invalid_name",
            param=param,
        )


def check_terms(terms: Terms) -> None:
    """Raise Invalid for the first thing that is wrong with a price."""
    if not _CURRENCY.fullmatch(terms.currency):
        raise Invalid(
            f"{terms.currency[:20]!r} is no currency: write three capital letters, such as USD.",
            code="invalid_currency",
            param="currency",
        )
    if unknown := set(terms.measured or ()) - set(MEASURED):
        raise Invalid(
            f"{min(unknown)[:40]!r} is no meter. What is counted besides tokens is: {', '.join(MEASURED)}.",
            code="unknown_meter",
            param="measured",
        )
    if len([name for name in PER_REQUEST if name in (terms.measured or ())]) > 1:
        raise Invalid(
            f"A request is counted by one of {' and '.join(PER_REQUEST)} besides tokens. Leave one of them out.",
            code="two_meters",
            param="measured",
        )
    for name, rate in _rates(terms):
        _check_rate(name, rate)
    if terms.batch_discount is not None and not 0 <= terms.batch_discount <= PERCENT:
        raise Invalid(
            "batch_discount is a whole number of percent, from 0 to 100.",
            code="invalid_discount",
            param="batch_discount",
        )
    _check_tiers(terms.tiers)


def check_date(effective_from: int, now: int) -> None:
    """Raise Invalid for a date that has passed, since prices are never changed backwards, or that can be none."""
    if effective_from < now:
        raise Invalid(
            f"effective_from is {now - effective_from} seconds in the past, and prices are never changed backwards. "
            "Leave it out for a price that holds at once.",
            code="date_in_the_past",
            param="effective_from",
        )
    if effective_from > now + _AHEAD_S_MAX:
        raise Invalid(
            "effective_from is more than ten years ahead. Write unix seconds, no milliseconds, or 2027-01-01T00:00Z.",
            code="date_too_far_ahead",
            param="effective_from",
        )


def _rates(terms: Terms) -> Iterator[tuple[str, int]]:
    for name in ("input", "cached_input", "output", "training"):
        yield name, getattr(terms, name)
    yield from (terms.measured or {}).items()
    for tier in terms.tiers:
        for name in ("input", "cached_input", "output"):
            yield f"{name} above {tier.above_prompt_tokens} tokens", getattr(tier, name)


def _check_rate(name: str, rate: int) -> None:
    if rate < 0:
        raise Invalid(
            f"The price of {name} is negative: {rate}. A correction is a ledger entry, not a price.",
            code="negative_price",
            param="prices",
        )
    if rate > RATE_MAX:
        raise Invalid(
            f"The price of {name} is more than a million of the currency for a million tokens: {rate}. Prices are "
            "micro-units per million tokens: 0.15 USD is 150000.",
            code="absurd_price",
            param="prices",
        )


def _check_tiers(tiers: tuple[Tier, ...]) -> None:
    bounds = [tier.above_prompt_tokens for tier in tiers]
    if len(tiers) > _TIERS_MAX or len(set(bounds)) < len(bounds) or any(not 1 <= one <= _TOKENS_MAX for one in bounds):
        raise Invalid(
            f"A price has at most {_TIERS_MAX} tiers, each above another number of prompt tokens from 1 to "
            f"{_TOKENS_MAX}.",
            code="invalid_tiers",
            param="tiers",
        )
