"""``argosy top``: rates from two answers, a screen that fits, and what scripts read."""

import asyncio
import io
import json

import openai
import pytest
from rich.console import Console
from tests.gateway.harness import running_api
from typer.testing import CliRunner

from argosy.cli import app, top
from argosy.cli.top_view import view
from argosy.cli.top_window import Window
from argosy.core.histogram import SECONDS, Histogram
from argosy.gateway import Deadlines

LONG = "ft:smollm2-135m-instruct:argosy:charts:01m8adzgbvpp1kby9h3f0b"


def histogram(*milliseconds):
    found = Histogram()
    for each in milliseconds:
        found.observe(each / 1000)
    return found.counts


def model(name="tiny", requests=0, tokens=0, first_byte=(), **errors):
    return {
        "model": name, "requests": requests, "errors": errors, "prompt_tokens": 2 * tokens, "cached_tokens": 0,
        "completion_tokens": tokens, "first_byte": histogram(*first_byte),
    }  # fmt: skip


def target(circuit="closed", in_flight=0, retry_in_s=0.0, **members):
    return {"model": "tiny", "endpoint": "rep_1", "provider": None, "circuit": circuit, "retry_in_s": retry_in_s,
            "in_flight": in_flight, "latency_ms": 12.0, **members}  # fmt: skip


def answer(*models, process=7, targets=(), **members):
    errors = {code: count for one in models for code, count in one["errors"].items()}
    return {
        "process": process, "started_at": 1_700_000_000, "in_flight": 1, "errors": errors, "outcomes": {},
        "requests": sum(one["requests"] for one in models), "extra_attempts": {"spent": 0, "refused": 0}, "resumed": 0,
        "journal": {"unshipped": 0, "open_requests": 0}, "first_byte_edges_s": list(SECONDS),
        "models": list(models), "targets": list(targets), **members,
    }  # fmt: skip


def test_rates_and_percentiles_are_those_of_the_window_not_of_all_time():
    window = Window()
    window.add(0, answer(model(requests=1000, tokens=5000, first_byte=[9000] * 1000, engine_failed=7)))
    window.add(2, answer(model(requests=1010, tokens=5400, first_byte=[9000] * 1000 + [100] * 10, engine_failed=8)))
    told = window.summary()
    assert (told["window_s"], told["requests_per_s"], told["completion_tokens_per_s"]) == (2, 5, 200)
    assert told["prompt_tokens_per_s"] == 400
    assert told["first_byte_p50_ms"] == pytest.approx(100, rel=0.13)
    assert told["first_byte_p99_ms"] == pytest.approx(100, rel=0.13)
    assert told["errors"] == {"engine_failed": 1}
    [one] = told["models"]
    assert (one["requests_per_s"], one["requests"], one["errors"]) == (5, 1010, {"engine_failed": 1})


def test_the_window_moves_and_a_new_process_begins_anew():
    window = Window()
    for second in range(30):
        window.add(second, answer(model(requests=second * second)))
    told = window.summary()
    assert (told["window_s"], told["requests_per_s"]) == (10, (29**2 - 19**2) / 10)
    window.add(30, answer(model(requests=3), process=8))
    assert window.summary()["requests_per_s"] is None
    window.add(31, answer(model(requests=5), process=8))
    assert window.summary()["requests_per_s"] == 2


def test_a_model_that_is_new_within_the_window_counts_whole():
    window = Window()
    window.add(0, answer())
    assert window.summary()["first_byte_p50_ms"] is None
    window.add(1, answer(model(requests=3, first_byte=[10])))
    assert window.summary()["models"][0]["requests_per_s"] == 3
    assert window.summary()["first_byte_p50_ms"] is not None


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("height", [24, 50])
def test_the_screen_fits_however_much_there_is(width, height):
    window = Window()
    window.add(0, answer())
    models = [model(f"{LONG}{number}", 10**6, 10**6, [10**5] * 9) for number in range(40)]
    targets = [target("open", 3000, 29.6, endpoint="openai gpt-6-luna")] * 40
    busy = {"errors": {f"a_code_as_long_as_they_get_{n}": 10**6 for n in range(3)}, "resumed": 9, "in_flight": 10**4}
    window.add(10, answer(*models, targets=targets, extra_attempts={"spent": 10**4, "refused": 10**4}, **busy))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(view(window.summary(), "http://127.0.0.1:8080", width, height, "Nothing answers: trying again."))
    lines = console.export_text().splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "left alone 30 s" in text
    assert "more" in text
    assert "rts:01m8adzgbvpp1kby9h3f0b0 " in text  # the end of a long name, which tells it from the others
    assert sum("ft:" in line for line in lines) >= 3


def test_an_idle_platform_says_so():
    window = Window()
    window.add(0, answer(targets=[target("absent", endpoint=None)]))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(view(window.summary(), "http://127.0.0.1:8080", 80, 24))
    text = console.export_text()
    assert "No model was asked yet." in text
    assert "no replica" in text


@pytest.fixture
async def api(tmp_path, monkeypatch):
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=0.4, replica=0.3, poll=0.01)) as running:
        monkeypatch.setenv("ARGOSY_URL", running.url)
        monkeypatch.setenv("ARGOSY_API_KEY", running.secret)
        monkeypatch.setattr(top, "_EVERY_S", 0.3)
        yield running


async def run(*arguments):
    return await asyncio.to_thread(CliRunner().invoke, app, ["top", *arguments])


async def test_once_as_json_is_one_line_for_scripts(api):
    await api.ask()
    asked = asyncio.create_task(run("--once", "--json"))
    await asyncio.sleep(0.15)
    await api.ask()
    done = await asked
    assert done.exit_code == 0, done.output
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"window_s"')))
    assert [one["model"] for one in told["models"]] == ["tiny"]
    assert told["models"][0]["requests"] >= 1
    assert told["targets"][0]["circuit"] == "closed"


async def test_once_for_people_and_when_it_is_piped(api):
    await api.ask()
    for arguments in (["--once"], []):  # without a terminal there is nothing to draw on again and again
        done = await run(*arguments)
        assert done.exit_code == 0
        assert "rep_1" in done.stdout
        assert "requests/s" in done.stdout


async def test_a_key_that_may_not_look_is_told(api, monkeypatch):
    monkeypatch.setenv("ARGOSY_API_KEY", api.key("inference"))
    done = await run("--once")
    assert isinstance(done.exception, openai.PermissionDeniedError)


async def test_it_goes_on_while_the_platform_is_away(api, monkeypatch):
    monkeypatch.setattr(top, "_EVERY_S", 0.01)
    looks = top._looks()
    first = await asyncio.to_thread(next, looks)
    monkeypatch.setattr(top, "_status", lambda _: (_ for _ in ()).throw(openai.APIConnectionError(request=None)))
    window, trouble = await asyncio.to_thread(next, looks)
    assert first[1] == ""
    assert "trying again" in trouble
    assert window.summary()["process"]
