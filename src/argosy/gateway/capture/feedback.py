"""What people say of a captured request, and the request as it is read: content that the vault opens."""

import msgspec

from argosy.core import now_us
from argosy.gateway.capture.record import Content, content
from argosy.gateway.capture.rows import CaptureRow, FeedbackRow, feedback_purpose
from argosy.redaction.document import Rules
from argosy.redaction.redactor import Redactor
from argosy.runtime import Vault

WORDS_MAX = 100_000
"""Characters of a comment or a correction."""
_ANSWER_PREFIXES = ("resp_", "msg_")


class Words(msgspec.Struct, omit_defaults=True):
    """The part of feedback that is text."""

    comment: str | None = None
    correction: str | None = None
    """The answer as it should have been."""


_WORDS = msgspec.json.Decoder(Words)


def request_id_of(given: str) -> str:
    """A request's id, where the id of its answer over another wire may have been given instead."""
    for prefix in _ANSWER_PREFIXES:
        if given.startswith(prefix):
            return "req_" + given.removeprefix(prefix)
    return given


def said(
    vault: Vault,
    redactor: Redactor,
    rules: Rules,
    *,
    project_id: str,
    request_id: str,
    key_id: str,
    rating: float,
    words: Words,
) -> FeedbackRow:
    """A piece of feedback, its words redacted and sealed. Blocks. Raises Unavailable, ValueError, TooSlow."""
    written = msgspec.json.encode(words)
    if words != Words():
        written = redactor.redact(written, rules)
    purpose = feedback_purpose(project_id, request_id, key_id)
    corrects = words.correction is not None
    sealed = vault.seal_bytes(written, purpose)
    return FeedbackRow(project_id, request_id, key_id, rating, corrects, now_us(), sealed)


def words_of(vault: Vault, row: FeedbackRow) -> Words:
    """The text of a piece of feedback. Raises Unavailable if it cannot be opened."""
    return _WORDS.decode(vault.open_bytes(row.sealed, row.purpose))


def content_of(vault: Vault, row: CaptureRow) -> Content:
    """The content of a captured request. Raises Unavailable if it cannot be opened."""
    return content(vault.open_bytes(row.sealed, row.purpose))
