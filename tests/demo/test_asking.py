"""Asking many questions at once."""

import asyncio
from typing import Any

from argosy.demo.asking import Answer, Question, Usage, ask_all
from argosy.samples import rows

QUESTIONS = [Question("ft:x", row.prompt) for row in rows("en", "values")[:40]]


def ask(paper: Any, questions: list[Question]) -> tuple[list[Answer], list[Answer]]:
    heard: list[Answer] = []

    async def asking() -> list[Answer]:
        async with paper.async_client() as client:
            return await ask_all(client, questions, heard.append)

    return asyncio.run(asking()), heard


def test_answers_come_in_the_order_of_the_questions_sixteen_at_a_time(paper: Any) -> None:
    answers, heard = ask(paper, QUESTIONS)
    assert len(heard) == len(answers) == 40
    assert {one.request_id for one in answers} == {f"req_{n}" for n in range(1, 41)}
    assert 1 < paper.open_most <= 16
    assert answers[1].text == rows("en", "values")[1].answer
    assert answers[1].usage.cached == 110
    assert answers[1].usage.prompt >= 150


def test_a_full_platform_is_asked_again_later(paper: Any) -> None:
    paper.refusals = 3
    answers, _ = ask(paper, QUESTIONS[:2])
    assert not any(one.error for one in answers)


def test_a_platform_that_is_gone_is_an_error_and_no_exception(paper: Any) -> None:
    paper.url = "http://127.0.0.1:9"
    (answer,), _ = ask(paper, QUESTIONS[:1])
    assert "connection" in answer.error
    assert answer.usage == Usage()


def test_a_refused_request_is_an_error_with_its_reason(paper: Any) -> None:
    (answer,), _ = ask(paper, [Question("ft:x", [{"role": "user", "content": "not on paper"}])])
    assert "500" in answer.error
