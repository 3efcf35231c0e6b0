"""Whether a greedy answer with other words than those of a quiet moment is one that the engine may give: a near tie.

An engine that computes several requests at once adds up the same numbers in another order than for one alone, and so
its log probabilities move a little. Two tokens that are closer than they are seen to move may change places, and all
that follows is then another answer. How far they move is measured first (`unrest`): the same greedy answers alone and
side by side, with and without a prompt in the cache, and begun anew after each token as a carried-on answer is. An
answer is explained (`Engine.ties`) only if every token of it is the engine's first, or is that close to its first.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

TOLD = 5
"""Alternatives that the engine tells of each token."""
SIDE_BY_SIDE = 12
LOOKS_MAX = 50
"""Ways through near ties that are followed before an answer is given up."""


@dataclass(frozen=True)
class Option:
    """A token that could have come, and how likely it was."""

    id: int
    text: bytes
    logprob: float


Step = list[Option]
"""What could have come at one place, the most likely first; that one came."""


class Engine:
    """The bare llama.cpp server, asked by tokens."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=120)

    def _post(self, path: str, **body: Any) -> Any:
        answer = self._http.post(path, json=body, headers={"connection": "close"})
        answer.raise_for_status()
        return answer.json()

    def prompt(self, ask: str) -> list[int]:
        """The tokens that come before the answer."""
        text = self._post("/apply-template", messages=[{"role": "user", "content": ask}])["prompt"]
        return self._post("/tokenize", content=text, add_special=True, parse_special=True)["tokens"]

    def steps(self, prompt: Sequence[int], count: int, cached: bool = True) -> list[Step]:
        """How a greedy answer of so many tokens goes on after these."""
        wishes = {"temperature": 0, "n_predict": count, "n_probs": TOLD, "cache_prompt": cached}
        found = self._post("/completion", prompt=list(prompt), **wishes)["completion_probabilities"]
        return [
            [Option(one["id"], bytes(one["bytes"]), one["logprob"]) for one in step["top_logprobs"]] for step in found
        ]

    def ties(self, ask: str, said: str, count: int, bound: float) -> list[dict[str, Any]] | None:
        """Where an answer of up to ``count`` tokens took a token that was not the first, though within ``bound``.

        None if it cannot be explained so.
        """
        prompt = self.prompt(ask)
        end, looks = len(prompt) + count, 0
        ways: list[tuple[list[int], bytes, list[dict[str, Any]]]] = [(prompt, said.encode(), [])]
        while ways and looks < LOOKS_MAX:
            looks += 1
            tokens, left, ties = ways.pop()
            if len(tokens) == end:
                if not left:
                    return ties
                continue
            for step in self.steps(tokens, end - len(tokens)):
                for other in step[1:]:
                    if step[0].logprob - other.logprob <= bound and _fits(other, left):
                        ways.append(([*tokens, other.id], left[len(other.text) :], [*ties, _told(step, other)]))
                first = step[0]
                if not _fits(first, left):
                    break
                tokens, left = [*tokens, first.id], left[len(first.text) :]
                if not left and (not first.text or len(tokens) == end):
                    return ties
        return None


def _fits(option: Option, left: bytes) -> bool:
    """Whether it may come where this is left to say; a token without text ends the answer."""
    return left.startswith(option.text) if option.text else not left


def _told(step: Step, chosen: Option) -> dict[str, Any]:
    gap = round(step[0].logprob - chosen.logprob, 4)
    return {"first": step[0].text.decode(errors="replace"), "said": chosen.text.decode(errors="replace"), "gap": gap}


def unrest(engine: Engine, asks: Sequence[str], count: int) -> float:
    """How far the gap between a greedy answer's two first choices is seen to move, at most, in log probability."""
    prompts = {ask: engine.prompt(ask) for ask in asks}
    quiet = {ask: engine.steps(prompts[ask], count, cached=False) for ask in asks}
    moved = [0.0]
    for ask, steps in quiet.items():
        said = [step[0].id for step in steps]
        moved += _moved(steps, engine.steps(prompts[ask], count))
        for cut in range(1, len(steps)):
            rest = engine.steps(prompts[ask] + said[:cut], count - cut, cached=bool(cut % 2))
            moved += _moved(steps[cut:], rest)
    many = [ask for ask in asks for _ in range(SIDE_BY_SIDE)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for ask, steps in zip(many, pool.map(lambda ask: engine.steps(prompts[ask], count, False), many), strict=True):
            moved += _moved(quiet[ask], steps)
    return max(moved)


def _moved(quiet: Sequence[Step], other: Sequence[Step]) -> Iterator[float]:
    """By how much the gap between the quiet moment's two first differs, as long as both say the same."""
    for here, there in zip(quiet, other, strict=False):
        likely = {one.id: one.logprob for one in there}
        if here[0].id in likely and here[1].id in likely:
            yield abs((here[0].logprob - here[1].logprob) - (likely[here[0].id] - likely[here[1].id]))
        if here[0].id != there[0].id:
            return
