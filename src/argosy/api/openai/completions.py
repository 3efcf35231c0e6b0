"""POST on the data plane's paths, as plain ASGI: nothing here but what each request needs, whatever its wire."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from argosy.api.auth import authorization
from argosy.api.bodies import BODY_BYTES_MAX, announced_too_large, too_large
from argosy.api.errors import fault
from argosy.api.exchange import Exchange, Wire
from argosy.api.faults import log_fault
from argosy.api.metrics import Metrics
from argosy.api.openai.caching import with_cache
from argosy.api.openai.capturing import with_capture
from argosy.api.openai.priority import prioritised
from argosy.api.plain_door import AT_ONCE, GONE
from argosy.api.watch import Watch
from argosy.batches import Grant, read_grant
from argosy.core import ArgosyError, Invalid, new_id
from argosy.gateway import Gateway
from argosy.identity import KeyRing
from argosy.runtime import Vault

_CLIENT_GONE = 499


class Completions:
    """The data plane's door."""

    def __init__(
        self, gateway: Gateway, keys: KeyRing, metrics: Metrics, watch: Watch, vault: Vault | None = None
    ) -> None:
        """``vault`` opens the grants of batches' lines; without one there are none."""
        self._gateway, self._keys, self._metrics, self._watch, self._vault = gateway, keys, metrics, watch, vault

    async def __call__(self, wire: Wire, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request. Whatever happens, the client gets an answer or an error, and the metrics know of it."""
        grant = read_grant(self._vault, authorization(scope))
        request_id, started = grant.request_id if grant else new_id("req_"), perf_counter()
        reply = wire.open(send, request_id)
        reply.at_once = scope.get(AT_ONCE)
        self._watch.begun(wire.path, scope, reply.served)
        self._metrics.in_flight += 1
        try:
            await self._serve(scope, receive, reply, request_id, grant)
        except ArgosyError as error:
            await reply.fail(error)
        except RecursionError:
            await reply.fail(Invalid("The request body is nested too deeply.", code="invalid_json"))
        except ClientGone:
            reply.status = _CLIENT_GONE
        except Exception as error:
            log_fault(request_id, wire.path, error)
            await reply.fail(fault())
        finally:
            self._metrics.in_flight -= 1
            self._metrics.observe("POST", wire.path, reply.status, perf_counter() - started)
            self._watch.ended(wire.path, request_id, reply.served, reply.status, started)

    async def _serve(self, scope: Any, receive: Any, reply: Exchange, request_id: str, grant: Grant | None) -> None:
        reply.served.caller = caller = grant.caller if grant else reply.caller(scope, self._keys)
        request = await reply.read(await _body(scope, receive), caller)
        request = with_cache(prioritised(request, scope), scope)
        if (capture := self._gateway.capture) and (spec := capture.settings.of(caller.project_id)):
            request = with_capture(request, scope, spec, request_id)
        reply.served.request = request
        reply.limits = lambda: self._gateway.limit_headers(caller, request.model)
        async with _Presence(scope, receive):
            if request.stream:
                await self._gateway.stream(request, caller, request_id, reply.event, reply.served)
                await reply.end()
            else:
                ask = reply.ask or self._gateway.answer
                await reply.answer(await ask(request, caller, request_id, reply.served))


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""


class _Presence:
    """Within this block the client is watched: when it leaves, what is awaited is cancelled and ClientGone raised."""

    def __init__(self, scope: Any, receive: Any) -> None:
        self._watch = scope.get(GONE) or _Watch(receive)
        self._left = False

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        self._watch(self._leave)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._watch(None)
        if self._left and kind is asyncio.CancelledError and self._task is not None and self._task.uncancel() == 0:
            raise ClientGone

    def _leave(self, _: object) -> None:
        self._left = True
        if self._task is not None:
            self._task.cancel()


class _Watch:
    """Hears from a server that the client has left, where that can only be awaited."""

    def __init__(self, receive: Any) -> None:
        self._receive = receive

    def __call__(self, call: Callable[[object], None] | None) -> None:
        """Begin to watch or, with None, end it."""
        if call is not None:
            self._call, self._watching = call, asyncio.ensure_future(self._receive())
            self._watching.add_done_callback(call)
        else:
            self._watching.remove_done_callback(self._call)
            self._watching.cancel()


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
