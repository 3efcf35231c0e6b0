"""A fleet in one file, as an administrator applies it; and a model that is unloaded until somebody asks for it."""

import os
import subprocess
import sys
import time

import pytest
from tests.flows.platform import KEY, until

FLEET = """
[deployments.echo]
idle_unload_s = 10

[aliases]
parrot = "echo"
"""


@pytest.fixture
def apply(platform, tmp_path):
    """`argosy apply` on a file with the given text."""

    def run(text, *options):
        file = tmp_path / "fleet.toml"
        file.write_text(text)
        return subprocess.run(
            [sys.executable, "-m", "argosy", "apply", "-f", str(file), *options],
            env={**os.environ, "ARGOSY_URL": platform.url, "ARGOSY_API_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def state(platform, model):
    return platform.get(f"/deployments/{model}")["state"]


def unloaded(platform, model):
    """Nobody asks for it, and its engine is gone."""
    found = platform.get(f"/deployments/{model}")
    return found["state"] == "idle" and not found["replicas"]


def test_a_fleet_is_applied_twice_and_its_unused_model_sleeps_until_it_is_asked(apply, platform, client):
    assert apply(FLEET, "--dry-run").returncode == 2
    first = apply(FLEET, "--yes")
    assert first.stdout.splitlines() == [
        "+ deployment echo",
        "+ alias parrot -> echo",
        "done: deployment echo",
        "done: alias parrot -> echo",
    ]
    assert "Nothing to do" in apply(FLEET).stdout
    platform.wait_for_model("echo")

    until(lambda: unloaded(platform, "echo"), 40, "the unused engine was not unloaded")
    began = time.monotonic()
    answer = client.chat.completions.create(model="parrot", messages=[{"role": "user", "content": "heave ho"}])
    assert answer.choices[0].message.content == "heave ho"
    assert time.monotonic() - began < 10  # the figure is measured by `make bench`
    assert state(platform, "echo") == "ready"

    client.delete("/aliases/parrot", cast_to=object)
    client.delete("/deployments/echo", cast_to=object)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[deployments.no-such-model]", "There is no model 'no-such-model'"),
        ("[providers.openai]\nkey_env = 'NOT_SET_ANYWHERE'", "NOT_SET_ANYWHERE, which is not set"),
        ("[deployment]", "cannot be read"),
    ],
)
def test_a_mistake_ends_with_one_line_that_says_what_to_do(apply, text, said):
    done = apply(text, "--yes")
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
