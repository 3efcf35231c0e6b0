"""The wire to engines and providers: their connection pools, and what their failures mean."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec

from argosy.catalog import Provider
from argosy.core import ArgosyError, Invalid, RateLimited, Unavailable, UpstreamFailed
from argosy.runtime.resolver import CheckedResolver


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


class NotReached(Exception):
    """The engine did not take the request: it is not there, or it says that it is not ready."""


class Lost(Exception):
    """The engine took the request and then went away."""


class Relay:
    """Sends bodies to engines and providers. Leaving an answer half read closes its connection: they then stop."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=deadlines.connect, sock_read=deadlines.silence)
        self._session: aiohttp.ClientSession | None = None
        self._providers: dict[bool, aiohttp.ClientSession] = {}
        """By whether the provider may be inside the network: a connection of the one kind never serves the other."""

    async def start(self) -> None:
        """Open the pool. It needs a running loop."""
        # llama.cpp closes a connection that was idle for 5 s: drop it earlier, so that none dies under a request.
        self._session = self._pool(keepalive_s=3.0)

        for private in (False, True):
            resolver = None if private else CheckedResolver()
            self._providers[private] = self._pool(keepalive_s=30.0, resolver=resolver)

    def _pool(self, keepalive_s: float, resolver: CheckedResolver | None = None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive_s, resolver=resolver),
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": "application/json", "accept-encoding": "identity", "user-agent": "argosy"},
        )

    async def stop(self) -> None:
        """Close all connections."""
        for session in (self._session, *self._providers.values()):
            if session is not None:
                await session.close()

    def post(self, url: str, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """An engine's good answer, its body yet unread.

        Raises NotReached, Lost, or what the caller is to be told. The block may raise Lost too, when reading fails.
        """
        assert self._session is not None, "the relay was not started"
        return _posted(self._session.post(url, data=body), refusal)

    def post_provider(
        self, provider: Provider, url: str, body: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """A provider's good answer, in the same way. No redirect is followed: the headers hold a key."""
        request = self._providers[provider.private].post(url, data=body, headers=headers, allow_redirects=False)
        return _posted(request, lambda *said: provider_refusal(provider.name, *said))


@asynccontextmanager
async def _posted(
    request: AbstractAsyncContextManager[aiohttp.ClientResponse], refused: Callable[[int, bytes, int | None], Exception]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The good answer to a request; everything else becomes NotReached, Lost, or what the caller is told."""
    try:
        async with request as response:
            if response.status != 200:
                said = await response.content.read(_REFUSAL_BYTES_MAX)
                raise refused(response.status, said, retry_after_s(response.headers.get("retry-after")))
            yield response
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NotReached from error
    except TimeoutError as error:
        raise UpstreamFailed(
            "The engine has been silent for too long. Please try again.", code="engine_timeout"
        ) from error
    except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
        raise Lost from error


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


def retry_after_s(said: str | None) -> int | None:
    """Whole seconds of a Retry-After header, whichever of its two forms it has; None if it is absent or neither."""
    if not said:
        return None
    if said.strip().isdecimal():
        return int(said)
    try:
        at = parsedate_to_datetime(said).timestamp()
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
        return RateLimited(
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
