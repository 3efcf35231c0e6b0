"""The wire to engines and providers: their connection pools, and what their failures mean."""

import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial

import msgspec

from argosy.catalog import Provider
from argosy.core import ArgosyError, Invalid, RateLimited, Unavailable, UpstreamFailed
from argosy.gateway.connection import Lost, NotReached, Response
from argosy.gateway.upstream import Pool

__all__ = ["Deadlines", "Lost", "NotReached", "Relay", "Response", "provider_refusal", "refusal", "too_long"]


@dataclass(frozen=True)
class Deadlines:
    """How long each thing may take, in seconds."""

    connect: float = 2.0
    """Until an engine takes the connection."""
    silence: float = 300.0
    """Without a byte from the engine: queueing, the prompt and, without streaming, the whole answer."""
    replica: float = 15.0
    """For a replica that is starting again, as long as nothing was delivered."""
    poll: float = 0.05
    """Between two looks at the routes meanwhile."""


class AskedToWait(RateLimited):
    """The provider is over its limit, and has said itself when to come back."""


class Relay:
    """Sends bodies to engines and providers. Leaving an answer half read closes its connection: they then stop."""

    def __init__(self, deadlines: Deadlines) -> None:
        pool = partial(Pool, connect_s=deadlines.connect, silence_s=deadlines.silence)
        # llama.cpp closes a connection that was idle for 5 s: drop it earlier, so that none dies under a request.
        self._engines = pool(idle_s=3.0)
        self._providers = {private: pool(idle_s=30.0, public_only=not private) for private in (False, True)}
        """By whether the provider may be inside the network: a connection of the one kind never serves the other."""

    async def start(self) -> None:
        """Open the pools. It needs a running loop."""
        for pool in (self._engines, *self._providers.values()):
            pool.start()

    async def stop(self) -> None:
        """Close all connections."""
        for pool in (self._engines, *self._providers.values()):
            pool.stop()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        """An engine's good answer, its body yet unread.

        Raises NotReached, Lost, or what the caller is to be told. The block may raise Lost too, when reading fails.
        """
        return _Posted(self._engines.post(url, body, headers), refusal)

    def post_provider(
        self, provider: Provider, url: str, body: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Response]:
        """A provider's good answer, in the same way. No redirect is followed: the headers hold a key."""
        request = self._providers[provider.private].post(url, body, headers)
        return _Posted(request, lambda *said: provider_refusal(provider.name, *said))


class _Posted:
    """The good answer to a request; any other becomes what the caller is told."""

    __slots__ = ("_refused", "_request", "_response")

    def __init__(self, request: Awaitable[Response], refused: Callable[[int, bytes, int | None], Exception]) -> None:
        self._request, self._refused = request, refused

    async def __aenter__(self) -> Response:
        self._response = response = await self._request
        if response.status == 200:
            return response
        try:
            said = await response.start(_REFUSAL_BYTES_MAX)
            raise self._refused(response.status, said, retry_after_s(response.header(b"retry-after")))
        finally:
            response.leave()

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        self._response.leave()


class _EngineError(msgspec.Struct):
    message: str = ""
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _EngineErrorBody(msgspec.Struct):
    error: _EngineError = msgspec.field(default_factory=_EngineError)


_REFUSAL_BYTES_MAX = 1 << 16
_ERROR = msgspec.json.Decoder(_EngineErrorBody, strict=False)
_TOO_LARGE = re.compile(r"input \((\d+) tokens\) is too large to process.*batch size: (\d+)")
_CALLERS_FAULT = re.compile(
    r"Failed to parse (messages|tools)|(image|audio|video|file) input is not supported|Unknown reasoning format"
)
"""What llama.cpp calls a fault of its own and is one of the request: else anybody could make an engine look broken."""
_NOISE = re.compile(r"\[json\.exception[^\]]*\]\s*| - hint: .*|/\S+/\S*")


def retry_after_s(said: bytes | None) -> int | None:
    """Whole seconds of a Retry-After header, whichever of its two forms it has; None if it is absent or neither."""
    if not said:
        return None
    if said.strip().isdigit():
        return int(said)
    try:
        at = parsedate_to_datetime(said.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0, math.ceil(at - time.time()))


def refusal(status: int, body: bytes, retry_after: int | None = None) -> Exception:
    """What an engine's error answer means: NotReached, or an error for the caller that tells nothing of the inside."""
    try:
        said = _ERROR.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _EngineError()
    if said.type == "exceed_context_size_error":
        return too_long(said.n_prompt_tokens, said.n_ctx)
    if large := _TOO_LARGE.search(said.message):  # how llama.cpp refuses to embed a long text: as a fault of its own
        return too_long(int(large[1]), int(large[2]), "input")
    if status == 503:
        return NotReached()
    if status in (400, 413, 422) or (status == 500 and _CALLERS_FAULT.match(said.message)):
        return _invalid(said.message)
    return UpstreamFailed("The engine failed on this request. Please try again.", code="engine_failed")


def provider_refusal(name: str, status: int, body: bytes, retry_after: int | None = None) -> Exception:
    """What a provider's error answer means to the caller. Its own words are passed on only where they are about the
    request: others may speak of the operator's account.
    """
    try:
        said = _ERROR.decode(body).error.message
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = ""
    if status == 429:
        return (RateLimited if retry_after is None else AskedToWait)(
            f"The provider '{name}' is over its limit. Please try again shortly.",
            code="provider_rate_limited",
            retry_after_s=5 if retry_after is None else max(1, retry_after),
        )
    if status == 503 and retry_after is not None:
        return Unavailable(
            f"The provider '{name}' cannot answer just now.",
            code="provider_unavailable",
            retry_after_s=max(1, retry_after),
        )
    if status in (400, 413, 422):
        return _invalid(said, f"The provider '{name}'")
    if status in (401, 403):
        return UpstreamFailed(
            f"The provider '{name}' refuses this platform's key. An administrator sets it with 'argosy provider add'.",
            code="provider_refused",
        )
    if status == 404:
        return UpstreamFailed(f"The provider '{name}' does not offer this model.", code="provider_model_missing")
    return UpstreamFailed(f"The provider '{name}' failed ({status}). Please try again.", code="provider_failed")


def too_long(prompt_tokens: int, context_length: int, param: str = "messages") -> ArgosyError:
    """The prompt does not fit the model."""
    return Invalid(
        f"This model's maximum context length is {context_length} tokens, but the prompt has {prompt_tokens} tokens. "
        "Please shorten the prompt.",
        code="context_length_exceeded",
        param=param,
        details={"prompt_tokens": prompt_tokens, "context_length": context_length},
    )


def _invalid(message: str, who: str = "The engine") -> Invalid:
    reason = _NOISE.sub("", message).strip() or "it cannot be carried out as written"
    field = re.match(r"Field '([^']+)'", reason)
    return Invalid(
        f"{who} refused this request: {reason}",
        code="invalid_value",
        param=field.group(1) if field else None,
    )
