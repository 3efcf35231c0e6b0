"""What is counted, told to Prometheus and to administrators: right, bounded, and without anyone else's names."""

import asyncio
import itertools
import re
import sys
import threading
from dataclasses import replace

import httpx
import openai
import pytest
from tests.gateway.engine import running_engine
from tests.gateway.harness import QUESTION, running_api
from tests.gateway.test_failover import KEY, offer, route

from argosy.core.histogram import SECONDS, Histogram, quantile
from argosy.gateway import Deadlines, Served
from argosy.gateway.telemetry import numbers as counted
from argosy.gateway.telemetry.report import report_of


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=0.4, replica=0.3, poll=0.01)) as running:
        yield running


async def metrics(api):
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{api.url}/metrics")).text


async def status(api, secret=None):
    return await api.client(secret).get("/gateway/status", cast_to=dict)


def value(text, name):
    """The value of one series; None if there is none."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


async def stream(api, **members):
    return [chunk async for chunk in await api.ask(stream=True, **members)]


async def test_first_bytes_speed_and_attempts_are_measured(api):
    api.engine.pause_s = 0.02
    await stream(api)
    await api.ask()
    text = await metrics(api)
    assert value(text, 'argosy_first_byte_seconds_count{model="tiny",stream="true"}') == 1
    assert value(text, 'argosy_first_byte_seconds_count{model="tiny",stream="false"}') == 1
    assert 0.02 <= value(text, 'argosy_first_byte_seconds_sum{model="tiny",stream="true"}') < 1
    assert value(text, 'argosy_output_tokens_per_second_count{model="tiny"}') == 1
    assert 3 < value(text, 'argosy_output_tokens_per_second_sum{model="tiny"}') < 150
    assert value(text, 'argosy_upstream_attempts_total{model="tiny",result="answered"}') == 2
    assert value(text, 'argosy_circuit_open{endpoint="rep_1",model="tiny"}') == 0
    assert value(text, "argosy_journal_unshipped") == 2
    assert value(text, "argosy_journal_open_requests") == 2


async def test_a_client_cannot_make_series_with_names_of_its_own(api):
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {api.secret}"}) as http:
        for number in range(30):
            body = {"model": f"made-up-{number}", "messages": QUESTION}
            assert (await http.post(f"{api.url}/v1/chat/completions", json=body)).status_code == 404
    await api.ask(model="ft:tiny:argosy:mine:1")
    text = await metrics(api)
    assert "made-up" not in text
    assert "ft:" not in text  # whose models there are is nobody's business without a key
    assert value(text, 'argosy_errors_total{code="model_not_found"}') == 30
    assert value(text, 'argosy_first_byte_seconds_count{model="tiny",stream="false"}') == 1


async def test_more_models_than_the_bound_are_counted_with_their_base(api, monkeypatch):
    monkeypatch.setattr(counted, "MODELS_MAX", 1)
    for model in ("tiny", "ft:tiny:argosy:mine:1", "tiny"):
        await api.ask(model=model)
    assert [(one["model"], one["requests"]) for one in (await status(api))["models"]] == [("tiny", 3)]


async def test_the_fault_of_a_primary_shows_in_attempts_circuit_and_budget(api):
    async with running_engine() as primary, running_engine() as backup:
        for name, engine in (("primary", primary), ("backup", backup)):
            await offer(api, name, engine, {"currency": "USD", "input": 1, "output": 2})
        await route(api, [{"model": "primary"}, {"model": "backup", "priority": 1}])
        primary.plan = ["failure"] * 3
        for _ in range(4):
            await api.ask(model="chat")
        text, told = await metrics(api), await status(api)
    assert value(text, 'argosy_upstream_attempts_total{model="primary",result="provider_failed"}') == 3
    assert value(text, 'argosy_upstream_attempts_total{model="backup",result="answered"}') == 4
    assert value(text, 'argosy_extra_attempts_total{decision="spent"}') == 3
    assert value(text, 'argosy_circuit_open{endpoint="primary primary",model="primary"}') == 1
    assert value(text, 'argosy_circuit_open{endpoint="backup backup",model="backup"}') == 0
    assert value(text, 'argosy_first_byte_seconds_count{model="backup",stream="false"}') == 4
    [one] = [target for target in told["targets"] if target["model"] == "primary"]
    assert (one["circuit"], one["provider"], one["endpoint"]) == ("open", "primary", "primary primary")
    assert one["retry_in_s"] > 0
    for secret in (KEY, "http://", "127.0.0.1"):
        assert secret not in text
        assert secret not in str(told)


async def test_a_resumed_answer_is_counted(api):
    api.engine.plan = ["cut"]
    await stream(api)
    assert value(await metrics(api), "argosy_resumed_answers_total") == 1
    assert value(await metrics(api), 'argosy_upstream_attempts_total{model="tiny",result="lost"}') == 1


async def test_administrators_see_their_own_models_and_only_they_see_anything(api):
    await api.ask(model="ft:tiny:argosy:mine:1")
    await api.client(api.other).chat.completions.create(model="ft:tiny:argosy:theirs:2", messages=QUESTION)
    with pytest.raises(openai.NotFoundError):
        await api.ask(model="nothing")
    told = await status(api)
    assert [(one["model"], one["requests"]) for one in told["models"]] == [("ft:tiny:argosy:mine:1", 1), ("tiny", 1)]
    assert (told["object"], told["in_flight"], told["requests"]) == ("gateway.status", 0, 3)
    assert told["errors"] == {"model_not_found": 1}
    assert told["outcomes"] == {"complete": 2}
    assert sum(told["models"][0]["first_byte"]) == 1
    assert told["models"][0]["completion_tokens"] == 4
    assert "theirs" not in str(told)
    for scopes in ("inference", "billing"):
        with pytest.raises(openai.PermissionDeniedError):
            await status(api, api.key(scopes))
    with pytest.raises(openai.AuthenticationError):
        await status(api, "sk-argosy-wrong")


async def test_what_is_under_way_is_seen_and_is_gone_afterwards(api):
    api.engine.pause_s = 0.3
    asked = asyncio.create_task(api.ask())
    while not asked.done():
        told = await status(api)
        if told["targets"][0]["in_flight"]:
            break
    assert told["in_flight"] == 1
    assert value(await metrics(api), 'argosy_upstream_in_flight{endpoint="rep_1",model="tiny"}') == 1
    await asked
    told = await status(api)
    assert (told["in_flight"], told["targets"][0]["in_flight"]) == (0, 0)


async def test_looking_while_requests_go_on_never_fails(api):
    """Others look from another thread, at counts that grow under their eyes."""
    numbers, led_to = api.gateway.numbers, api.routes[0]
    ending = threading.Event()

    def grow():
        for number in itertools.count():
            if ending.is_set():
                return
            report = report_of("/v1/completions", "req_1", Served(error=f"code_{number}"), 400, 0.0)
            numbers.count(report, replace(led_to, model=f"model-{number % 50}"))
            numbers.attempts["tiny", f"code_{number}"] += 1

    growing, interval = threading.Thread(target=grow), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    growing.start()
    try:
        while len(numbers.attempts) < 100:
            await asyncio.sleep(0)
        for _ in range(15):
            api.gateway.status(api.project_id)
            numbers.by(lambda _, one: one.base_model)
    finally:
        ending.set()
        growing.join()
        sys.setswitchinterval(interval)


def test_percentiles_are_near_the_truth():
    histogram = Histogram()
    for number in range(1, 1001):
        histogram.observe(number / 1000)
    for share in (0.01, 0.5, 0.9, 0.99):
        assert quantile(SECONDS, histogram.counts, share) == pytest.approx(share, rel=0.13)
    assert quantile(SECONDS, Histogram().counts, 0.5) is None
    histogram = Histogram()
    histogram.observe(1e9)
    assert quantile(SECONDS, histogram.counts, 0.5) == SECONDS[-1]
    assert histogram.cumulative()[-2:] == [(repr(SECONDS[-1]), 0), ("+Inf", 1)]


def test_a_bucket_holds_what_is_equal_to_its_edge():
    histogram = Histogram((1.0, 2.0))
    for each in (1.0, 2.0, 2.0, 3.0):
        histogram.observe(each)
    assert histogram.cumulative() == [("1.0", 1), ("2.0", 3), ("+Inf", 4)]
