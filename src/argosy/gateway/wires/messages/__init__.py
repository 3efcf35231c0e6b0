"""Anthropic's Messages API over a chat completion: `read` requests, `Writer` for answers, `error_body` for errors."""

from argosy.gateway.wires.messages.errors import error_body
from argosy.gateway.wires.messages.request import Asked, read, read_counted
from argosy.gateway.wires.messages.writer import Writer

__all__ = ["Asked", "Writer", "error_body", "read", "read_counted"]
