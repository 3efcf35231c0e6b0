"""One request's meter: what was delivered, counted as it goes, and settled exactly once, however the request ends."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from argosy.billing import CHARACTERS, Intent, Journal, Price, UsageEvent, amounts
from argosy.core import now_us
from argosy.gateway.funds import Hold
from argosy.gateway.pieces import answered, brought
from argosy.gateway.repetition import Repetition
from argosy.gateway.requests import Request

if TYPE_CHECKING:
    from argosy.gateway.routing import Offer

FAILURES = ("refused", "upstream_cut", "failed")
"""Outcomes that the client is told of as an error."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens as an engine reported them."""

    prompt: int
    cached: int
    completion: int
    reasoning: int = 0
    """Those of the completion's that were reasoning, where the engine says so."""


class Part(msgspec.Struct, gc=False):
    """One run of the engine, as seen so far."""

    usage: Usage | None = None
    """What the engine reported at its end; None means unknown, which is not zero."""
    delivered: int = 0
    """Tokens passed on to the client, by our own count."""
    prompt: int | None = None
    """Tokens of the prompt, if the engine said so before its end."""
    cached: int = 0
    begun: bool = False
    """Whether anything of it went out to the client: from then on it cannot be run again, only carried on."""
    delivered_before: int = 0
    """Those of them that earlier runs delivered."""
    answered_by: str = ""
    """Identity of the offer that was asked last."""
    resumed: bool = False
    """Whether this run carries on an answer that an earlier one began, what was delivered being part of its prompt."""
    repetition: Repetition | None = None
    """What may have to be taken out of that run, at a provider."""

    def whole(self, reported: Usage) -> Usage:
        """The usage of the whole part, as one run would have had it, from what its last run reported."""
        if not self.resumed:
            return reported
        # Read as a prompt, what was delivered may be fewer tokens than it was when it was said one by one; and where a
        # character is several tokens, we have counted too few.
        prompt = max(0, reported.prompt - self.delivered_before) if self.prompt is None else self.prompt
        carried = max(self.delivered_before, reported.prompt - prompt)
        completion = carried + reported.completion
        if self.repetition and self.repetition.found:  # what it repeated may be among what it says that it wrote
            completion = max(self.delivered_before + self.repetition.tokens, reported.completion)
        return Usage(prompt, min(self.cached, prompt), completion, reported.reasoning)


class Meter(msgspec.Struct, eq=False):
    """From the intent to the outcome of one request.

    The rule for every ending: usage known, exactly that; unknown, what was delivered by our own count, marked as
    estimated; nothing delivered and the client told of a failure, nothing.
    """

    journal: Journal
    intent: Intent
    parts: list[Part]
    copies: int
    """Parts that share one prompt, which is counted once."""
    ended: Callable[[str, Usage, bool], None]
    """Told of the outcome and whether its usage is estimated, for the metrics."""
    dispatched: bool = False
    """Whether any engine was given the request."""
    attempts: int = 0
    """Replicas and providers that it was sent to; of several parts, those of the part that needed most."""
    durable: "asyncio.Future[None] | None" = None
    """Done when the intent is on disk; None until it is written."""
    used: Callable[[int, bool], None] | None = None
    """Told of all tokens in the end, and whether any engine was given the request: limits count by it."""
    target: str = ""
    """Who was asked last: a deployment's or a provider's name."""
    version: str = ""
    """Which version of the model that was."""
    first_token_us: int = 0
    """Microseconds from the intent to the first of the answer that could go out; 0 as long as there is none."""
    heard: int = 0
    """Characters of the answer, where it is counted by them."""
    granted: int = 0
    """Percent off that the caller has, where a price says nothing else."""
    _money: Hold | None = None
    _price: Callable[[str], Price] | None = None
    _settled: bool = False

    def hold(self, money: Hold, price: Callable[[str], Price]) -> None:
        """Money is held for it, to be settled with the outcome. ``price`` knows the price of its version."""
        self._money, self._price = money, price
        self.intent = msgspec.structs.replace(self.intent, fund=money.fund, held=money.held)

    async def begin(self) -> None:
        """Write the intent; it becomes durable while the engine works, see `safe`. Raises Unavailable for no room."""
        durable = self._write_intent()
        if durable.done():  # refused at once: no engine must be troubled
            durable.result()

    def move(self, offer: "Offer", request: Request) -> None:
        """Another model is to answer, at its own price and cost: the intent is written anew, and the later one counts.

        Only while nothing was delivered.
        """
        intent = self.intent
        pinned = (offer.route.model, offer.price_version or "", offer.cost_version)
        if (intent.model, intent.price_version, intent.cost_version) != pinned:
            self.intent = msgspec.structs.replace(
                intent,
                model=offer.route.model,
                base_model=offer.route.base_model,
                price_version=offer.price_version or "",
                cost_version=offer.cost_version,
                measured=offer.counted,
                measured_units=brought(request, offer.counted),
                discount=offer.discount(self.granted, intent.batch_id),
            )
            self._write_intent()

    def _write_intent(self) -> "asyncio.Future[None]":
        self.durable = durable = self.journal.intent(self.intent)
        return durable

    async def safe(self) -> None:
        """Wait until the intent is on disk, which must be so before the first byte goes out. Raises Unavailable."""
        durable = self.durable or self._write_intent()
        if not durable.done():
            await asyncio.shield(durable)
        durable.result()

    def came(self) -> None:
        """The first of the answer is there, or more of it."""
        if not self.first_token_us:
            self.first_token_us = max(1, now_us() - self.intent.started_us)  # a clock may be set back

    def hear(self, data: bytes) -> None:
        """A whole answer, or events of one, that are about to be delivered."""
        if self.intent.measured == CHARACTERS:
            self.heard += answered(data)

    def count(self, part: Part, tokens: int) -> None:
        """Add tokens that are about to be delivered."""
        if tokens:
            part.delivered += tokens
            self.journal.progress(self.intent.id, sum(part.delivered for part in self.parts))

    def settle(self, outcome: str) -> None:
        """Write the outcome, before the last byte goes out; only the first call does anything."""
        if self._settled:
            return
        self._settled = True
        if not self.dispatched or self._undelivered(outcome):
            if not self.refused:
                self.journal.void(self.intent.id)
            usage, estimated = Usage(0, 0, 0), False
            if self._money:
                self._money.settle(0)
        else:
            usage, estimated = self.totals()
            self._close(
                self.intent.ended(
                    outcome,
                    now_us(),
                    prompt=usage.prompt,
                    cached=usage.cached,
                    completion=usage.completion,
                    estimated=estimated,
                    attempts=max(1, self.attempts),
                    reasoning=usage.reasoning,
                    target=self.target,
                    model_version=self.version,
                    first_token_us=self.first_token_us,
                    measured_units=self.intent.measured_units + self.heard,
                )
            )
        if self.used:
            self.used(usage.prompt + usage.completion, self.dispatched)
        self.ended(outcome, usage, estimated)

    def _close(self, event: UsageEvent) -> None:
        """Write the outcome. What it costs stays held until it is posted, the rest is free at once."""
        self.journal.outcome(event)
        if self._money and self._price:
            self._money.settle(sum(amounts(event, self._price(event.price_version))))

    def _undelivered(self, outcome: str) -> bool:
        """Whether nothing went out: a failure before the first byte, or a batch's line without its whole answer."""
        if self.intent.batch_id is not None:
            return outcome != "complete"
        return outcome in FAILURES and not any(part.begun for part in self.parts)

    async def cached(self, saved: Usage, charge_percent: int) -> None:
        """The answer was there already: charge a share of the tokens that it took when it was made, note the others as
        saved. Raises Unavailable if a charge cannot be made safe; a row of nothing need not be.
        """
        shares = [count * charge_percent // 100 for count in (saved.prompt, saved.cached, saved.completion)]
        charged = Usage(*shares)
        if any(shares):
            await self.safe()
        self._settled = True
        self.came()
        intent = msgspec.structs.replace(self.intent, cost_version="")  # no provider worked on it
        self._close(
            intent.ended(
                "cached",
                now_us(),
                prompt=charged.prompt,
                cached=charged.cached,
                completion=charged.completion,
                attempts=0,
                first_token_us=self.first_token_us,
                saved_prompt=saved.prompt - charged.prompt,
                saved_completion=saved.completion - charged.completion,
                measured_units=intent.measured_units * charge_percent // 100,
            )
        )
        if self.used:
            self.used(0, False)  # no engine worked on it, so limits have nothing to count
        self.ended("cached", charged, False)

    @property
    def refused(self) -> bool:
        """Whether the journal had no room for the intent, so that there is nothing to close."""
        durable = self.durable
        if durable is None or not durable.done() or durable.cancelled():
            return False
        return durable.exception() is not None

    def totals(self) -> tuple[Usage, bool]:
        """Tokens of the whole request, and whether any of them had to be estimated."""
        if len(self.parts) == 1 and (known := self.parts[0].usage):
            return known, False
        prompt = cached = completion = reasoning = 0
        estimated = False
        for start in range(0, len(self.parts), self.copies):
            group = self.parts[start : start + self.copies]
            completion += sum(part.usage.completion if part.usage else part.delivered for part in group)
            reasoning += sum(part.usage.reasoning for part in group if part.usage)
            estimated |= any(part.usage is None for part in group)
            group_prompt, group_cached = self._prompt_of(group)
            prompt, cached = prompt + group_prompt, cached + group_cached
        return Usage(prompt, cached, completion, reasoning), estimated

    def _prompt_of(self, group: list[Part]) -> tuple[int, int]:
        """Prompt and cached tokens of copies of one prompt. The first copy to run had the least in the cache."""
        known = [(part.usage.prompt, part.usage.cached) for part in group if part.usage]
        known = known or [(part.prompt, part.cached) for part in group if part.prompt is not None and part.delivered]
        if known:
            return known[0][0], min(cached for _, cached in known)
        return (self.intent.prompt_estimate, 0) if any(part.delivered or part.begun for part in group) else (0, 0)
