"""Whether a file is text that can be read line by line, and its lines."""

from collections.abc import Iterator
from pathlib import Path

from argosy.core import Invalid

UPLOAD_LIMIT_BYTES = 100_000_000
"""The largest file that may be uploaded."""
LINE_LIMIT_BYTES = 1 << 20
"""The longest line of a training file: one row of more is always a mistake."""
SNIFF_BYTES = 1 << 16
"""How much of a file tells whether it is text."""
_BOM = b"\xef\xbb\xbf"
_SAVE_AS = "Save it as UTF-8 text with one JSON object on each line, and upload it again."


def check_text(start: bytes) -> None:
    """Refuse a file that is empty, binary or UTF-16, by its first `SNIFF_BYTES`. Raises Invalid."""
    if not start.strip(_BOM + b" \t\r\n"):
        raise Invalid(f"The file is empty. {_SAVE_AS}", code="empty_file", param="file")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or _looks_utf16(start):
        raise Invalid(f"The file is in UTF-16 or UTF-32. {_SAVE_AS}", code="not_utf8", param="file")
    if b"\0" in start:
        raise Invalid(f"The file is binary, not text. {_SAVE_AS}", code="binary_file", param="file")


def lines_of(path: Path, limit_bytes: int = LINE_LIMIT_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """Every line that is not blank, with its number from 1; None stands for one that is longer than the limit.

    A byte order mark and carriage returns are let pass. Memory holds one line at a time.
    """
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(limit_bytes + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(_BOM)
            if len(line) > limit_bytes:
                yield number, None
                while line and not line.endswith(b"\n"):
                    line = file.readline(limit_bytes)
            elif line := line.strip():
                yield number, line


def _looks_utf16(start: bytes) -> bool:
    """Without a mark: the first character, JSON's brace, is then one byte of text beside one that is zero."""
    return start[:2].isascii() and min(start[:2]) == 0 and max(start[:2]) >= ord(" ")
