"""What a route says, and in which order it has a request's targets tried."""

import json
from collections import Counter

import pytest

from argosy.core import Invalid
from argosy.gateway import Kind, parse
from argosy.gateway.asked import Asked, language_of
from argosy.gateway.route_spec import ordered, read_spec, written
from argosy.identity import Caller


def asked(user=None, project="proj_1", key="key_1", **members):
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "user": user, **members}
    caller = Caller(key, project, "org_1", "argosy", frozenset({"inference"}))
    return Asked(parse(Kind.CHAT, json.dumps({k: v for k, v in body.items() if v is not None}).encode()), caller)


def first(spec, request):
    return ordered("chat", spec, request)[0].model


def test_weights_are_shares_of_the_traffic():
    spec = read_spec({"targets": [{"model": "a", "weight": 7}, {"model": "b", "weight": 2}, {"model": "c"}]})
    counts = Counter(first(spec, asked()) for _ in range(4000))
    # three standard deviations of a binomial are at most 95 of 4000
    for model, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        assert abs(counts[model] - 4000 * share) < 95


def test_what_is_sticky_stays_and_only_the_callers_of_a_lost_target_move():
    members = [{"model": name, "weight": weight} for name, weight in (("a", 2), ("b", 1), ("c", 1))]
    spec = read_spec({"targets": members, "sticky": "user"})
    users = [f"user-{number}" for number in range(2000)]
    before = {user: first(spec, asked(user)) for user in users}
    assert {user: first(spec, asked(user)) for user in users} == before
    assert abs(Counter(before.values())["a"] - 1000) < 70
    without = read_spec({"targets": members[:2], "sticky": "user"})
    assert {first(without, asked(user)) == before[user] for user in users if before[user] != "c"} == {True}


def test_without_the_value_it_would_stick_to_chance_decides():
    spec = read_spec({"targets": [{"model": "a"}, {"model": "b"}], "sticky": "user"})
    assert {first(spec, asked()) for _ in range(100)} == {"a", "b"}


def test_priorities_come_before_weights_and_a_weight_of_0_is_the_last_of_its_own():
    spec = read_spec(
        {"targets": [{"model": "late", "priority": 1}, {"model": "spare", "weight": 0}, {"model": "main", "weight": 1}]}
    )
    for _ in range(20):
        assert [target.model for target in ordered("chat", spec, asked())] == ["main", "spare", "late"]


@pytest.mark.parametrize(
    ("when", "takes", "leaves"),
    [
        ({"projects": ["proj_1"]}, {}, {"project": "proj_2"}),
        ({"keys": ["key_1"]}, {}, {"key": "key_2"}),
        ({"schema": False}, {}, {"response_format": {"type": "json_schema", "json_schema": {}}}),
        ({"prompt_tokens_max": 100}, {}, {"messages": [{"role": "user", "content": "x" * 500}]}),
        (
            {"languages": ["zh"]},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "销售额 of Q3"}]}]},
            {},
        ),
    ],
)
def test_conditions(when, takes, leaves):
    spec = read_spec({"targets": [{"model": "a", "when": when}]})
    assert [target.model for target in ordered("chat", spec, asked(**takes))] == ["a"]
    assert ordered("chat", spec, asked(**leaves)) == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("画出华北地区2019年3-5月的销售额", "zh"),
        ("请介绍 SmolLM2-135M-Instruct 与 llama.cpp 的区别", "zh"),
        ("日本語で答えてください", "ja"),
        ("東京は日本の首都です", "ja"),
        ("한국어로 답해 주세요", "ko"),
        ("Translate 你好 into English, please, and explain the tones", "other"),
        ("12:30 !?", "other"),
        ("", "other"),
    ],
)
def test_language_by_script(text, language):
    assert language_of(text) == language


def test_a_spec_is_written_as_it_was_read():
    members = {
        "targets": [{"model": "a", "weight": 3, "when": {"languages": ["zh"]}}, {"model": "ft:a:b:c:d", "priority": 1}],
        "sticky": "key",
        "deadlines": {"first_token": 2.5},
    }
    assert written(read_spec(members)) == members


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({}, None),
        ({"targets": []}, "targets"),
        ({"targets": [{"model": ""}]}, "targets[0].model"),
        ({"targets": [{"model": "a b"}]}, "targets[0].model"),
        ({"targets": [{"model": "a", "weight": -1}]}, "targets[0].weight"),
        ({"targets": [{"model": "a", "weight": "3"}]}, "targets[0].weight"),
        ({"targets": [{"model": "a", "wieght": 3}]}, "targets[0]"),
        ({"targets": [{"model": "a", "when": {"languages": ["xx"]}}]}, "targets[0].when.languages[0]"),
        ({"targets": [{"model": "a"}, {"model": "a"}]}, None),
        ({"targets": [{"model": "a"}], "attempts": 0}, "attempts"),
        ({"targets": [{"model": "a"}], "deadlines": {"total": float("nan")}}, "deadlines.total"),
        ({"targets": [{"model": "a"}] * 17}, "targets"),
    ],
)
def test_a_mistake_is_named(members, param):
    with pytest.raises(Invalid) as error:
        read_spec(members)
    assert (error.value.code, error.value.param) == ("invalid_route", param)
