"""The answers of a batch while it runs: two files that are only ever appended to, in the form in which they end.

Invariants: a line is added once it is answered, whole, by one write, so it survives `kill -9`; at most the last second
of lines is lost to a power cut, and those run again; what was cut off at a file's end is cut back when it is opened.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from argosy.batches.grants import line_id
from argosy.batches.store import Counts

OUTPUT, ERRORS = "output.jsonl", "errors.jsonl"


class Answer(msgspec.Struct, frozen=True):
    """What became of one line."""

    number: int
    custom_id: str
    status: int
    """HTTP status; 0 if the API gave no answer."""
    body: bytes
    """JSON on one line."""
    counts: Counts
    """What it adds to those of the batch."""


class _Body(msgspec.Struct):
    usage: Any = None


class _Response(msgspec.Struct):
    body: _Body


class _Written(msgspec.Struct):
    id: str
    response: _Response | None = None


_WRITTEN = msgspec.json.Decoder(_Written)
_BODY = msgspec.json.Decoder(_Body)


class Results:
    """The answers of one batch, in a folder of its own. Not shared between threads, except that any may `sync`."""

    def __init__(self, folder: Path, batch_id: str) -> None:
        """Open the files and read what is done. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._batch_id = batch_id
        self.done: set[int] = set()
        """Numbers of the lines that need not run again."""
        self.counts = Counts()
        self.paths = folder / OUTPUT, folder / ERRORS
        self._files = tuple(os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600) for path in self.paths)
        for path, descriptor in zip(self.paths, self._files, strict=True):
            self._read(path, descriptor)

    def add(self, answer: Answer) -> None:
        """Keep the answer to one line. Raises OSError, with nothing kept."""
        good = answer.status == 200
        written = output_line(self._batch_id, answer)
        descriptor = self._files[0 if good else 1]
        size = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, written) != len(written):
                raise OSError("the disk took only part of an answer")
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        self._count(answer.number, answer.counts)

    def sync(self) -> None:
        """Let what was added survive a power cut too."""
        for descriptor in self._files:
            os.fdatasync(descriptor)

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._files:
            os.close(descriptor)

    def _read(self, path: Path, descriptor: int) -> None:
        good_bytes, is_output = 0, path.name == OUTPUT
        with open(path, "rb") as file:
            for text in file:
                try:
                    written = _WRITTEN.decode(text)
                except msgspec.DecodeError:
                    break  # a power cut may leave holes, in what was added since the last sync
                if not text.endswith(b"\n"):
                    break
                good_bytes += len(text)
                body = written.response.body if written.response and is_output else None
                self._count(int(written.id.rpartition("_")[2]), _counts(body, good=is_output))
        os.ftruncate(descriptor, good_bytes)

    def _count(self, number: int, more: Counts) -> None:
        if number not in self.done:
            self.done.add(number)
            names = Counts.__struct_fields__
            self.counts = Counts(*(getattr(self.counts, name) + getattr(more, name) for name in names))


def read_answer(number: int, custom_id: str, status: int, body: bytes) -> Answer:
    """The API's answer to one line. What is not JSON, as of a proxy in between, becomes an error that quotes it."""
    try:
        if b"\n" in body or b"\r" in body:
            body = msgspec.json.format(body, indent=-1)
        counts = _counts(_BODY.decode(body), good=status == 200)
    except msgspec.DecodeError:
        status = 502 if status == 200 else status
        said = body[:200].decode(errors="replace")
        error = {"message": f"The answer was not JSON: {said}", "type": "server_error", "param": None, "code": None}
        body, counts = msgspec.json.encode({"error": error}), Counts(failed=1)
    return Answer(number, custom_id, status, body, counts)


def output_line(batch_id: str, answer: Answer) -> bytes:
    """One line of an output or error file."""
    id_ = line_id(batch_id, answer.number)
    response = {"status_code": answer.status, "request_id": id_, "body": msgspec.Raw(answer.body)}
    row = {"id": f"batch_{id_}", "custom_id": answer.custom_id, "response": response, "error": None}
    return msgspec.json.encode(row) + b"\n"


def unanswered_line(batch_id: str, number: int, custom_id: str, code: str, message: str) -> bytes:
    """The line of an error file for a request that never ran."""
    row = {"id": f"batch_{line_id(batch_id, number)}", "custom_id": custom_id, "response": None}
    return msgspec.json.encode(row | {"error": {"code": code, "message": message}}) + b"\n"


def _counts(body: _Body | None, *, good: bool) -> Counts:
    if not good:
        return Counts(failed=1)
    usage = body.usage if body and isinstance(body.usage, dict) else {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    return Counts(1, 0, usage.get("prompt_tokens") or 0, cached or 0, usage.get("completion_tokens") or 0)
