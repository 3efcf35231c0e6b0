"""POST /v1/chat/completions and /v1/completions, as plain ASGI: nothing here but what each request needs."""

import asyncio
from time import perf_counter
from typing import Any

import structlog

from argosy.api.auth import caller_of
from argosy.api.bodies import BODY_BYTES_MAX, announced_too_large, too_large
from argosy.api.errors import fault
from argosy.api.metrics import Metrics
from argosy.api.openai.caching import with_cache
from argosy.api.sse import Reply
from argosy.core import ArgosyError, Invalid, new_id
from argosy.gateway import Gateway, Kind, parse
from argosy.identity import KeyRing

_CLIENT_GONE = 499
_log = structlog.get_logger()


class Completions:
    """The data plane's door."""

    def __init__(self, gateway: Gateway, keys: KeyRing, metrics: Metrics) -> None:
        self._gateway, self._keys, self._metrics = gateway, keys, metrics

    async def __call__(self, kind: Kind, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request. Whatever happens, the client gets an answer or an error, and the metrics know of it."""
        request_id, started = new_id("req_"), perf_counter()
        reply = Reply(send, request_id)
        self._metrics.in_flight += 1
        try:
            await self._serve(kind, scope, receive, reply, request_id)
        except ArgosyError as error:
            await reply.fail(error)
        except RecursionError:
            await reply.fail(Invalid("The request body is nested too deeply.", code="invalid_json"))
        except ClientGone:
            reply.status = _CLIENT_GONE
        except Exception as error:
            _log.error("request.fault", request_id=request_id, path=kind.path, error=repr(type(error)), exc_info=True)
            await reply.fail(fault())
        finally:
            self._metrics.in_flight -= 1
            self._metrics.observe("POST", kind.path, reply.status, perf_counter() - started)

    async def _serve(self, kind: Kind, scope: Any, receive: Any, reply: Reply, request_id: str) -> None:
        caller = caller_of(scope, self._keys, "inference")
        request = with_cache(parse(kind, await _body(scope, receive)), scope)
        async with _Presence(receive):
            if request.stream:
                await self._gateway.stream(request, caller, request_id, reply.event, reply.served)
                await reply.end()
            else:
                await reply.whole(await self._gateway.answer(request, caller, request_id, reply.served))


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""


class _Presence:
    """Within this block the client is watched: when it leaves, what is awaited is cancelled and ClientGone raised."""

    def __init__(self, receive: Any) -> None:
        self._receive = receive

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        self._watch = asyncio.ensure_future(self._receive())
        self._watch.add_done_callback(self._leave)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._watch.remove_done_callback(self._leave)
        if not self._watch.done():
            self._watch.cancel()
        elif kind is asyncio.CancelledError and self._task is not None and self._task.uncancel() == 0:
            raise ClientGone

    def _leave(self, _: object) -> None:
        if self._task is not None:
            self._task.cancel()


async def _body(scope: Any, receive: Any) -> bytes:
    """The whole request body. Raises TooLarge as soon as it is, ClientGone, and Invalid for none."""
    if announced_too_large(scope):
        raise too_large()
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        pieces, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > BODY_BYTES_MAX:
                raise too_large()
        body = b"".join(pieces)
    if message["type"] == "http.disconnect":
        raise ClientGone
    if not body.strip():
        raise Invalid("The request has no body. Send a JSON object.", code="invalid_json")
    return body
