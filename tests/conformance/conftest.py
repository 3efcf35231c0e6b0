"""One platform for the folder: the real engine with the starter models, and providers whose answers tests write."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import anthropic
import openai
import pytest
from tests.conformance.upstream import Script, Upstream
from tests.flows.platform import KEY, STARTER, RunningPlatform

EMBEDDER = "multilingual-e5-small"
PRICES = {"currency": "USD", "input": 1_000_000, "output": 2_000_000}


@dataclass(frozen=True)
class Scripted:
    """A model of a provider of its own, so that no failure of it tells anything about another test's."""

    model: str
    script: Script


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    running = RunningPlatform(tmp_path_factory.mktemp("conformance") / "home")
    for model, form in ((STARTER, "Q4_1"), (EMBEDDER, None)):  # as it is shipped: nothing is to be measured first
        running.client.post("/deployments", body={"model": model, "quantisation": form}, cast_to=object)
    running.wait_for_model()
    running.wait_for_model(EMBEDDER)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    running = Upstream()
    yield running
    running.stop()


@pytest.fixture
def scripted(platform: RunningPlatform, upstream: Upstream) -> Scripted:
    """``scripted.script.will(...)`` says what ``scripted.model`` answers."""
    name = f"scripted-{secrets.token_hex(4)}"
    provider = {"name": name, "key": "sk-of-the-provider", "base_url": f"{upstream.url}/{name}/v1", "private": True}
    platform.client.post("/providers", body=provider, cast_to=object)
    deployment = {"model": f"{name}-model", "provider": name, "provider_model": "its-own-name", "prices": PRICES}
    platform.client.post("/deployments", body=deployment, cast_to=object)
    return Scripted(f"{name}-model", upstream.script(name))


@pytest.fixture(scope="session")
def client(platform: RunningPlatform) -> openai.OpenAI:
    """OpenAI's SDK, which does not try again on its own unless a test wants it to."""
    return platform.client


@pytest.fixture
async def aclient(platform: RunningPlatform):
    """The same, asynchronous."""
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{platform.url}/v1", max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="session")
def claude(platform: RunningPlatform) -> anthropic.Anthropic:
    """Anthropic's SDK, with the same key."""
    return anthropic.Anthropic(api_key=KEY, base_url=platform.url, max_retries=0, timeout=60)


@pytest.fixture
async def aclaude(platform: RunningPlatform):
    """The same, asynchronous."""
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=platform.url, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture
def new_key(platform: RunningPlatform):
    """Makes the secret of a new key with the given scopes, and what id it has."""

    def make(*scopes: str) -> tuple[str, str]:
        made = platform.client.post("/keys", body={"name": "conformance", "scopes": list(scopes)}, cast_to=dict)
        return made["value"], made["id"]

    return make
