"""One request's business with the cache: look, tell what is found, else keep what is answered."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from argosy.core import now_us
from argosy.gateway.cache.answers import AnswerCache
from argosy.gateway.cache.entry import BYTES_MAX, Entry
from argosy.gateway.cache.fold import NotPlain
from argosy.gateway.cache.heard import Heard
from argosy.gateway.cache.key import Question
from argosy.gateway.cache.modes import CacheModes
from argosy.gateway.cache.replay import replayed
from argosy.gateway.dispatch import Send
from argosy.gateway.metering import Usage
from argosy.gateway.routing import RouteTable
from argosy.gateway.trip import Call

_LARGE_BYTES = 1 << 16
"""Bodies that others are not to wait for while they are looked through."""
_WHOLE_ENDS = {"stop", "length", "tool_calls", "function_call"}
"""How answers end that are kept. Filtered ones do not."""


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(slots=True)
class Saving:
    """Of a request whose answer may be kept."""

    cache: AnswerCache
    call: Call
    question: Question
    found: Entry | None
    begun_us: int = field(default_factory=now_us)
    _heard: Heard = field(default_factory=lambda: Heard(BYTES_MAX))

    async def whole(self) -> bytes:
        """The found answer, once it is accounted for. Raises Unavailable if that cannot be."""
        assert self.found is not None
        entry, cache, call = self.found, self.cache, self.call
        await call.meter.cached(entry.usage, cache.charge_percent)
        cache.saved.update(prompt=entry.prompt, completion=entry.completion)
        return entry.named(call.id)

    async def stream(self, send: Send) -> None:
        """The same, as events."""
        body = await self.whole()
        request = self.call.request
        await send(await asyncio.to_thread(replayed, body, request.kind, request.include_usage))

    def listening(self, send: Send) -> Send:
        """A ``send`` that remembers what it sent, as long as it is not too much to keep."""
        return self._heard.listening(send)

    def keep(self, body: bytes | None = None) -> None:
        """The request was answered to its end: with ``body``, or with what was heard. Keep it if that is right."""
        call, usage, kind, heard = self.call, self._usage(), self.call.request.kind, self._heard
        if usage is None or (body is None and heard.too_long):
            return
        targets = {part.answered_by for part in call.meter.parts}
        if call.served.resumed or len(targets) != 1:
            return

        def make() -> Entry:
            whole = heard.folded(kind, usage) if body is None else body
            _check_ends(whole)
            return Entry(call.id, usage.prompt, usage.cached, usage.completion, whole)

        key = self.question.key(call.project_id, targets.pop())
        self.cache.keep(key, call.project_id, self.begun_us, make)

    def _usage(self) -> Usage | None:
        usage, estimated = self.call.meter.totals()
        return None if estimated else usage


async def look(cache: AnswerCache, modes: CacheModes, table: RouteTable, call: Call) -> Saving | None:
    """What the cache has for a request; None if it has no business with it."""
    mode = call.request.cache or modes.of(call.project_id)
    if mode == "off":
        return None
    large = len(call.request.body) > _LARGE_BYTES
    question = await asyncio.to_thread(Question, call.request) if large else Question(call.request)
    if mode != "force" and not question.settled:
        call.served.cache = "bypass"
        cache.counts["bypass"] += 1
        return None
    # The target that would be asked first: an answer of another one is not this one's.
    target = table.find(call.project_id, call.plan.models[0]).identity
    found = await cache.find(question.key(call.project_id, target))
    call.served.cache = "hit" if found else "miss"
    cache.counts[call.served.cache] += 1
    entry, call.served.age_s = found or (None, 0)
    return Saving(cache, call, question, entry)


def _check_ends(answer: bytes) -> None:
    """Raises NotPlain for an answer that did not end of its own."""
    if any(choice.finish_reason not in _WHOLE_ENDS for choice in _ANSWER.decode(answer).choices):
        raise NotPlain
