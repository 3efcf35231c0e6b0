"""A provider's invoice as CSV, read with suspicion: whatever is wrong is refused with its line's number.

Invariants: amounts are decimals, never floats; a file is taken whole or not at all; nothing in it is ever evaluated.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from argosy.core import Invalid
from argosy.core.money import MICRO

BYTES_MAX = 4 << 20
LINES_MAX = 200_000
FIELDS = ("date", "model", "input_tokens", "output_tokens", "amount", "currency")
"""What a line must say; each may have another name in the file."""
_PROBLEMS_MAX = 20
_FORMULA = ("=", "+", "-", "@", "\t")
_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,12})?")
_COUNT = re.compile(r"\d{1,15}")


@dataclass(frozen=True)
class ProviderLine:
    """One line. ``amount`` is in micro-units, rounded half up; ``day`` is when it began in UTC, in unix seconds."""

    line: int
    day: int
    model: str
    prompt_tokens: int
    completion_tokens: int
    amount: int


def read_csv(
    data: bytes, currency: str | None, columns: Mapping[str, str] | None = None
) -> tuple[list[ProviderLine], str]:
    """All lines, and their currency. ``currency`` is that of the books, None if there is none yet; ``columns`` says
    what a field of `FIELDS` is called in the file, where it is not called by its name.

    Raises Invalid, which names up to twenty lines with what is wrong.
    """
    rows = csv.reader(io.StringIO(_text(data), newline=""), strict=True)
    wrong: list[str] = []
    found: list[ProviderLine] = []
    seen: dict[tuple[str, ...], int] = {}
    try:
        places, width = _places(next(rows, []), columns or {})
        for cells in rows:
            number = rows.line_num
            if not any(cell.strip() for cell in cells):
                continue
            try:
                line, currency = _line(number, cells, width, places, currency)
                if (first := seen.setdefault(tuple(cells), number)) != number:
                    raise ValueError(f"the same as line {first}")
                found.append(line)
            except ValueError as error:
                wrong.append(f"line {number}: {error}")
            if len(wrong) >= _PROBLEMS_MAX or len(found) > LINES_MAX:
                break
    except csv.Error as error:
        wrong.append(f"line {rows.line_num}: {error}")
    if len(found) > LINES_MAX:
        wrong.append(f"line {rows.line_num}: more than {LINES_MAX} lines; split the file")
    if wrong or not found:
        raise _invalid(wrong or ["it has no lines"])
    return found, currency or ""


def _places(head: list[str], columns: Mapping[str, str]) -> tuple[dict[str, int], int]:
    """Where each field is, and how many cells a line has. Raises Invalid."""
    if unknown := sorted(columns.keys() - set(FIELDS)):
        raise _invalid([f"there is no field '{unknown[0]}'; the fields are {', '.join(FIELDS)}"])
    head, names = [name.strip() for name in head], {name: columns.get(name, name) for name in FIELDS}
    if missing := [wanted for wanted in names.values() if head.count(wanted) != 1]:
        raise _invalid([f"line 1: the column '{missing[0]}' must be there once; there are: {', '.join(head)[:200]}"])
    return {name: head.index(column) for name, column in names.items()}, len(head)


def _text(data: bytes) -> str:
    if len(data) > BYTES_MAX:
        raise _invalid([f"it has {len(data)} bytes, and {BYTES_MAX} at most are read; split it"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _invalid([f"line {line}: it is not UTF-8; save it as such"]) from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise _invalid([f"line {line}: it has a NUL; this is no CSV file"])
    return text


def _line(
    number: int, cells: list[str], width: int, places: Mapping[str, int], currency: str | None
) -> tuple[ProviderLine, str]:
    if len(cells) != width:
        raise ValueError(f"it has {len(cells)} cells, and the first line has {width}")
    date, model, prompt, completion, amount, said = (cells[places[name]].strip() for name in FIELDS)
    if not model or len(model) > 200 or model.startswith(_FORMULA):
        raise ValueError(f"'{model[:40]}' is no model's name")
    for count in (prompt, completion):
        if not _COUNT.fullmatch(count) or not count.isascii():
            raise ValueError(f"'{count[:40]}' is no number of tokens")
    if not _AMOUNT.fullmatch(amount) or not amount.isascii():
        raise ValueError(f"'{amount[:40]}' is no amount such as 12.34; it must not be negative")
    if not re.fullmatch("[A-Z]{3}", said):
        raise ValueError(f"'{said[:40]}' is no currency such as USD")
    if currency is not None and said != currency:
        raise ValueError(f"it is in {said}, and the books, or the lines before, are in {currency}")
    try:
        day = int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ValueError(f"'{date[:40]}' is no date such as 2026-11-26") from None
    micro = int((Decimal(amount) * MICRO).quantize(Decimal(1), ROUND_HALF_UP))
    return ProviderLine(number, day, model, int(prompt), int(completion), micro), said


def _invalid(wrong: list[str]) -> Invalid:
    return Invalid(
        "The invoice cannot be imported, and nothing of it was: " + "; ".join(wrong) + ".",
        code="invalid_provider_invoice",
        param="csv",
    )
