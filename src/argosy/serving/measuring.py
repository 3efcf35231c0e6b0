"""What a file of weights does on this machine: how fast it reads and writes, and whether it answers as another does."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from argosy.core import UpstreamFailed
from argosy.serving.engines import EngineSpec
from argosy.serving.replicas import Replica

T = TypeVar("T")

_STREAMS = 16
_TOKENS = 12  # written per stream: about a second a file on two cores
_COMPARED = 16  # tokens per stream that two files are compared on
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
    agreement: float
    """Of the tokens that the shipped file writes, the share that this one would have written in their place; 1.0 for
    the shipped file itself.
    """
    size_bytes: int

    def better(self, other: "Measured") -> "Measured":
        """The best of both: what disturbs a measurement only ever slows it."""
        return Measured(
            max(self.one_stream, other.one_stream),
            max(self.sixteen_streams, other.sixteen_streams),
            max(self.read_one, other.read_one),
            max(self.read_sixteen, other.read_sixteen),
            self.agreement,
            self.size_bytes,
        )


@dataclass(frozen=True)
class Reference:
    """What the file as shipped writes, each token the likeliest."""

    prompts: list[list[int]]
    answers: list[list[int]]
    characters_per_token: float


def measure(
    path: Path, scratch: Path, reference: Reference | None, tokens: int = _TOKENS
) -> tuple[Measured, Reference]:
    """Serve the file for some seconds in a process of its own, writing ``tokens`` per stream.

    Without a ``reference`` the file makes one, and agrees with itself. Raises UpstreamFailed if it cannot be served.
    """
    spec = EngineSpec(name="fitting", ready_file="", model_path=str(path), slots=_STREAMS, context_length=_CONTEXT)
    replica = Replica("llama_cpp", spec, scratch, scratch / "fit.log")
    try:
        while not replica.announced():
            if replica.dead or time.monotonic() - replica.started > _START_S_MAX:
                raise UpstreamFailed(replica.failure, code="engine_failed")
            time.sleep(0.02)
        replica.canary()
        made = reference or _reference(replica)
        one, sixteen = _writes(replica, 1, 2 * tokens), _writes(replica, _STREAMS, tokens)
        read_one, read_sixteen = _reads(replica, 1), _reads(replica, _STREAMS)
        agreement = _agreement(replica, made) if reference else 1.0
    except (OSError, ValueError, KeyError) as error:
        raise UpstreamFailed(f"{path.name} could not be measured: {error}", code="engine_failed") from error
    finally:
        replica.stop()
    return Measured(one, sixteen, read_one, read_sixteen, agreement, path.stat().st_size), made


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


def _reference(replica: Replica) -> Reference:
    def tokens_of(text: str) -> list[int]:
        said = json.loads(replica.ask("/tokenize", {"content": text, "add_special": True}, timeout_s=60))
        return [int(token) for token in said["tokens"]]

    prompts = [tokens_of(text) for text in _QUESTIONS]
    said = _each(_STREAMS, lambda index: _complete(replica, index, prompts[index], _COMPARED, return_tokens=True))
    answers = [[int(token) for token in one["tokens"]] for one in said]
    count = sum(map(len, answers))
    return Reference(prompts, answers, round(sum(len(one["content"]) for one in said) / max(1, count), 2))


def _agreement(replica: Replica, reference: Reference) -> float:
    """Walk along the reference's answers, asking for one token at each place; what was read stays in the slot."""

    def walk(index: int) -> int:
        read, right = list(reference.prompts[index]), 0
        for token in reference.answers[index]:
            said = _complete(replica, index, read, 1, return_tokens=True)
            right += said["tokens"] == [token]
            read.append(token)
        return right

    count = sum(map(len, reference.answers))
    return round(sum(_each(_STREAMS, walk)) / count, 3) if count else 0.0


def _complete(replica: Replica, slot: int, prompt: str | list[int], tokens: int, **more: object) -> dict[str, Any]:
    body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "ignore_eos": True, "id_slot": slot, **more}
    answer: dict[str, Any] = json.loads(replica.ask("/completion", body, timeout_s=120))
    return answer


def _each(streams: int, work: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(streams) as pool:
        return list(pool.map(work, range(streams)))
