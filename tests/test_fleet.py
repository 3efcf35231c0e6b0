"""A fleet file becomes the steps that are missing, and none where it agrees with what is there."""

from dataclasses import replace

import pytest

from argosy.cli.fleet import Present, plan, read_fleet
from argosy.core import Invalid

FILE = """
[providers.openai]
key_env = "OPENAI_API_KEY"

[providers.house]
base_url = "http://10.0.0.7:8000/v1/"
private = true

[deployments.smollm2-135m-instruct]

[deployments.house-gpt]
provider = "openai"
provider_model = "gpt-6-luna"
prices = { currency = "USD", input = 150_000, output = 600_000 }

[aliases]
chat-default = "house-gpt"

[routes.chat]
targets = [{ model = "house-gpt" }, { model = "smollm2-135m-instruct", priority = 1 }]
"""
ENVIRONMENT = {"OPENAI_API_KEY": "sk-0123456789abcdef"}
NOTHING = Present({}, {}, {}, {})
PRICES = {"currency": "USD", "input": 150_000, "cached_input": 150_000, "output": 600_000, "training": 0}
THERE = Present(
    providers={
        "openai": {"base_url": "https://api.openai.com/v1", "auth": "bearer", "private": False, "key_hint": "…cdef"},
        "house": {"base_url": "http://10.0.0.7:8000/v1", "auth": "bearer", "private": True, "key_hint": None},
    },
    deployments={
        "smollm2-135m-instruct": {
            "state": "ready",
            "engine": "llama_cpp",
            "prices": PRICES,
            "provider": None,
            "replicas_wanted": 1,
            "quantisation": None,
        },
        "house-gpt": {
            "state": "ready",
            "engine": "provider",
            "provider": "openai",
            "provider_model": "gpt-6-luna",
            "replicas_wanted": 1,
            "quantisation": None,
            "prices": PRICES,
        },
    },
    aliases={"chat-default": "house-gpt"},
    routes={
        "chat": {
            "id": "chat",
            "version": 3,
            "targets": [{"model": "house-gpt"}, {"model": "smollm2-135m-instruct", "priority": 1}],
        }
    },
)


def steps(text, present=THERE, environment=ENVIRONMENT, **more):
    return [f"{step.sign} {step.what}" for step in plan(read_fleet(text), present, environment, **more)]


def test_from_nothing_everything_is_made_in_an_order_that_works():
    assert steps(FILE, NOTHING) == [
        "+ provider openai",
        "+ provider house",
        "+ deployment smollm2-135m-instruct",
        "+ deployment house-gpt",
        "+ alias chat-default -> house-gpt",
        "+ route chat -> house-gpt, smollm2-135m-instruct",
    ]


def test_the_bodies_are_those_of_the_public_api():
    made = {step.what: step for step in plan(read_fleet(FILE), NOTHING, ENVIRONMENT)}
    openai = made["provider openai"]
    assert (openai.method, openai.path) == ("POST", "/providers")
    assert openai.body == {"name": "openai", "key": "sk-0123456789abcdef", "private": False}
    assert made["deployment house-gpt"].body == {
        "model": "house-gpt",
        "provider": "openai",
        "provider_model": "gpt-6-luna",
        "prices": {"currency": "USD", "input": 150_000, "output": 600_000, "training": 0},
    }


def test_where_they_agree_there_is_nothing_to_do():
    assert steps(FILE) == []
    assert steps(FILE, prune=True) == []


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("input = 150_000", "input = 160_000", "~ deployment house-gpt (prices)"),
        ('provider_model = "gpt-6-luna"', 'provider_model = "gpt-5"', "~ deployment house-gpt (provider_model)"),
        ("10.0.0.7", "10.0.0.8", "~ provider house (base_url)"),
        ("private = true", 'private = true\nprefill = "prefix"', "~ provider house (prefill)"),
        ("priority = 1", "priority = 2", "~ route chat -> house-gpt, smollm2-135m-instruct"),
        (
            '= "house-gpt"\n',
            '= "smollm2-135m-instruct"\n',
            "~ alias chat-default -> smollm2-135m-instruct (now house-gpt)",
        ),
    ],
)
def test_one_difference_is_one_step(old, new, step):
    assert old in FILE
    assert steps(FILE.replace(old, new)) == [step]


def test_what_may_be_promised_of_a_deployment_is_a_step_of_its_own():
    file = FILE.replace(
        "[deployments.house-gpt]\n", "[deployments.house-gpt]\nwaitlist = true\ntokens_per_minute = 9\n"
    )
    step = "~ capacity of house-gpt (waitlist, tokens_per_minute)"
    assert steps(file) == [step]
    there = {"waitlist": True, "tokens_per_minute": 9, "source": "given"}
    assert steps(file, replace(THERE, capacity={"house-gpt": there})) == []
    measured = replace(THERE, capacity={"house-gpt": {**there, "source": "measured"}})
    assert steps(file, measured) == ["~ capacity of house-gpt (tokens_per_minute)"]
    [made] = [one for one in plan(read_fleet(file), NOTHING, ENVIRONMENT) if one.what == step.removeprefix("~ ")]
    assert (made.path, made.body) == ("/capacity/house-gpt", {"waitlist": True, "tokens_per_minute": 9})


SHARE = """
[shares.smollm2-135m-instruct]
owner = "some-lab"
owner_name = "Some Lab"
currency = "USD"
basis_points = 1_000
tiers = [{ above = 1_000_000_000, basis_points = 2_000 }]
"""


def test_a_share_is_declared_too_and_never_pruned():
    [step] = plan(read_fleet(SHARE), NOTHING, ENVIRONMENT)
    assert (step.sign, step.what) == ("+", "share of some-lab in smollm2-135m-instruct")
    tier = {"above": 1_000_000_000, "basis_points": 2_000}
    assert (step.method, step.path) == ("PUT", "/shares")
    body = {"model": "smollm2-135m-instruct", "owner": "some-lab", "owner_name": "Some Lab", "currency": "USD"}
    amounts = {"basis_points": 1_000, "per_million_tokens": 0, "minimum": 0, "tiers": [tier], "note": ""}
    assert step.body == body | amounts
    there = {**step.body, "effective_from": 1_790_000_000, "effective_until": None, "version": 1}
    present = replace(NOTHING, shares={"smollm2-135m-instruct": there})
    assert steps(SHARE, present) == steps("", present, prune=True) == []
    assert steps(SHARE.replace("= 1_000\n", "= 500\n"), present) == [
        "~ share of some-lab in smollm2-135m-instruct (basis_points)"
    ]
    with pytest.raises(Invalid, match="percent"):
        read_fleet(SHARE + "percent = 10\n")


def test_another_key_is_noticed_by_its_end():
    assert steps(FILE, environment={"OPENAI_API_KEY": "sk-0123456789abcdXX"}) == ["~ provider openai (key)"]


def test_a_failed_deployment_is_tried_again():
    there = {**THERE.deployments, "smollm2-135m-instruct": {**THERE.deployments["house-gpt"], "state": "failed"}}
    present = Present(THERE.providers, there, THERE.aliases, THERE.routes)
    assert steps(FILE, present) == ["~ deployment smollm2-135m-instruct (it failed)"]


def test_what_the_file_does_not_name_stays_unless_it_is_pruned():
    assert steps("") == []
    assert steps("", prune=True) == [
        "- route chat",
        "- alias chat-default",
        "- deployment house-gpt",
        "- deployment smollm2-135m-instruct",
        "- provider house",
        "- provider openai",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = 1\n[deployments.x\n", "line 2"),
        ("[deployment.a]", "deployment"),
        ("[deployments.a]\nengin = 'echo'", "engin"),
        ("[aliases]\na = 1", r"aliases"),
        ("[providers.a]\nauth = 'basic'", "auth"),
        ("[providers.a]\nkey = 'sk-in-the-file'", "key"),
    ],
)
def test_a_mistake_in_the_file_is_named(text, reason):
    with pytest.raises(Invalid, match=reason):
        read_fleet(text)


def test_a_key_that_is_not_in_the_environment_is_told_before_anything_is_done():
    with pytest.raises(Invalid, match="OPENAI_API_KEY, which is not set"):
        steps(FILE, NOTHING, {})


def test_budgets_are_set_where_they_differ():
    fleet = read_fleet(
        '[budgets.organization]\namount = "500 USD"\n[budgets.default]\namount = "5 USD"\nhard = false\n'
    )
    steps = plan(fleet, NOTHING, {})
    assert [(step.sign, step.path) for step in steps] == [("+", "/budgets"), ("+", "/budgets")]
    assert steps[0].body["scope"] == "organization"
    assert (steps[1].body["scope"], steps[1].body["project"]) == ("project", "default")
    there = {"amount": 500_000_000, "currency": "USD", "period": "month", "hard": True, "thresholds": [80, 100]}
    present = replace(NOTHING, budgets={"organization": there, "default": there})
    [step] = plan(fleet, present, {})
    assert step.what == "budget of default: 5 USD (amount, hard)"
    with pytest.raises(Invalid, match="budget of 'default'"):
        plan(read_fleet('[budgets.default]\namount = "five"\n'), NOTHING, {})


TIERED = FILE.replace(
    "output = 600_000 }",
    "output = 600_000, batch_discount = 40, cost = { currency = 'USD', input = 90_000, output = 300_000 }, "
    "tiers = [{ above_prompt_tokens = 1000, input = 300_000, output = 900_000 }] }",
)
TIERS = [{"above_prompt_tokens": 1000, "input": 300_000, "cached_input": 300_000, "output": 900_000}]


def test_tiers_batch_rates_and_costs_are_compared_and_sent():
    [made] = [step for step in plan(read_fleet(TIERED), THERE, ENVIRONMENT) if "house-gpt" in step.what]
    assert made.what == "deployment house-gpt (prices, cost)"
    assert made.body["prices"] == {
        "currency": "USD", "input": 150_000, "output": 600_000, "training": 0, "batch_discount": 40,
        "tiers": [{"above_prompt_tokens": 1000, "input": 300_000, "output": 900_000}],
        "cost": {"currency": "USD", "input": 90_000, "output": 300_000, "training": 0},
    }  # fmt: skip
    cost = {"currency": "USD", "input": 90_000, "cached_input": 90_000, "output": 300_000, "training": 0, "tiers": []}
    assert steps(TIERED, priced(PRICES | {"tiers": TIERS, "batch_discount": 40}, cost=cost)) == []


def test_a_price_to_come_agrees_once_it_is_there_and_when_it_has_begun():
    text = FILE.replace("output = 600_000 }", "output = 600_000, effective_from = 2027-01-01T00:00:00Z }")
    old = PRICES | {"input": 1}
    [made] = plan(read_fleet(text), priced(old), ENVIRONMENT)
    assert made.body["prices"]["effective_from"] == 1798761600
    assert steps(text, priced(old, prices_to_come=[PRICES | {"effective_from": 1798761600}])) == []
    assert steps(text, priced(old, prices_to_come=[PRICES | {"effective_from": 1798761601}])) != []
    assert steps(text, priced(PRICES)) == []


def priced(prices, **more):
    there = {**THERE.deployments["house-gpt"], "prices": prices, **more}
    return replace(THERE, deployments={**THERE.deployments, "house-gpt": there})
