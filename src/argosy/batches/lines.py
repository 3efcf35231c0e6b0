"""The lines of a batch's file: all checked before the first one runs, so that a mistake costs nothing."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from argosy.datasets import lines_of

LINES_MAX = 50_000
LINE_BYTES_MAX = 8 << 20
"""As long as a request may be."""
_CUSTOM_ID_LENGTH = 512
_SHOWN_MAX = 200


class Line(msgspec.Struct, frozen=True):
    """One request of a file that was found good."""

    number: int
    custom_id: str
    model: str
    body: bytes


@dataclass
class Findings:
    """What is wrong with a file, in the order of its lines: the first 200 problems are kept, as OpenAI shows them."""

    total: int = 0
    """Lines that are not blank."""
    count: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, line: int | None, problem: "Problem") -> None:
        """One more problem; ``line`` is None for one of the whole file."""
        self.count += 1
        if len(self.shown) < _SHOWN_MAX:
            self.shown.append({"code": problem.code, "line": line, "message": str(problem), "param": problem.param})


class Problem(Exception):
    """Something wrong with one line, or with the file."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.param = code, param


class _Row(msgspec.Struct):
    custom_id: Any = UNSET
    method: Any = UNSET
    url: Any = UNSET
    body: Raw | UnsetType = UNSET


class _Body(msgspec.Struct):
    model: Any = UNSET
    stream: Any = None


_ROW = msgspec.json.Decoder(_Row)
_BODY = msgspec.json.Decoder(_Body)


def check(path: Path, endpoint: str) -> Findings:
    """Check every line of a batch's file. Never raises for what a file holds."""
    found, seen = Findings(), dict[str, int]()
    for number, text in lines_of(path, LINE_BYTES_MAX):
        found.total += 1
        if found.total > LINES_MAX:
            found.add(number, Problem("too_many_lines", f"The file has more than {LINES_MAX:,} lines. Split it."))
            break
        try:
            _check_line(text, endpoint, number, seen)
        except Problem as problem:
            found.add(number, problem)
    if not found.total:
        found.add(None, Problem("empty_file", "The file has no lines. Write one request on each."))
    return found


def lines_to_do(path: Path, done: Container[int]) -> Iterator[Line]:
    """The requests of a file that was found good, but for those whose numbers are ``done``."""
    for number, text in lines_of(path, LINE_BYTES_MAX):
        if number not in done and text is not None:
            row = _ROW.decode(text)
            assert isinstance(row.body, Raw), "the file was found good"
            yield Line(number, row.custom_id, _BODY.decode(row.body).model, bytes(row.body))


def _check_line(text: bytes | None, endpoint: str, number: int, seen: dict[str, int]) -> None:
    """Raises Problem."""
    if text is None:
        raise Problem("line_too_long", f"The line is longer than {LINE_BYTES_MAX:,} bytes.")
    row = _read(text)
    _check_custom_id(row.custom_id, number, seen)
    if row.method != "POST":
        raise Problem("invalid_method", "'method' must be POST.", "method")
    if row.url != endpoint:
        raise Problem("invalid_url", f"'url' must be {endpoint}, the endpoint of this batch.", "url")
    _check_body(row.body)


def _read(text: bytes) -> _Row:
    try:
        text.decode()
        return _ROW.decode(text)
    except UnicodeDecodeError:
        raise Problem("not_utf8", "The line is not UTF-8. Save the file as UTF-8.") from None
    except msgspec.ValidationError:
        raise Problem("invalid_line", "The line is not a JSON object.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem("invalid_json_line", f"The line is not valid JSON: {error}.") from None


def _check_custom_id(custom_id: object, number: int, seen: dict[str, int]) -> None:
    if custom_id is UNSET:
        raise Problem("missing_required_parameter", "'custom_id' is missing.", "custom_id")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= _CUSTOM_ID_LENGTH:
        raise Problem(
            "invalid_custom_id", f"'custom_id' must be a string of 1 to {_CUSTOM_ID_LENGTH} characters.", "custom_id"
        )
    first = seen.setdefault(custom_id, number)
    if first != number:
        raise Problem("duplicate_custom_id", f"'custom_id' is the same as on line {first}.", "custom_id")


def _check_body(raw: Raw | UnsetType) -> None:
    """What the gateway would refuse for other reasons than these ends up in the error file."""
    if raw is UNSET:
        raise Problem("missing_required_parameter", "'body' is missing.", "body")
    try:
        body = _BODY.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise Problem("invalid_body", "'body' must be a JSON object.", "body") from None
    if not isinstance(body.model, str) or not body.model:
        raise Problem("missing_required_parameter", "'body.model' must name a model.", "body.model")
    if body.stream:
        raise Problem("invalid_value", "The lines of a batch cannot be streamed. Leave 'stream' out.", "body.stream")
