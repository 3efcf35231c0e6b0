"""How many tokens a prompt has, by the tokenizer of the very model that would be asked: nothing is guessed.

A count takes a request from the caller's limits, and leaves no usage and no charge. It goes where the request itself
would go first, and to the next target where that one fails.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from argosy.catalog import known_providers
from argosy.core import ArgosyError, Invalid, NotFound, UpstreamFailed
from argosy.gateway.events import malformed
from argosy.gateway.limits import RateLimits
from argosy.gateway.plan import Served
from argosy.gateway.relay import Deadlines, Lost, NotReached, Relay, Response
from argosy.gateway.requests import Request
from argosy.gateway.routing import Offer, RouteTable, check_kind
from argosy.identity import Caller

T = TypeVar("T")
_COUNTED = ("messages", "system", "tools", "tool_choice", "output_config", "cache_control", "thinking")
"""Members of a request that Anthropic's count takes, and that say something about the prompt."""
_ANTHROPIC_VERSION = "2023-06-01"


class _Prompt(msgspec.Struct):
    prompt: str


class _Tokens(msgspec.Struct):
    tokens: list[msgspec.Raw]


class _Counted(msgspec.Struct):
    input_tokens: int


class Counting:
    """Counts the tokens of chat prompts."""

    def __init__(self, table: RouteTable, relay: Relay, limits: RateLimits, deadlines: Deadlines) -> None:
        self._table, self._relay, self._limits, self._deadlines = table, relay, limits, deadlines

    async def count(self, request: Request, native: bytes | None, caller: Caller, served: Served) -> int:
        """Tokens of the prompt of a chat completion.

        ``native`` asks Anthropic's endpoint the same; None where the request came in another form. Raises Invalid for a
        provider that has no such endpoint, and what the request itself would raise.
        """
        request, models = await self._led(request, caller, served)
        # Nothing is written, so that of the limits on tokens next to nothing is set aside.
        hold = await self._limits.reserve(caller, msgspec.structs.replace(request, body=b"", max_tokens=1))
        try:
            found = await self._first(request, native, models, caller, served)
        except BaseException:
            if hold:
                hold.settle(0, served.attempts > 0)
            raise
        if hold:
            hold.settle(0, True)
        served.outcome = "complete"
        return found

    async def _led(self, request: Request, caller: Caller, served: Served) -> tuple[Request, Sequence[str]]:
        """The request by the name that is meant, and the models that it goes to."""
        asked = request.model
        request = request.named(self._table.resolve(caller.project_id, asked))
        try:
            plan = self._table.plan(request, caller)
        except NotFound:
            if not await asyncio.to_thread(self._table.refresh):
                raise
            plan = self._table.plan(request, caller)
        first = self._table.find(caller.project_id, plan.models[0])
        check_kind(request, first.route.modality)
        served.asked, served.route, served.led_to = asked, plan.route, first.route
        return request, plan.models

    async def _first(
        self, request: Request, native: bytes | None, models: Sequence[str], caller: Caller, served: Served
    ) -> int:
        """The count of the first that gives one. Waits for an engine that is on its way, as the request would."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._deadlines.replica
        while True:
            error: ArgosyError | None = None
            offers = [offer for model in models for offer in self._table.offers(caller.project_id, model)]
            for offer in offers:
                if offer.ready:
                    served.target, served.attempts = offer.route.model, served.attempts + 1
                    try:
                        return await self._ask(request.named(offer.route.model), native, offer)
                    except (NotReached, Lost):
                        continue
                    except Invalid:
                        raise
                    except ArgosyError as failure:
                        error = error or failure
            if error or loop.time() >= until:
                raise error or _nobody(request.model)
            for offer in offers:
                if not offer.ready:
                    await self._table.demand(offer.route.base_model)
            await asyncio.sleep(self._deadlines.poll)
            await asyncio.to_thread(self._table.refresh)

    async def _ask(self, request: Request, native: bytes | None, offer: Offer) -> int:
        if offer.route.provider:
            return await self._ask_provider(request, native, offer)
        return await self.by_engine(request, offer)

    async def by_engine(self, request: Request, offer: Offer) -> int:
        """Tokens of the prompt as the engine of this offer, one of ours, reads it.

        Raises NotReached, Lost, and the errors of `argosy.core`.
        """
        url = offer.route.url
        # The engine's own template, with all that goes to the model; then its tokens, as it reads a prompt.
        async with self._relay.post(url + "/apply-template", request.upstream_body(offer.members, 0), {}) as answer:
            prompt = (await _read(answer, _Prompt)).prompt
        body = msgspec.json.encode({"content": prompt, "add_special": True, "parse_special": True})
        async with self._relay.post(url + "/tokenize", body, {}) as answer:
            return len((await _read(answer, _Tokens)).tokens)

    async def _ask_provider(self, request: Request, native: bytes | None, offer: Offer) -> int:
        provider = offer.route.provider
        assert provider is not None
        known = known_providers().get(provider.name)
        if known is None or known.count_tokens is None:
            raise _cannot(request.model, f"the provider '{provider.name}' has no endpoint that counts")
        if native is None:
            raise _cannot(request.model, f"'{provider.name}' counts what comes to /v1/messages/count_tokens alone")
        asked: dict[str, Any] = msgspec.json.decode(native)
        body = {name: asked[name] for name in _COUNTED if name in asked} | {"model": offer.route.provider_model}
        key = offer.headers.get("authorization", "").removeprefix("Bearer ") or offer.headers.get("x-api-key", "")
        headers = {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
        url = offer.route.url + known.count_tokens
        async with self._relay.post_provider(provider, url, msgspec.json.encode(body), headers) as answer:
            return (await _read(answer, _Counted)).input_tokens


async def _read(answer: Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await answer.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None


def _cannot(model: str, why: str) -> Invalid:
    return Invalid(
        f"The tokens of a prompt for '{model}' cannot be counted without asking it: {why}. The answer's own usage says "
        "how many they were.",
        code="count_unsupported",
        param="model",
    )


def _nobody(model: str) -> UpstreamFailed:
    return UpstreamFailed(f"Nothing that answers for '{model}' could be reached. Please try again.", code="engine_lost")
