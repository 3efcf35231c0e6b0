"""What a file of weights does on this machine: how fast it reads and writes, and whether it answers as another does."""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from argosy.core import UpstreamFailed
from argosy.serving.engines import EngineSpec
from argosy.serving.replicas import Replica

T = TypeVar("T")

_STREAMS = 16
_TOKENS = 32  # written per stream: with fewer, the start is most of what is measured
_COMPARED = 32  # tokens per stream that two files are compared on
_CANDIDATES = 50  # likeliest tokens that are looked at for the one that was written
_READ = 48  # tokens of a prompt per stream
_CONTEXT = 512
_START_S_MAX = 120
_QUESTIONS = (
    "Tell me a story about a merchant ship.",
    "What is the capital of France?",
    "Write a short letter to a friend about the weather.",
    "Explain why the sky is blue.",
    "List three good habits for students.",
    "def fibonacci(n):",
    "SELECT region, SUM(sales) FROM orders",
    "Translate to French: good morning, my friends.",
    "介绍一下北京这座城市。",
    "请写一段关于秋天的文字。",
    "How do I cook rice?",
    "Summarise: The committee met on Tuesday and agreed to open the new library in May.",
    '{"name": "Anna", "age": 31, "city":',
    "What are the benefits of regular exercise?",
    "The three primary colours are",
    "1, 1, 2, 3, 5, 8,",
)
"""One per stream. What is compared is the text that the model itself goes on with."""


@dataclass(frozen=True)
class Measured:
    """Tokens per second, all streams together, and how like the shipped file it answers."""

    one_stream: float
    sixteen_streams: float
    read_one: float
    """Of prompts."""
    read_sixteen: float
    perplexity: float
    """On what the shipped file wrote, as a multiple of that file's own: 1.0 for a model that could not be told from it.
    """
    agreement: float
    """The share of places at which both hold the same token for the likeliest."""
    size_bytes: int

    def better(self, other: "Measured") -> "Measured":
        """The best of both: what disturbs a measurement only ever slows it."""
        return Measured(
            max(self.one_stream, other.one_stream),
            max(self.sixteen_streams, other.sixteen_streams),
            max(self.read_one, other.read_one),
            max(self.read_sixteen, other.read_sixteen),
            self.perplexity,
            self.agreement,
            self.size_bytes,
        )


@dataclass(frozen=True)
class Reference:
    """What the file as shipped wrote, drawn by its own probabilities, and what it held of each token."""

    prompts: list[list[int]]
    answers: list[list[int]]
    seen: "list[Seen | None]"
    characters_per_token: float


@dataclass(frozen=True)
class Seen:
    """One place in a text, as a model sees it."""

    likeliest: int
    log_probability: float
    """Of the token that stands there."""


def measure(
    path: Path, scratch: Path, reference: Reference | None, tokens: int = _TOKENS
) -> tuple[Measured, Reference]:
    """Serve the file for some seconds in a process of its own, writing ``tokens`` per stream.

    Without a ``reference`` the file makes one, and agrees with itself. Raises UpstreamFailed if it cannot be served.
    """
    with _served(path, scratch) as replica:
        made = reference or _reference(replica)
        one, sixteen = _writes(replica, 1, 2 * tokens), _writes(replica, _STREAMS, tokens)
        read_one, read_sixteen = _reads(replica, 1), _reads(replica, _STREAMS)
        seen = _walk(replica, made.prompts, made.answers) if reference else made.seen
    return Measured(one, sixteen, read_one, read_sixteen, *_likeness(seen, made), path.stat().st_size), made


@contextmanager
def _served(path: Path, scratch: Path) -> Iterator[Replica]:
    """An engine on the file, ended afterwards. Whatever goes wrong with it becomes UpstreamFailed."""
    spec = EngineSpec(name="fitting", ready_file="", model_path=str(path), slots=_STREAMS, context_length=_CONTEXT)
    replica = Replica("llama_cpp", spec, scratch, scratch / "fit.log")
    try:
        while not replica.announced():
            if replica.dead or time.monotonic() - replica.started > _START_S_MAX:
                raise UpstreamFailed(replica.failure, code="engine_failed")
            time.sleep(0.02)
        replica.canary()
        yield replica
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise UpstreamFailed(f"{path.name} could not be measured: {error}", code="engine_failed") from error
    finally:
        replica.stop()


def _writes(replica: Replica, streams: int, tokens: int) -> float:
    def ask(index: int) -> None:
        _complete(replica, index, _QUESTIONS[index], tokens)

    return _rate(streams, tokens, ask)


def _reads(replica: Replica, streams: int) -> float:
    """Prompts that no slot has seen: each stream's begins with another token."""

    def ask(index: int) -> None:
        _complete(replica, index, [100 + index, *range(200, 199 + _READ)], 1)

    return _rate(streams, _READ, ask)


def _rate(streams: int, tokens: int, ask: Callable[[int], None]) -> float:
    began = time.monotonic()
    _each(streams, ask)
    return round(streams * tokens / (time.monotonic() - began), 1)


def write_texts(path: Path, scratch: Path, length: int) -> list[list[int]]:
    """Sixteen texts of ``length`` tokens that the model writes. Raises UpstreamFailed if it cannot be served."""
    with _served(path, scratch) as replica:
        prompts = [_tokens_of(replica, text) for text in _QUESTIONS]
        answers, _ = _written(replica, prompts, length, seed=100)
        return [(prompt + answer)[:length] for prompt, answer in zip(prompts, answers, strict=True)]


def _reference(replica: Replica) -> Reference:
    prompts = [_tokens_of(replica, text) for text in _QUESTIONS]
    answers, characters = _written(replica, prompts, _COMPARED, seed=1)
    seen = _walk(replica, prompts, answers)
    return Reference(prompts, answers, seen, round(characters / sum(map(len, answers)), 2))


def _tokens_of(replica: Replica, text: str) -> list[int]:
    said = json.loads(replica.ask("/tokenize", {"content": text, "add_special": True}, timeout_s=60))
    return [int(token) for token in said["tokens"]]


def _written(replica: Replica, prompts: list[list[int]], count: int, seed: int) -> tuple[list[list[int]], int]:
    """What it goes on with, drawn by its own probabilities, and how many characters that has."""
    drawn = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "return_tokens": True}
    said = _each(_STREAMS, lambda index: _complete(replica, index, prompts[index], count, **drawn, seed=seed + index))
    return [[int(token) for token in one["tokens"]] for one in said], sum(len(one["content"]) for one in said)


def _walk(replica: Replica, prompts: list[list[int]], answers: list[list[int]]) -> list[Seen | None]:
    """Go along the answers, asking for one token at each place; what was read stays in the slot.

    None where the engine does not say: when the token that it would write there is a part of a character.
    """

    def walk(index: int) -> list[Seen | None]:
        read, found = list(prompts[index]), list[Seen | None]()
        for token in answers[index]:
            said = _complete(replica, index, read, 1, n_probs=_CANDIDATES).get("completion_probabilities")
            found.append(_seen(said[0]["top_logprobs"], token) if said else None)
            read.append(token)
        return found

    return [place for text in _each(_STREAMS, walk) for place in text]


def _seen(likely: list[dict[str, Any]], token: int) -> Seen:
    """One that is not among the likely is less so than the last of them: that is the least that it costs."""
    known = next((one["logprob"] for one in likely if one["id"] == token), likely[-1]["logprob"])
    return Seen(int(likely[0]["id"]), float(known))


def _likeness(seen: list[Seen | None], reference: Reference) -> tuple[float, float]:
    """Perplexity as a multiple of the reference's own, and the share of places with the same likeliest token.

    Raises ValueError if there is no place to compare.
    """
    both = [(ours, theirs) for ours, theirs in zip(seen, reference.seen, strict=True) if ours and theirs]
    if not both:
        raise ValueError("there is nothing that two files could be compared on")
    lost = sum(theirs.log_probability - ours.log_probability for ours, theirs in both) / len(both)
    same = sum(ours.likeliest == theirs.likeliest for ours, theirs in both) / len(both)
    return round(math.exp(lost), 3), round(same, 3)


def _complete(replica: Replica, slot: int, prompt: str | list[int], tokens: int, **more: object) -> dict[str, Any]:
    same = {"temperature": 0, "ignore_eos": True, "cache_prompt": True}
    body = {**same, "prompt": prompt, "n_predict": tokens, "id_slot": slot, **more}
    answer: dict[str, Any] = json.loads(replica.ask("/completion", body, timeout_s=120))
    return answer


def _each(streams: int, work: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(streams) as pool:
        return list(pool.map(work, range(streams)))
