"""Whatever a file holds, checking it ends with a report: users may upload anything."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from argosy.datasets import validate_sft
from argosy.datasets.formats import ROLES, RowProblem, read_row

KEYS = st.sampled_from(
    ["messages", "role", "content", "weight", "prompt", "completion", "instruction", "input", "output", "system",
     "conversations", "from", "value", "tool_calls", "type", "text", "x"]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers(0, 2) | st.floats() | st.sampled_from([*ROLES, "human", "gpt", "", "Hi"])
)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@given(JSON | st.dictionaries(KEYS, JSON, min_size=1, max_size=4))
def test_any_row_is_read_or_refused_with_a_reason(row):
    with suppress(RowProblem):
        _, messages = read_row(row)
        assert all(message["role"] in ROLES and isinstance(message["content"], str) for message in messages)
        assert messages[-1]["role"] == "assistant"


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_get_a_report(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(content)
    report = validate_sft(path)
    assert not report.valid  # less than ten rows, at least
    assert report.to_json()["problem_count"] >= len(report.to_json()["problems"]) > 0
