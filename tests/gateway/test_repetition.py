"""What was said already is told apart from what is new, or it is said that this cannot be told."""

from itertools import pairwise

import pytest

from argosy.core import UpstreamFailed
from argosy.gateway.health import Health
from argosy.gateway.repetition import Repetition

SAID = "The harbour of Trieste freezes"
ROUND = "la la la la la la la la la la la la"


def told(said, rest, health=None, step=3, text=False):
    """What is passed on of ``rest``, which comes in pieces of so many characters and ends as it should."""
    repetition = Repetition(said, health or Health())
    cuts = [*range(0, len(rest), step), len(rest)]
    pieces = [rest[a:b] for a, b in pairwise(cuts)]
    shown = []
    for piece, finish in [*((piece, None) for piece in pieces), ("", "stop")]:
        choice = {"text": piece} if text else {"delta": {"content": piece}}
        event = repetition.without({"id": "x", "choices": [{"index": 0, "finish_reason": finish, **choice}]})
        shown += [c.get("text") or c.get("delta", {}).get("content") or "" for c in event["choices"]]
    assert not repetition.holding
    return "".join(shown)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("step", [1, 3, 7, 500])
@pytest.mark.parametrize("said", [SAID, f"\n{SAID}", f"{SAID} ", f"  {SAID}\n\n"])
def test_the_rest_alone_is_told_however_it_comes(said, step, text):
    rest = "rarely, and ships come." if said[-1].isspace() else " rarely, and ships come."
    assert told(said, said + rest, step=step, text=text) == rest
    assert told(said, rest, step=step, text=text) == rest
    assert told(said, said.strip() + said[len(said.rstrip()) :] + rest, step=step, text=text) == rest
    assert told(said, said, step=step, text=text) == ""
    assert told(said, "", step=step, text=text) == ""


def test_a_rest_that_begins_a_little_like_the_answer_is_no_repetition():
    assert told(SAID, "The harbour froze once.") == "The harbour froze once."


@pytest.mark.parametrize("said", ["Hello", ROUND, f"{ROUND}\n", f"\n{ROUND}"])
def test_what_may_be_either_is_not_guessed(said):
    with pytest.raises(UpstreamFailed):
        told(said, f"{said} and on")


def test_what_may_be_either_is_what_the_provider_did_before():
    repeater, other = Health(), Health()
    told(SAID, f"{SAID} rarely", repeater)
    told(SAID, " rarely", other)
    assert (repeater.repeats, other.repeats) == (True, False)
    assert told("Hello", "Hello, world", repeater) == ", world"
    assert told("Hello", "Hello, world", other) == "Hello, world"
    assert told(SAID, f"{SAID} rarely", other) == " rarely", "some providers pass a request on to one that does"


def test_a_repetition_that_breaks_off_or_differs_a_little_is_not_told():
    for rest in (SAID[:9], SAID[:28], f"{SAID[:-1]}? It does not."):
        with pytest.raises(UpstreamFailed):
            told(SAID, rest)
