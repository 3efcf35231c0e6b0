"""The wire to the engines: one connection pool, and what their failures mean."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import msgspec

from argosy.core import ArgosyError, Invalid, UpstreamFailed


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
    """Sends bodies to engines. Leaving an answer half read closes its connection, which tells the engine to stop."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=deadlines.connect, sock_read=deadlines.silence)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool. It needs a running loop."""
        # llama.cpp closes a connection that was idle for 5 s: drop it earlier, so that none dies under a request.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3.0)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": "application/json", "accept-encoding": "identity"},
        )

    async def stop(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def post(self, url: str, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """An engine's good answer, its body yet unread.

        Raises NotReached, Lost, or what the caller is to be told. The block may raise Lost too, when reading fails.
        """
        assert self._session is not None, "the relay was not started"
        try:
            async with self._session.post(url, data=body) as response:
                if response.status != 200:
                    raise refusal(response.status, await response.read())
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


_ERROR = msgspec.json.Decoder(_EngineErrorBody, strict=False)
_TOO_LARGE = re.compile(r"input \((\d+) tokens\) is too large to process.*batch size: (\d+)")
_NOISE = re.compile(r"\[json\.exception[^\]]*\]\s*|/\S+/\S*")


def refusal(status: int, body: bytes) -> Exception:
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
    if status in (400, 413, 422):
        return _invalid(said.message)
    return UpstreamFailed("The engine failed on this request. Please try again.", code="engine_failed")


def too_long(prompt_tokens: int, context_length: int, param: str = "messages") -> ArgosyError:
    """The prompt does not fit the model."""
    return Invalid(
        f"This model's maximum context length is {context_length} tokens, but the prompt has {prompt_tokens} tokens. "
        "Please shorten the prompt.",
        code="context_length_exceeded",
        param=param,
        details={"prompt_tokens": prompt_tokens, "context_length": context_length},
    )


def _invalid(message: str) -> Invalid:
    reason = _NOISE.sub("", message).strip() or "the engine cannot carry it out as written"
    field = re.match(r"Field '([^']+)'", reason)
    return Invalid(
        f"The engine refused this request: {reason}",
        code="invalid_value",
        param=field.group(1) if field else None,
    )
