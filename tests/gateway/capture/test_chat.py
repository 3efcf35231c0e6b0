"""Which requests become training rows, and what stands in them."""

import pytest

from argosy.datasets.formats import read_row
from argosy.gateway.capture.chat import row
from argosy.gateway.capture.record import Content

ASKED = [{"role": "user", "content": "Hi"}]
CALL = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def content(messages=None, finish="stop", **message):
    answer = {"role": "assistant", "content": "Hello", **message}
    return Content(ASKED if messages is None else messages, [{"index": 0, "message": answer, "finish_reason": finish}])


@pytest.mark.parametrize(
    ("given", "correction", "said"),
    [
        (content(), None, [("user", "Hi"), ("assistant", "Hello")]),
        (content(), "Better", [("user", "Hi"), ("assistant", "Better")]),
        (content(finish="length"), "Better", [("user", "Hi"), ("assistant", "Better")]),
        (content(content=None, tool_calls=CALL), "Better", [("user", "Hi"), ("assistant", "Better")]),
        (content([{"role": "developer", "content": "Be kind"}, *ASKED]), None,
         [("system", "Be kind"), ("user", "Hi"), ("assistant", "Hello")]),
        (content([{"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}]), None,
         [("user", "Hi"), ("assistant", "Hello")]),
        (content([*ASKED, {"role": "assistant", "content": "Yes?"}, *ASKED]), None,
         [("user", "Hi"), ("assistant", "Yes?"), ("user", "Hi"), ("assistant", "Hello")]),
    ],
)  # fmt: skip
def test_what_training_can_use(given, correction, said):
    made = row(given, correction)
    assert [(message["role"], message["content"]) for message in made["messages"]] == said
    assert read_row(made)[0] == "messages"


@pytest.mark.parametrize(
    ("given", "correction"),
    [
        (content(finish="length"), None),
        (content(finish="content_filter"), None),
        (content(content=""), None),
        (content(content=None), None),
        (content(content=None, tool_calls=CALL, finish="tool_calls"), None),
        (content([*ASKED, {"role": "tool", "content": "x", "tool_call_id": "c"}]), "Better"),
        (content([*ASKED, {"role": "assistant", "content": None, "tool_calls": CALL}]), "Better"),
        (content([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]), "Better"),
        (content([{"role": "user", "content": " "}]), None),
        (content([{"role": "system", "content": "x"}]), None),
        (content([]), None),
        (Content(ASKED, []), None),
        (content(), " "),
    ],
)
def test_what_it_cannot(given, correction):
    assert row(given, correction) is None
