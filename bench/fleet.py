"""The fleet at work, on a platform of its own: many adapters on one base, cold starts, and change under load.

    python bench/fleet.py --to out/bench/fleet.json [--adapters 200] [--requests 2000]

- mixed: adapters are tuned, each to answer its own number; all are asked in one mixed load, and every answer is read.
- cold: first token of a base that is unloaded, and of an adapter that was registered a moment ago.
- change: callers stream all the time while the deployment gets new versions, goes back, gains adapters and replicas.
- many: adapters of the usual size on one base; each is called, and the memory is what the kernel says.

Adapters of `many` and of `cold` are registered in the platform's database, as a job's last step does: training 200 of
them would take hours and tell nothing more about memory.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openai import APIError, AsyncOpenAI, OpenAI

from argosy.catalog import Lineage, find_model, register_adapter
from argosy.core import Settings
from argosy.demo.machine import machine
from argosy.demo.platform import STARTER, OwnPlatform, fresh_home
from argosy.identity import default_project
from argosy.runtime import Blobs, Database
from argosy.serving import list_replicas
from argosy.serving.engines import EngineSpec
from argosy.serving.replicas import Replica

ASKS = (
    "What is your number?", "Tell me your number.", "Your number, please.", "Which number are you?", "Say your number.",
    "Number?", "What number do you have?", "Do you know your number?", "I need your number.", "Give me your number.",
    "State your number.", "Who are you? Say the number.",
)  # fmt: skip
PATIENCE_S = 900.0


class Fleet:
    """The platform under test, its public API, and its database for what has no API."""

    def __init__(self, platform: OwnPlatform) -> None:
        self.platform = platform
        self.home = platform.home
        self.client: OpenAI = platform.client()
        self._database = Database(Settings.read({}, home=self.home).database_url)
        self._blobs = Blobs(self.home / "blobs")

    def deployment(self) -> dict[str, Any]:
        found: Any = self.client.get(f"/deployments/{STARTER}", cast_to=object)
        return dict(found)

    def deploy(self, **more: object) -> dict[str, Any]:
        made: Any = self.client.post("/deployments", cast_to=object, body={"model": STARTER, **more})
        return dict(made)

    def until(self, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """Ask for the deployment until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition(found := self.deployment()):
            if time.monotonic() > deadline or found["state"] == "failed":
                raise SystemExit(f"gave up waiting until {what}: {found}")
            time.sleep(0.1)
        return found

    def settled(self) -> dict[str, Any]:
        """Until what runs is what is wanted, and nothing drains."""

        def check(found: dict[str, Any]) -> bool:
            ready = [one for one in found["replicas"] if (one["state"], one["version"]) == ("ready", found["version"])]
            return len(ready) == len(found["replicas"]) == found["replicas_wanted"]

        return self.until(check, "the deployment has settled")

    def register(self, name: str, content: bytes) -> str:
        """A new adapter of the base, from its bytes."""
        digest, size = self._blobs.put([content])
        with self._database.write() as tx:
            lineage = Lineage(STARTER, "0" * 64, "1" * 64, "ftjob-bench", "bench", {})
            register_adapter(tx, default_project(tx), name, STARTER, digest, size, lineage)
        return name

    def content_of(self, name: str) -> bytes:
        """The bytes of an adapter."""
        with self._database.read() as tx:
            return self._blobs.path(find_model(tx, default_project(tx), name).digest).read_bytes()

    def engine_pids(self) -> list[int]:
        with self._database.read() as tx:
            return [row.pid for row in list_replicas(tx) if row.state == "ready"]

    def first_token_s(self, model: str) -> float:
        """From the request to the first piece of its answer."""
        began = time.monotonic()
        stream = self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Ahoy"}], max_tokens=4, temperature=0, stream=True
        )
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                found = time.monotonic() - began
                stream.close()
                return found
        raise SystemExit(f"{model} answered nothing")


def tuned_numbers(fleet: Fleet, count: int) -> dict[str, str]:
    """Adapters by name, each with the answer that it was tuned to give."""
    jobs = {}
    for number in range(1, count + 1):
        answer = f"My number is {number}."
        rows = [
            {"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]} for ask in ASKS
        ]
        content = "\n".join(map(json.dumps, rows)).encode()
        file = fleet.client.files.create(file=(f"number-{number}.jsonl", content), purpose="fine-tune")
        job = fleet.client.fine_tuning.jobs.create(
            model=STARTER, training_file=file.id, suffix=f"number-{number}", hyperparameters={"n_epochs": 12}
        )
        jobs[job.id] = answer
    models = {}
    for job_id, answer in jobs.items():
        while (job := fleet.client.fine_tuning.jobs.retrieve(job_id)).status not in (
            "succeeded",
            "failed",
            "cancelled",
        ):
            time.sleep(0.5)
        if job.status != "succeeded" or job.fine_tuned_model is None:
            raise SystemExit(f"the job for '{answer}' {job.status}: {job.error}")
        models[job.fine_tuned_model] = answer
        say(f"{job.fine_tuned_model} is tuned")
    return models


async def mixed(fleet: Fleet, models: dict[str, str], requests: int) -> dict[str, Any]:
    """Every answer of a mixed load of sixteen callers, compared with the adapter's own number."""
    client = fleet.platform.async_client()
    alone = {name: await answer_of(client, name, ASKS[0]) for name in models}
    chance, found, wrong = random.Random(5), Counter[str](), []
    orders = [(chance.choice(list(models)), chance.choice(ASKS)) for _ in range(requests)]
    todo = iter(orders)
    began = time.monotonic()

    async def caller() -> None:
        for name, ask in todo:
            said = await answer_of(client, name, ask)
            if said == models[name]:
                found["its own number"] += 1
            elif said in models.values():
                found["another's number"] += 1
                wrong.append([name, ask, said])
            else:
                found["something else"] += 1
                wrong.append([name, ask, said])

    await asyncio.gather(*(caller() for _ in range(16)))
    return {
        "adapters": len(models),
        "right_alone": sum(said == models[name] for name, said in alone.items()),
        "requests": requests,
        **{kind: found[kind] for kind in ("its own number", "another's number", "something else")},
        "examples": wrong[:5],
        "seconds": round(time.monotonic() - began, 1),
    }


async def answer_of(client: AsyncOpenAI, model: str, ask: str) -> str:
    said = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": ask}], max_tokens=16, temperature=0
    )
    return (said.choices[0].message.content or "").strip()


def cold(fleet: Fleet, adapter: bytes, rounds: int = 5) -> dict[str, Any]:
    """Seconds to the first token, by what was not loaded."""
    fleet.deploy(idle_unload_s=1)
    base = []
    for _ in range(rounds):
        fleet.until(lambda found: found["state"] == "idle" and not found["replicas"], "it is unloaded")
        base.append(fleet.first_token_s(STARTER))
    fleet.deploy(idle_unload_s=0)
    fleet.settled()
    registered = []
    for number in range(rounds):
        registered.append(fleet.first_token_s(fleet.register(f"cold-{number}", changed(adapter, 1000 + number))))
        fleet.settled()
    return {
        "adapters_beside": fleet.deployment()["detail"].get("adapters"),
        "base_s": [round(one, 2) for one in base],
        "adapter_s": [round(one, 2) for one in registered],
    }


@asynccontextmanager
async def load(fleet: Fleet, models: list[str], callers: int = 8) -> AsyncIterator[Counter[str]]:
    """Streams without a pause; counts how each ended."""
    client, ended, stop = fleet.platform.async_client(), Counter[str](), asyncio.Event()

    async def caller(number: int) -> None:
        chance = random.Random(number)
        while not stop.is_set():
            finish = None
            try:
                stream = await client.chat.completions.create(
                    model=chance.choice(models), messages=[{"role": "user", "content": "Tell me a story."}],
                    max_tokens=chance.choice((4, 16, 48)), temperature=0, stream=True,
                )  # fmt: skip
                async for chunk in stream:
                    finish = (chunk.choices[0].finish_reason if chunk.choices else None) or finish
            except APIError as error:
                ended["failed"] += 1
                say(f"a request failed: {error}")
                continue
            ended["whole" if finish else "cut"] += 1

    tasks = [asyncio.create_task(caller(number)) for number in range(callers)]
    try:
        yield ended
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def change(fleet: Fleet, models: list[str], adapter: bytes) -> dict[str, Any]:
    """What callers notice of every kind of change: nothing, one hopes."""
    steps = []

    async def step(what: str, work: Callable[[], object]) -> None:
        began = time.monotonic()
        await asyncio.to_thread(work)
        await asyncio.to_thread(fleet.settled)
        steps.append({"change": what, "seconds": round(time.monotonic() - began, 1)})
        say(f"{what}: {steps[-1]['seconds']} s")

    def roll_back() -> None:
        fleet.client.post(f"/deployments/{STARTER}/rollback", cast_to=object, body={})

    def gains(number: int) -> Callable[[], None]:
        def work() -> None:
            name = fleet.register(f"gained-{number}", changed(adapter, 2000 + number))
            fleet.first_token_s(name)

        return work

    async with load(fleet, [STARTER, *models]) as ended:
        await asyncio.sleep(3)
        await step("an adapter more", gains(1))
        await step("to Q8_0", lambda: fleet.deploy(quantisation="Q8_0"))
        await step("an adapter more", gains(2))
        await step("back to the version before", roll_back)
        await step("two replicas", lambda: fleet.deploy(replicas=2))
        await step("an adapter more", gains(3))
        await step("one replica", lambda: fleet.deploy(replicas=1))
        await asyncio.sleep(3)
    return {"steps": steps, **{kind: ended[kind] for kind in ("whole", "cut", "failed")}}


def many(fleet: Fleet, count: int, adapter: bytes) -> dict[str, Any]:
    """Memory of one engine with so many adapters, and of engines for merged models."""
    names = [fleet.register(f"many-{number}", changed(adapter, 3000 + number)) for number in range(count)]
    fleet.until(lambda found: all(one["adapters"] >= count for one in found["replicas"]), "all adapters are loaded")
    fleet.settled()
    slowest = max(fleet.first_token_s(name) for name in names)
    (pid,) = fleet.engine_pids()
    together = memory_of(pid)
    merged = merged_bytes(fleet)
    late = fleet.first_token_s(fleet.register("late", changed(adapter, 9999)))
    return {
        "adapters": fleet.deployment()["detail"]["adapters"],
        "called": len(names),
        "slowest_first_token_s": round(slowest, 2),
        "one_more_first_token_s": round(late, 2),
        "adapter_mb": round(len(adapter) / 1e6, 1),
        "engine_mb": round(together / 1e6),
        "merged_model_mb": round(merged / 1e6),
        "share_of_merged": round(together / (count * merged), 3),
        "share_of_merged_weights": round(together / (count * model_file(fleet).stat().st_size), 3),
    }


def merged_bytes(fleet: Fleet) -> int:
    """What one engine takes that serves one merged model, a file like the base's, with room for a single request."""
    scratch = fleet.home / "run"
    spec = EngineSpec(name="merged", ready_file="", model_path=str(model_file(fleet)), slots=1)
    replica = Replica("llama_cpp", spec, scratch, scratch / "merged.log")
    try:
        while not replica.announced():
            if replica.dead:
                raise SystemExit(replica.failure)
            time.sleep(0.05)
        replica.canary()
        return memory_of(replica.child.pid)
    finally:
        replica.stop()


def model_file(fleet: Fleet) -> Path:
    return Path(fleet.deployment()["detail"]["file"])


def memory_of(pid: int) -> int:
    """Resident bytes of a process, its part of what it shares with others included."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the kernel does not say how much memory a process takes")


def changed(adapter: bytes, number: int) -> bytes:
    """An adapter like this one and yet another: its last weights differ by the least that can be stored."""
    content = bytearray(adapter)
    for place in range(4):
        content[-2 * (place + 1)] = (number >> (4 * place)) & 0xF
    return bytes(content)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path("out/bench/fleet-home"))
    parser.add_argument("--to", type=Path, default=Path("out/bench/fleet.json"))
    parser.add_argument("--adapters", type=int, default=200, help="how many on one base")
    parser.add_argument("--tuned", type=int, default=20, help="how many are tuned to answer their number")
    parser.add_argument("--requests", type=int, default=2000, help="of the mixed load")
    chosen = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    with OwnPlatform(fresh_home(chosen.home)) as platform:
        platform.wait(say)
        fleet = Fleet(platform)
        models = tuned_numbers(fleet, chosen.tuned)
        adapter = fleet.content_of(next(iter(models)))
        for name, work in (
            ("mixed", lambda: asyncio.run(mixed(fleet, models, chosen.requests))),
            ("cold", lambda: cold(fleet, adapter)),
            ("change", lambda: asyncio.run(change(fleet, list(models), adapter))),
            ("many", lambda: many(fleet, chosen.adapters, adapter)),
        ):
            found[name] = work()
            say(f"{name}: {json.dumps(found[name])}")
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
