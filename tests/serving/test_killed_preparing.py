"""`kill -9` while a model is pulled, converted, packed or measured: what is served afterwards is whole."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gguf
import msgspec
import pytest
from tests.published import Hub, write_published

from argosy.catalog import Description, ModelCard, import_card
from argosy.serving.fit import fit
from argosy.serving.preparing import ready_file

KILLS = 8
PREPARE = """
import os, sys
from pathlib import Path
import msgspec
from argosy.catalog import ModelCard
from argosy.serving.fit import fit
from argosy.serving.preparing import ready_file
card, home = msgspec.json.decode(sys.argv[1], type=ModelCard), Path(sys.argv[2])
print("begins", flush=True)
source = ready_file(card, home, os.environ, lambda *_: None)
fit(source, home / "run", lambda _: None)
print("done", flush=True)
"""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelCard]:
    write_published(tmp_path / "published")
    hub = Hub({"acme/published": tmp_path / "published"})
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.delenv("ARGOSY_MODELS_PATH", raising=False)
    yield import_card("hf:acme/published", Description("small-one"), {"HF_ENDPOINT": hub.url})[0]
    hub.close()


def test_what_was_killed_at_any_moment_is_made_again_whole(card: ModelCard, tmp_path: Path) -> None:
    home, chance, ended = tmp_path / "home", random.Random(11), 0
    order = [sys.executable, "-c", PREPARE, msgspec.json.encode(card).decode(), str(home)]
    for _ in range(KILLS):
        child = subprocess.Popen(order, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert child.stdout
        assert child.stdout.readline() == "begins\n"
        time.sleep(chance.choice((0.005, 0.02, 0.05, 0.1, 0.5, 1.5)))
        os.killpg(child.pid, signal.SIGKILL)
        ended += "done" in child.stdout.read()
        child.wait()
    assert ended < KILLS  # at least one died in the middle

    source = ready_file(card, home, os.environ, lambda *_: None)
    fitted = fit(source, home / "run", lambda _: None)
    fresh = ready_file(card, tmp_path / "fresh", os.environ, lambda *_: None)
    assert source.read_bytes() == fresh.read_bytes()
    assert len(gguf.GGUFReader(fitted.path).tensors) == len(gguf.GGUFReader(source).tensors)
    assert json.loads(source.with_name("fit.json").read_text())["measured"]
    expected = {".lock", "parts", source.name, fitted.path.name, "fit.json"}
    assert {path.name for path in source.parent.iterdir()} == expected
    assert not list((source.parent / "parts").glob(".*"))
