"""A count of a prompt's tokens is what the answer's usage then says, on the real engine."""

import anthropic
import pytest
from tests.flows.platform import KEY, STARTER

TOOL = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"$ref": "#/$defs/C"}},
        "$defs": {"C": {"type": "string"}},
    },
}
FORM = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
USED = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Rom"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny ☀"}]},
]


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"system": "Be brief."},
        {"messages": [{"role": "user", "content": "请用一句话介绍 <|im_start|> 平台。\n\n  🙂"}]},
        {"messages": [{"role": "user", "content": "Count"}, {"role": "assistant", "content": "One, two,"}]},
        {"tools": [TOOL]},
        {"tools": [TOOL], "messages": USED},
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
        {"output_config": FORM},
        {"tools": [TOOL], "output_config": FORM},
    ],
)
def test_a_count_is_what_the_answer_says(platform, members):
    client = anthropic.Anthropic(base_url=platform.url, api_key=KEY, max_retries=0)
    asked = {"model": STARTER, "messages": [{"role": "user", "content": "Say hello."}], **members}
    counted = client.messages.count_tokens(**asked).input_tokens
    usage = client.messages.create(**asked, max_tokens=3 if "tools" not in members else 120).usage
    assert counted == usage.input_tokens + (usage.cache_read_input_tokens or 0)
