import pytest
from tests.datasets.rows import chat

from argosy.datasets.formats import RowProblem, read_row

ASK = {"role": "user", "content": "Hi"}
TELL = {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("row", "name", "messages"),
    [
        ({"messages": [SYSTEM, ASK, TELL], "id": 7}, "messages", [SYSTEM, ASK, TELL]),
        ({"messages": [SYSTEM | {"role": "developer"}, ASK, TELL]}, "messages", [SYSTEM, ASK, TELL]),
        ({"messages": [SYSTEM | {"content": ""}, ASK, TELL]}, "messages", [SYSTEM | {"content": ""}, ASK, TELL]),
        ({"messages": [ASK, TELL | {"weight": 0}, ASK, TELL | {"weight": 1}]}, "messages",
         [ASK, TELL | {"weight": 0}, ASK, TELL]),
        ({"messages": [ASK | {"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}, TELL]},
         "messages", [ASK, TELL]),
        ({"prompt": "Hi", "completion": "Hello"}, "prompt-completion", [ASK, TELL]),
        ({"instruction": "Hi", "input": "", "output": "Hello"}, "alpaca", [ASK, TELL]),
        ({"instruction": "Hi", "input": "there", "output": "Hello", "system": "Be brief."}, "alpaca",
         [SYSTEM, ASK | {"content": "Hi\n\nthere"}, TELL]),
        ({"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"},
                            {"from": "gpt", "value": "Hello"}]}, "sharegpt", [SYSTEM, ASK, TELL]),
    ],
)  # fmt: skip
def test_each_shape_becomes_messages(row, name, messages):
    assert read_row(row) == (name, messages)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ([1], "not_an_object"),
        (None, "not_an_object"),
        ({"text": "Hi"}, "unknown_format"),
        ({"messages": []}, "invalid_messages"),
        ({"messages": "Hi"}, "invalid_messages"),
        ({"messages": ["Hi"]}, "invalid_message"),
        ({"messages": [{"role": "robot", "content": "Hi"}, TELL]}, "invalid_role"),
        ({"messages": [{"content": "Hi"}, TELL]}, "invalid_role"),
        ({"messages": [{"role": ["user"], "content": "Hi"}, TELL]}, "invalid_role"),
        ({"messages": [{"role": "user"}, TELL]}, "invalid_content"),
        ({"messages": [ASK | {"content": [{"type": "image_url", "image_url": {}}]}, TELL]}, "invalid_content"),
        ({"messages": [ASK | {"content": 5}, TELL]}, "invalid_content"),
        ({"messages": [ASK, TELL | {"content": None}]}, "invalid_content"),
        (chat(answer=""), "empty_answer"),
        (chat(answer="\n "), "empty_answer"),
        (chat(question=""), "empty_question"),
        ({"messages": [ASK]}, "no_answer"),
        ({"messages": [TELL, ASK]}, "no_answer"),
        ({"messages": [TELL]}, "no_question"),
        ({"messages": [ASK, TELL | {"weight": 0}]}, "no_answer"),
        ({"messages": [ASK, TELL | {"weight": 2}]}, "invalid_weight"),
        ({"messages": [ASK, TELL | {"weight": True}]}, "invalid_weight"),
        ({"messages": [ASK, TELL | {"weight": [0]}]}, "invalid_weight"),
        ({"messages": [ASK | {"weight": 1}, TELL]}, "invalid_weight"),
        ({"messages": [ASK, TELL | {"tool_calls": [{}]}, {"role": "tool", "content": "x"}, TELL]},
         "tools_not_supported"),
        ({"prompt": "Hi"}, "invalid_content"),
        ({"prompt": "Hi", "completion": 5}, "invalid_content"),
        ({"prompt": "Hi", "completion": ""}, "empty_answer"),
        ({"instruction": "Hi", "input": 5, "output": "Hello"}, "invalid_content"),
        ({"instruction": "Hi", "output": ""}, "empty_answer"),
        ({"conversations": [{"from": "dog", "value": "Wuff"}]}, "invalid_role"),
        ({"conversations": ["Wuff"]}, "invalid_message"),
        ({"conversations": [{"from": "human"}]}, "invalid_content"),
    ],
)  # fmt: skip
def test_each_mistake_has_a_name_of_its_own(row, code):
    with pytest.raises(RowProblem) as problem:
        read_row(row)
    assert problem.value.code == code
    assert problem.value.message.endswith(".")
