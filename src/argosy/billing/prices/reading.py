"""Price files: TOML, CSV or JSON as rows, each with its line, and every mistake told with the line that it is in.

    [[prices]]                            # JSON: {"prices": [{...}]}, or the list alone; CSV: a line of names first
    model = "house-gpt"
    currency = "USD"
    input = 150_000                       # micro-units per million tokens: 0.15 USD
    cached_input = 75_000                 # left out: as input
    output = 600_000
    effective_from = 2027-01-01T00:00:00Z # left out: at once
    batch_discount = 40                   # percent off in batches; left out: the platform's
    tiers = [{ above_prompt_tokens = 200_000, input = 300_000, cached_input = 150_000, output = 900_000 }]
    measured = { engine_seconds = 400_000_000 } # per million of what is counted besides tokens; left out: as it was

    [[prices]]
    kind = "cost"                         # what a provider asks
    provider = "openai"
    ...

In CSV, tiers are written ``200000:300000:150000:900000``, several with semicolons between, and
``measured`` likewise, ``engine_seconds:400000000``.
"""

import csv
import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

import msgspec

from argosy.billing.prices.checks import check_name, check_terms
from argosy.billing.prices.price import Terms, Tier
from argosy.core import Invalid

Format = Literal["toml", "csv", "json"]
ROWS_MAX = 5_000
_NAMES = (
    "kind", "provider", "model", "currency", "input", "cached_input", "output", "training", "tiers", "batch_discount",
    "effective_from", "measured",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Row:
    """One price of a file."""

    line: int
    model: str
    terms: Terms
    effective_from: int | None = None
    """Unix seconds; None: at once."""
    provider: str = ""
    """Whose price it is: a cost of ours. Empty for what we ask."""


def read_prices(text: str, form: Format) -> list[Row]:
    """The rows of a price file. Raises Invalid with all mistakes in its details."""
    readers = {"toml": _toml, "csv": _csv, "json": _json}
    try:
        found = list(readers[form](text.removeprefix("\ufeff")))
    except (ValueError, csv.Error, RecursionError) as error:
        raise Invalid(f"This is no {form.upper()} file of prices: {error}", code="invalid_price_file") from error
    if not 1 <= len(found) <= ROWS_MAX:
        raise Invalid(f"A price file has 1 to {ROWS_MAX} prices; this one has {len(found)}.", code="invalid_price_file")
    rows: list[Row] = []
    mistakes: list[str] = []
    for line, members in found:
        try:
            rows.append(_row(line, members, written=form == "csv"))
        except ValueError as error:
            mistakes.append(f"line {line}: {error}")
        except Invalid as error:
            mistakes.append(f"line {line}: {error.message}")
    mistakes += _doubles(rows)
    if mistakes:
        raise refusal(mistakes)
    return rows


def refusal(mistakes: list[str]) -> Invalid:
    """One error for all that is wrong with a file, by lines."""
    ordered = sorted(mistakes, key=lambda mistake: int(mistake.split()[1].rstrip(":")))
    more = f" and {len(ordered) - 1} more" if len(ordered) > 1 else ""
    return Invalid(
        f"Nothing was changed, since the file has mistakes: {ordered[0]}{more}",
        code="invalid_price_file",
        details=ordered[:100],
    )


def read_date(given: object) -> int:
    """Unix seconds of a date as people write it: a day, a time in UTC or with an offset, or the seconds. Raises
    ValueError.
    """
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str):
        text = given
        try:
            given = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"effective_from is no date: {text[:40]!r}; write 2027-01-01T00:00:00Z") from None
    if isinstance(given, date) and not isinstance(given, datetime):
        given = datetime.combine(given, time())
    if not isinstance(given, datetime):
        raise ValueError("effective_from is no date; write 2027-01-01T00:00:00Z")
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp())


def _toml(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    prices = tomllib.loads(text).get("prices")
    if not isinstance(prices, list):
        raise ValueError("it has no [[prices]]")
    heads = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*prices\s*\]\]", line)]
    # Where they are written in another way, such as one array, the first line has to do.
    return zip(heads if len(heads) == len(prices) else [1] * len(prices), prices, strict=True)


def _json(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no price")

    decoder = json.JSONDecoder(parse_constant=refuse, object_pairs_hook=_once)
    found = decoder.decode(text)
    prices = found.get("prices") if isinstance(found, dict) else found
    if not isinstance(prices, list):
        raise ValueError("it is no list of prices, and has no member 'prices' that is one")
    return zip(_lines(text, len(prices), decoder, bare=prices is found), prices, strict=True)


def _lines(text: str, count: int, decoder: json.JSONDecoder, *, bare: bool) -> list[int]:
    """Where each of the list's members begins; the first line for all where that cannot be told."""
    starts = list(re.finditer(r"\[" if bare else r'"prices"\s*:\s*\[', text))
    lines: list[int] = []
    if not bare and len(starts) != 1:
        return [1] * count
    position = starts[0].end()
    for _ in range(count):
        while text[position] in " \t\r\n,":
            position += 1
        lines.append(text.count("\n", 0, position) + 1)
        _, position = decoder.raw_decode(text, position)
    return lines


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return members


def _csv(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = [name.strip() for name in next(lines, [])]
    if unknown := [name for name in names if name not in _NAMES]:
        raise ValueError(f"line 1: unknown column {unknown[0][:40]!r}; the columns are {', '.join(_NAMES)}")
    if len(set(names)) < len(names):
        raise ValueError("line 1: a column stands twice")
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise ValueError(f"line {lines.line_num}: {len(cells)} cells where the first line names {len(names)}")
        yield lines.line_num, {name: cell for name, cell in zip(names, cells, strict=True) if cell.strip()}


def _row(line: int, members: object, *, written: bool) -> Row:
    """``written``: whether all values are text, as in CSV."""
    if not isinstance(members, dict):
        raise ValueError("a price is an object with members")
    if unknown := [name for name in members if name not in _NAMES]:
        raise ValueError(f"unknown member {str(unknown[0])[:40]!r}; they are {', '.join(_NAMES)}")
    if written:
        members = {name: _cell(name, cell) for name, cell in members.items()}
    kind, provider, model = (_text(members, name) for name in ("kind", "provider", "model"))
    if kind not in ("", "sale", "cost"):
        raise ValueError(f"kind is 'sale' or 'cost', not {kind[:40]!r}")
    if (kind == "cost") != bool(provider):
        raise ValueError("a cost names its provider, and nothing else does")
    check_name(model)
    if provider:
        check_name(provider, "provider")
    rate = _whole(members, "input")
    terms = Terms(
        _text(members, "currency"),
        rate,
        _whole(members, "cached_input", rate),
        _whole(members, "output"),
        _whole(members, "training", 0),
        _tiers(members.get("tiers", ())),
        _whole(members, "batch_discount") if "batch_discount" in members else None,
        _measured(members["measured"]) if "measured" in members else None,
    )
    check_terms(terms)
    begins = read_date(members["effective_from"]) if "effective_from" in members else None
    return Row(line, model, terms, begins, provider)


def _cell(name: str, cell: str) -> str:
    cell = cell.strip(" ")
    if cell.startswith(_FORMULA) and not re.fullmatch(r"-\d+", cell):
        raise ValueError(f"{name} looks like a spreadsheet's formula: {cell[:20]!r}")
    return cell


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _whole(members: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = members.get(name, default)
    if value is None:
        raise ValueError(f"{name} is missing")
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value, re.ASCII):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(
            f"{name} is no whole number: {str(value)[:20]!r}. Prices are micro-units per million tokens: 0.15 USD is "
            "150000"
        )
    return value


def _tiers(given: object) -> tuple[Tier, ...]:
    if isinstance(given, str):
        given = [_tier(part) for part in given.split(";")]
    try:
        return msgspec.convert(given, tuple[Tier, ...])
    except msgspec.ValidationError as error:
        raise ValueError(f"tiers: {error}") from error


def _tier(text: str) -> dict[str, int]:
    if not re.fullmatch(r"\d{1,15}(:\d{1,15}){3}", text.strip(), re.ASCII):
        raise ValueError(f"a tier is above_prompt_tokens:input:cached_input:output, not {text[:60]!r}")
    return dict(zip(Tier.__struct_fields__, map(int, text.strip().split(":")), strict=True))


def _measured(given: object) -> dict[str, int]:
    if isinstance(given, str):
        parts = [part.strip() for part in given.split(";")]
        if not all(re.fullmatch(r"[a-z_]+:\d{1,15}", part, re.ASCII) for part in parts):
            raise ValueError(f"what is counted besides tokens is written meter:rate, not {given[:60]!r}")
        given = {name: int(rate) for name, rate in (part.split(":") for part in parts)}
    try:
        return msgspec.convert(given, dict[str, int])
    except msgspec.ValidationError as error:
        raise ValueError(f"measured: {error}") from error


def _doubles(rows: list[Row]) -> Iterator[str]:
    """Rows that speak of one model, date and currency: even if they say the same, one of them is not meant."""
    seen: dict[tuple[object, ...], int] = {}
    for row in rows:
        place = (row.provider, row.model, row.effective_from, row.terms.currency)
        if place in seen:
            yield f"line {row.line}: '{row.model}' has a price from then on already, in line {seen[place]}"
        seen.setdefault(place, row.line)
