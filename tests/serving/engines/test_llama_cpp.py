"""The real engine on a tiny model: adapters answer as themselves, alone and mixed, and failures name their cause."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.serving.tiny import write_adapter, write_model

from argosy.serving.engines import EngineSpec
from argosy.serving.replicas import Replica

BASE, A, B = -1, 0, 1


def start(folder: Path, model: Path, adapters: dict[str, Path]) -> Replica:
    paths = tuple(str(path) for path in adapters.values())
    spec = EngineSpec("tiny", "", str(model), tuple(adapters), paths, slots=4, context_length=256)
    replica = Replica("llama_cpp", spec, folder, folder / "engine.log")
    while not replica.announced() and not replica.dead:
        time.sleep(0.005)
    return replica


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """An engine with two adapters, whose files are named by digests as blobs are."""
    folder = tmp_path_factory.mktemp("engine")
    adapters = {"a": write_adapter(folder / ("a" * 64), 1), "b": write_adapter(folder / ("b" * 64), 2)}
    replica = start(folder, write_model(folder / "tiny.gguf"), adapters)
    assert not replica.dead, replica.failure
    yield replica
    replica.stop()


def ask(engine: Replica, chosen: int, **more: object) -> dict:
    scales = [{"id": index, "scale": float(index == chosen)} for index in (A, B)]
    body = {"messages": [{"role": "user", "content": "Ahoy there"}], "temperature": 0, "max_tokens": 10, "lora": scales}
    return json.loads(engine.ask("/v1/chat/completions", body | more, timeout_s=60))


def text(answer: dict) -> str:
    return answer["choices"][0]["message"]["content"]


def test_one_prompt_through_a_b_base_a_gives_each_its_own_answer(engine: Replica) -> None:
    answers = [text(ask(engine, chosen)) for chosen in (A, B, BASE, A)]
    assert answers[0] == answers[3]
    assert len(set(answers)) == 3


def test_mixed_at_the_same_time_each_still_gets_its_own_answer(engine: Replica) -> None:
    alone = {chosen: text(ask(engine, chosen)) for chosen in (BASE, A, B)}
    asked = [A, B, BASE, A, BASE, B] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda chosen: text(ask(engine, chosen)), asked))
    assert answers == [alone[chosen] for chosen in asked]


def test_a_request_without_a_list_gets_the_base(engine: Replica) -> None:
    assert text(ask(engine, BASE)) == text(ask(engine, BASE, lora=[]))


def test_an_adapters_state_is_never_reused_for_the_base(engine: Replica) -> None:
    ask(engine, A)
    assert ask(engine, BASE)["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_what_is_in_flight_can_be_counted(engine: Replica) -> None:
    assert engine.in_flight() == 0
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(ask, engine, BASE, max_tokens=200, ignore_eos=True) for _ in range(6)]
        seen = 0
        while not all(one.done() for one in running):
            seen = max(seen, engine.in_flight())
    assert seen >= 2
    assert engine.in_flight() == 0


def test_a_request_over_the_context_is_refused_with_both_counts(engine: Replica) -> None:
    with pytest.raises(OSError, match='"n_prompt_tokens":400,"n_ctx":256'):
        ask(engine, BASE, messages=[{"role": "user", "content": "x" * 400}])


@pytest.mark.parametrize(("content", "cause"), [(b"GGUFnonsense" * 99, "failed to load model"), (b"", "failed to")])
def test_damaged_weights_are_named_as_the_cause(tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    replica = start(tmp_path, tmp_path / "bad.gguf", {})
    assert replica.child.wait(5)
    assert cause in replica.failure
    replica.stop()


def test_an_adapter_of_another_model_is_named_as_the_cause(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "wrong", 1, width=32)
    replica = start(tmp_path, write_model(tmp_path / "tiny.gguf"), {"wrong": adapter})
    assert replica.child.wait(5)
    assert "wrong base model" in replica.failure
    replica.stop()
