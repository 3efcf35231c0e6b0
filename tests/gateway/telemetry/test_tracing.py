"""Traces: passed on as they came, or made into spans with the GenAI conventions' names. Never any content."""

import asyncio
import json
import subprocess
import sys

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.gateway.engine import running_engine
from tests.gateway.harness import running_api
from tests.gateway.test_failover import KEY, offer, route

from argosy.gateway import Deadlines
from argosy.gateway.telemetry import spans
from argosy.gateway.telemetry.spans import Spans
from argosy.gateway.telemetry.tracing import Passing, open_tracing

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
CANARY = "canary-7f3a"
ASK = {"model": "tiny", "messages": [{"role": "user", "content": f"Say {CANARY}"}]}


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, Deadlines(connect=0.5, silence=0.4, replica=0.3, poll=0.01)) as running:
        yield running


@pytest.fixture
def traced(api):
    """The API with spans that are kept in ``api.spans()``: those of requests, and those of attempts."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    api.gateway.tracing = Spans(provider)
    api.spans = lambda: [
        [span for span in exporter.get_finished_spans() if span.kind is kind]
        for kind in (SpanKind.SERVER, SpanKind.CLIENT)
    ]
    return api


async def post(api, body=None, **headers):
    async with httpx.AsyncClient() as http:
        given = {"authorization": f"Bearer {api.secret}", **headers}
        content = body if isinstance(body, bytes) else json.dumps(body or ASK)
        return await http.post(f"{api.url}/v1/chat/completions", content=content, headers=given)


async def test_a_request_is_a_span_with_the_names_of_the_conventions(traced):
    answer = await post(traced, {**ASK, "stream": True}, traceparent=TRACEPARENT, tracestate="vendor=1")
    [[span], [attempt]] = traced.spans()
    assert span.name == "chat tiny"
    assert format(span.context.trace_id, "032x") == TRACE
    assert format(span.parent.span_id, "016x") == PARENT
    told = dict(span.attributes)
    assert 0 < told.pop("gen_ai.response.time_to_first_chunk") < 5
    assert told == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "argosy",
        "gen_ai.request.model": "tiny",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "tiny",
        "gen_ai.response.id": answer.headers["x-request-id"],
        "gen_ai.usage.input_tokens": 31,
        "gen_ai.usage.cache_read.input_tokens": 24,
        "gen_ai.usage.output_tokens": 4,
        "argosy.attempts": 1,
        "argosy.resumed": 0,
        "argosy.outcome": "complete",
        "argosy.project": traced.project_id,
    }
    assert attempt.parent.span_id == span.context.span_id
    sent = traced.engine.headers[0]
    assert sent["traceparent"] == f"00-{TRACE}-{attempt.context.span_id:016x}-01"
    assert sent["tracestate"] == "vendor=1"
    assert attempt.attributes["server.address"] == "127.0.0.1"
    assert attempt.attributes["argosy.result"] == "answered"


async def test_attempts_are_children_and_no_token_is_told_of_twice(traced):
    async with running_engine() as primary, running_engine() as backup:
        for name, engine in (("primary", primary), ("backup", backup)):
            await offer(traced, name, engine, {"currency": "USD", "input": 1, "output": 2})
        await route(traced, [{"model": "primary"}, {"model": "backup", "priority": 1}])
        primary.plan = ["failure"]
        await post(traced, {**ASK, "model": "chat"})
        [[span], attempts] = traced.spans()
        assert [one.headers[0]["traceparent"][36:52] for one in (primary, backup)] == [
            format(attempt.context.span_id, "016x") for attempt in attempts
        ]
    assert [attempt.attributes["argosy.result"] for attempt in attempts] == ["provider_failed", "answered"]
    assert [attempt.status.status_code for attempt in attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert {attempt.parent.span_id for attempt in attempts} == {span.context.span_id}
    assert not any(name.startswith("gen_ai") for attempt in attempts for name in attempt.attributes)
    told = span.attributes
    assert (told["gen_ai.request.model"], told["gen_ai.response.model"]) == ("chat", "backup")
    assert (told["gen_ai.provider.name"], told["argosy.attempts"]) == ("backup", 2)
    assert span.status.status_code is StatusCode.UNSET
    assert KEY not in str([vars(one) for one in (span, *attempts)])


async def test_every_ending_ends_its_spans_and_says_why_without_content(traced):
    for body, fault, code, failed in (
        ({**ASK, "stream": True}, "error", "engine_failed", True),
        (ASK, "garbage", "engine_malformed", True),
        (ASK, "bad", "invalid_value", False),
        (b"{" + CANARY.encode(), "", "invalid_json", False),
        ({**ASK, "model": CANARY}, "", "model_not_found", False),
    ):
        traced.gateway._dispatch.health._known.clear()
        traced.engine.plan = [fault] * 3 if fault else []
        await post(traced, body)
        span = traced.spans()[0][-1]
        assert span.attributes["error.type"] == code
        assert (span.status.status_code is StatusCode.ERROR) is failed
        assert span.status.description is None
        assert not span.events
    ended = [span for kind in traced.spans() for span in kind]
    assert CANARY not in str([span.to_json() for span in ended])
    assert traced.secret not in str([span.to_json() for span in ended])
    assert ended[4].name == "POST /v1/chat/completions"


async def test_an_unsampled_trace_makes_no_spans_and_says_so_to_upstreams(traced):
    await post(traced, traceparent=f"00-{TRACE}-{PARENT}-00")
    assert traced.spans() == [[], []]
    assert traced.engine.headers[0]["traceparent"].startswith(f"00-{TRACE}-")
    assert traced.engine.headers[0]["traceparent"].endswith("-00")


async def test_without_spans_a_traceparent_goes_on_as_it_came(api):
    await post(api, traceparent=TRACEPARENT)
    await post(api)
    assert [headers.get("traceparent") for headers in api.engine.headers] == [TRACEPARENT, None]


@pytest.mark.parametrize(
    "value", ["", "00", TRACEPARENT.upper(), TRACEPARENT + "-x", f"ff{TRACEPARENT[2:]}", f"00-{'0' * 32}-{PARENT}-01",
              f"00-{TRACE}-{'0' * 16}-01", TRACEPARENT + "\n", "é" * 55],
)  # fmt: skip
def test_a_malformed_traceparent_is_dropped(value):
    assert Passing().begin("/v1", [(b"traceparent", value.encode("latin-1"))]) is None


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_it_is_off_unless_an_endpoint_is_named(environment):
    assert isinstance(open_tracing(environment), Passing)


def test_nothing_of_the_sdk_is_imported_while_it_is_off_and_a_missing_extra_is_no_failure():
    program = """
import sys
sys.modules["opentelemetry.sdk"] = None  # as if it were not installed
import argosy.app
from argosy.gateway.telemetry.tracing import Passing, open_tracing
assert isinstance(open_tracing({}), Passing)
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk.", "opentelemetry.exporter", "google."))]
assert not loaded, loaded
assert isinstance(open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}), Passing)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "pip install 'argosy[otel]'" in done.stdout


async def test_spans_arrive_at_a_collector(monkeypatch):
    """The whole way, over OTLP's own wire, to a socket here."""
    from aiohttp import web
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    came = []

    async def take(request):
        came.append((request.path, ExportTraceServiceRequest.FromString(await request.read())))
        return web.Response()

    application = web.Application()
    application.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", environment["OTEL_EXPORTER_OTLP_ENDPOINT"])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    tracing = open_tracing(environment)
    assert tracing.begin("/v1", [(b"traceparent", TRACEPARENT.encode())]).id == TRACE
    tracing.begin("/v1/chat/completions", [])._span.end()
    await asyncio.to_thread(tracing.close)
    await runner.cleanup()
    [(path, message)] = came
    assert path == "/v1/traces"
    [sent] = message.resource_spans
    assert {one.key: one.value.string_value for one in sent.resource.attributes}["service.name"] == "argosy"
    assert sent.scope_spans[0].spans[0].name == "POST /v1/chat/completions"


async def test_a_collector_that_takes_nothing_does_not_keep_the_process(monkeypatch):
    server = await asyncio.start_server(lambda *_: asyncio.sleep(30), "127.0.0.1", 0)
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", environment["OTEL_EXPORTER_OTLP_ENDPOINT"])
    monkeypatch.setattr(spans, "_CLOSE_S", 0.2)
    tracing = open_tracing(environment)
    tracing.begin("/v1/chat/completions", [])._span.end()
    await asyncio.wait_for(asyncio.to_thread(tracing.close), 2)
    server.close()


async def test_the_standard_variables_choose_what_is_sampled(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracing = open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert not tracing.begin("/v1/chat/completions", [])._span.is_recording()
    tracing.close()
