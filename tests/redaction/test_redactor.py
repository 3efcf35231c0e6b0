"""The redacting process: expressions that go astray, and a process that dies."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from argosy.core import Invalid
from argosy.redaction.document import Pattern, Rules
from argosy.redaction.redactor import Redactor, TooSlow
from argosy.runtime.processes import birth

SLOW = Rules(patterns=(Pattern("slow", "(q|qq)+$"),))
"""Needs years for forty letters; the probes of a check would refuse it."""


@pytest.fixture
def redactor(tmp_path):
    made = Redactor(tmp_path / "redactor.log")
    yield made
    made.stop()


def ask(redactor, text="bob@corp.com", rules=None):
    return json.loads(redactor.redact(json.dumps({"content": text}).encode(), rules or Rules()))["content"]


def test_it_redacts(redactor):
    assert ask(redactor) == "[email]"


def test_an_expression_that_goes_astray_ends_and_the_next_document_is_redacted(redactor):
    ask(redactor)
    process = redactor._child.pid
    with pytest.raises(TooSlow):
        ask(redactor, "q" * 60 + "!", SLOW)
    assert ask(redactor) == "[email]"
    assert redactor._child.pid == process


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", r"(\w+\s?)+$", "(x+x+)+y", ".*a.*b.*c.*d", r"(\d+)*z", "(q|qq)+$", "(é|éé)+!"]
)
def test_a_pattern_that_would_go_astray_is_refused_before_it_is_used(redactor, pattern):
    with pytest.raises(Invalid, match="too long") as refused:
        redactor.check(Pattern("mine", pattern))
    assert (refused.value.code, refused.value.param) == ("invalid_pattern", "patterns")


@pytest.mark.parametrize(
    "pattern", [r"EMP-\d+", r"\b[A-Z]{2}\d{6,10}\b", r"合同编号[:：]?\s*\w+", r"secret=\S+", ".+x"]
)
def test_a_pattern_that_people_write_is_taken(redactor, pattern):
    redactor.check(Pattern("mine", pattern))


def test_what_is_no_pattern_is_refused_with_the_reason(redactor):
    with pytest.raises(Invalid, match="unterminated"):
        redactor.check(Pattern("mine", "[a"))


def test_a_killed_process_is_started_again(redactor):
    ask(redactor)
    os.kill(redactor._child.pid, signal.SIGKILL)
    redactor._child.wait(10)
    assert ask(redactor) == "[email]"


def test_what_is_no_document_is_refused(redactor):
    for data in (b"", b"nope", b"[" * 5000 + b"]" * 5000):
        with pytest.raises(ValueError):
            redactor.redact(data, Rules())
    assert ask(redactor) == "[email]"


def test_threads_get_their_own_answers(redactor):
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda number: ask(redactor, f"{number} bob@corp.com"), range(200)))
    assert got == [f"{number} [email]" for number in range(200)]


def test_it_ends_with_its_owner(redactor):
    ask(redactor)
    process = redactor._child.pid
    redactor.stop()
    assert birth(process) is None
