"""OpenAI's Responses API over a chat completion: `read` requests, `Writer` for answers, `Archive` for storage."""

from argosy.gateway.wires.responses.archive import Archive
from argosy.gateway.wires.responses.request import Asked, read
from argosy.gateway.wires.responses.stored import StoredResponse
from argosy.gateway.wires.responses.writer import Writer

__all__ = ["Archive", "Asked", "StoredResponse", "Writer", "read"]
