"""Asking a model many questions at once, and keeping what each response says about itself."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIStatusError, AsyncOpenAI

PARALLEL = 16
MAX_TOKENS = 160  # The longest right answer has about 100; a base model would talk on.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Usage:
    """Tokens that a response reports. ``prompt`` includes ``cached``."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True)
class Question:
    """One request to one model. ``schema`` makes the engine write JSON of that shape."""

    model: str
    messages: Sequence[dict[str, str]]
    schema: dict[str, Any] | None = None


@dataclass(frozen=True)
class Answer:
    """What came back. ``error`` is empty unless the request failed: a wrong answer then, not a missing one."""

    request_id: str
    model: str
    text: str
    usage: Usage
    seconds: float
    error: str = ""


async def ask(client: AsyncOpenAI, question: Question) -> Answer:
    """Ask one question at temperature 0. Told that it is too early (429, 503), it waits and asks again for a minute."""
    started = time.monotonic()
    while True:
        try:
            return await _once(client, question, started)
        except APIStatusError as problem:
            if problem.status_code not in (429, 503) or time.monotonic() - started > PATIENCE_S:
                return _failed(question, started, str(problem), problem.response.headers.get("x-request-id", ""))
            await asyncio.sleep(_retry_after(problem))
        except APIConnectionError as problem:
            return _failed(question, started, f"the connection broke: {problem}", "")


async def ask_all(
    client: AsyncOpenAI, questions: Sequence[Question], heard: Callable[[Answer], None] = lambda answer: None
) -> list[Answer]:
    """Ask all, sixteen at a time; answers in the order of the questions. ``heard`` is called as each arrives."""
    turns = asyncio.Semaphore(PARALLEL)

    async def one(question: Question) -> Answer:
        async with turns:
            answer = await ask(client, question)
        heard(answer)
        return answer

    return list(await asyncio.gather(*map(one, questions)))


async def _once(client: AsyncOpenAI, question: Question, started: float) -> Answer:
    body: dict[str, Any] = {"model": question.model, "messages": list(question.messages)}
    if question.schema is not None:
        shape = {"name": "chart_spec", "schema": question.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    response = await client.chat.completions.with_raw_response.create(temperature=0, max_tokens=MAX_TOKENS, **body)
    completion = response.parse()
    used, details = completion.usage, completion.usage.prompt_tokens_details if completion.usage else None
    return Answer(
        response.headers.get("x-request-id", ""),
        question.model,
        completion.choices[0].message.content or "",
        Usage(used.prompt_tokens, (details.cached_tokens or 0) if details else 0, used.completion_tokens)
        if used
        else Usage(),
        time.monotonic() - started,
    )


def _failed(question: Question, started: float, error: str, request_id: str) -> Answer:
    return Answer(request_id, question.model, "", Usage(), time.monotonic() - started, error)


def _retry_after(problem: APIStatusError) -> float:
    said = problem.response.headers.get("retry-after", "")
    return min(float(said), 10.0) if said.replace(".", "", 1).isdigit() else 1.0
