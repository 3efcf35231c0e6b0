"""One platform with the real engine and the starter model, shared by all flows that do not break it."""

import pytest
from tests.flows.platform import STARTER, RunningPlatform

from argosy.samples import train_file


@pytest.fixture(scope="session")
def platform(tmp_path_factory):
    running = RunningPlatform(tmp_path_factory.mktemp("flows") / "home", STARTER)
    running.wait_for_model()
    yield running
    running.stop()


@pytest.fixture
def client(platform):
    return platform.client


@pytest.fixture
def few_rows(tmp_path):
    """Twelve labelled requests: enough for a job, done in seconds."""
    path = tmp_path / "few.jsonl"
    lines = train_file("en").read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:12]))
    return path
