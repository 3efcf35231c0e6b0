"""Random kill -9 under load, and the books looked at after each: nothing lost, nothing twice, all of it adds up.

    python -m bench kills                       300 rounds, half of them on PostgreSQL; goes on where it was cut off
    python -m bench.kills --to FILE [--rounds 300] [--seed 1] [--databases sqlite postgresql]

A round: callers of `argosy up` with four API processes and the echo engine; at a random moment one process is killed:
an API process, the worker, a process that posts, a backend of PostgreSQL or its postmaster, which is started again.
The callers go on for a moment and end; when everybody is back, what the database says is held against what the callers
were told. Each `Check` names what must hold. All of it is paid out of two hard budgets: a large one of the
organization, and one of a key that runs out in each round; then both must be there to be spent, to the last token.
After every `CHUNK` rounds a new home begins, so that the chain over the ledger stays short enough to be gone through
each time.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
from tests.flows.platform import KEY, RunningPlatform, until
from tests.postgres import PostgresServer

from argosy.billing import REVENUE, balances, funds
from argosy.billing.funds import Fund
from argosy.billing.ledger import verify
from argosy.billing.ledger.store import unbalanced_transactions
from argosy.billing.reports import EventFilter, EventLine, list_events
from argosy.core import charge, format_money
from argosy.gateway.funds.worst import SLACK
from argosy.identity import default_project, organization_of
from argosy.runtime import Database, Transaction, is_outage
from bench.kill_load import Asked, Load

API_PROCESSES = 4
CHUNK = 25
ROUNDS = 300
BACK_S = 60.0
"""How long everybody may take to be back and all usage to be posted."""
HEARD_S = 0.6
"""A budget that is changed holds in all processes within half a second."""
PRICES = {"currency": "USD", "input": 1_234_567, "cached_input": 700_001, "output": 2_345_679}
TARGETS = {"sqlite": ("api", "api", "poster", "worker"), "postgresql": ("api", "poster", "worker", "backend", "server")}
"""What is killed, by database: one of them by chance."""
LARGE, LITTLE = 10_000_000, 60
"""Micro-units of the two budgets: more than a home ever spends, and what a key may spend in each round: a few requests.
"""


@dataclass
class Seen:
    """All that the clients of one home know, and the rows that the platform has written for them."""

    asked: list[Asked] = field(default_factory=list)
    lines: dict[str, EventLine] = field(default_factory=dict)
    project_id: str = ""
    funds: list[Fund] = field(default_factory=list)
    """The hard budgets, there since before the first request."""


Check = Callable[[Transaction, Seen], Iterator[str]]
"""Says what is wrong, in words."""


def one_row_each(_: Transaction, seen: Seen) -> Iterator[str]:
    """A response whose first byte left has exactly one row; what was refused has none; nothing is invented."""
    unknown = sum(one.id is None for one in seen.asked)
    for one in seen.asked:
        line = seen.lines.get(one.id or "")
        if one.id is None:
            continue
        if one.status == 200 and line is None:
            yield f"{one.id} has no usage row: {one}"
        if one.status != 200 and line is not None and line.total:
            yield f"{one.id} was refused and costs {line.total}: {one}"
    if (extra := len(seen.lines.keys() - {one.id for one in seen.asked})) > unknown:
        yield f"there are {extra} rows of nobody, and only {unknown} requests that never learned their id"


def rows_say_what_responses_said(_: Transaction, seen: Seen) -> Iterator[str]:
    """Complete responses to the token; of others no more than was asked for."""
    for one in seen.asked:
        line = seen.lines.get(one.id or "")
        if line is None:
            continue
        counts = line.units["input"] + line.units["cached_input"], line.units["output"]
        if one.usage is not None and (one.usage != counts or line.estimated or one.usage != (one.words, one.words)):
            yield f"{one.id} was told {one.usage} and its row says {counts}: {one}"
        if line.units["output"] > one.words:  # a prompt may be our own count, of another tokenizer
            yield f"{one.id} can have used {one.words} tokens, its row says {counts}: {one}"


def rows_are_rated(_: Transaction, seen: Seen) -> Iterator[str]:
    """Each amount is what the pinned price makes of the units."""
    for line in seen.lines.values():
        for name, amount in line.amounts.items():
            if amount != charge(line.units[name], line.unit_prices[name], line.discount):
                yield f"{line.id} has {amount} micro-units for {line.units[name]} of {name}"


def the_ledger_adds_up(tx: Transaction, seen: Seen) -> Iterator[str]:
    """Its sum is that of the rows, every transaction balances, and the chain is whole."""
    charged, total = -balances(tx, seen.project_id).get(REVENUE, 0), sum(line.total for line in seen.lines.values())
    if charged != total:
        yield f"the ledger says {charged} micro-units, the rows {total}"
    yield from (f"transaction {one} does not balance" for one in unbalanced_transactions(tx))
    yield from verify(tx).problems


def nothing_is_held(_: Transaction, seen: Seen) -> Iterator[str]:
    """Where nobody asks, no process has any of a budget, nor is any held for one that is gone."""
    yield from (f"{one.held} micro-units of the budget of the {one.scope} are held for nobody"
               for one in seen.funds if one.held)  # fmt: skip


def budgets_say_what_rows_say(_: Transaction, seen: Seen) -> Iterator[str]:
    """Each row counts once against each budget that it is of, and none was overdrawn."""
    for fund in seen.funds:
        mine = (line for line in seen.lines.values() if fund.scope == "organization" or line.key_id == fund.subject)
        total = sum(line.total for line in mine)
        if fund.spent != total:
            yield f"the budget of the {fund.scope} says {fund.spent} micro-units are spent, the rows {total}"
        if fund.spent > fund.allowed:
            yield f"the budget of the {fund.scope} is overdrawn by {fund.spent - fund.allowed} micro-units"


CHECKS: tuple[Check, ...] = (
    one_row_each,
    rows_say_what_responses_said,
    rows_are_rated,
    the_ledger_adds_up,
    nothing_is_held,
    budgets_say_what_rows_say,
)
"""What must hold after each kill; and that all of a budget can be spent, for which somebody must ask: see `Home`."""


class Home:
    """A platform with four API processes in a home of its own, on one of the databases."""

    def __init__(self, folder: Path, database: str, seed: int) -> None:
        self.kind, self._chance = database, random.Random(seed)
        self._postgres: PostgresServer | None = None
        environment = {"ARGOSY_API_PROCESSES": str(API_PROCESSES), "ARGOSY_REQUEST_LOG": "off"}
        if database == "postgresql":
            (folder / "pg").mkdir()
            folder.chmod(0o711)
            self._postgres = PostgresServer(folder / "pg", ["max_connections=150"])
            self._postgres.start()
            environment["ARGOSY_DATABASE_URL"] = self._postgres.url()
        self.platform = RunningPlatform(folder / "home", environment=environment)
        self._database = Database(environment.get("ARGOSY_DATABASE_URL", f"sqlite:///{folder}/home/argosy.sqlite"))
        self.platform.client.post("/deployments", body={"model": "echo", "prices": PRICES}, cast_to=object)
        self.platform.wait_for_model("echo")
        self.seen = Seen()
        self._answered = False
        with self._database.write() as tx:
            self.seen.project_id = default_project(tx)
            self._organization_id = organization_of(tx, self.seen.project_id).id
        made = self.platform.client.post("/keys", body={"name": "little", "scopes": ["inference"]}, cast_to=object)
        self._little: dict[str, str] = {"id": made["id"], "secret": made["value"]}
        self._allow(LARGE, scope="organization")
        self._allow(LITTLE, key=self._little["id"])
        time.sleep(1.0)  # until all processes keep to them, or what comes first is held of nothing

    def round(self, kills: int = 1) -> dict[str, Any]:
        """Some kills under load, one soon after the other: what was killed, how many asked, and what is wrong."""
        load = Load(self.platform.url, KEY, self._little["secret"], self._chance.getrandbits(32))
        load.start()
        killed = []
        for _ in range(kills):
            time.sleep(self._chance.uniform(0.1, 0.7))
            killed.append(self._chance.choice(TARGETS[self.kind]))
            self._kill(killed[-1])
        time.sleep(self._chance.uniform(0.1, 0.5))
        asked = load.stop()
        self.seen.asked += asked
        began, late, self._answered = time.monotonic(), [], False
        try:
            until(self._is_back, BACK_S, f"after a kill of {killed} not everybody was back")
        except AssertionError as error:
            late = [str(error)]
        back_s = time.monotonic() - began
        violations = late + (self._wrong() and self._wrong(after_s=1.0))
        violations += [] if late else self._not_spendable()
        return {
            "database": self.kind,
            "killed": killed,
            "requests": len(asked),
            "complete": sum(one.usage is not None for one in asked),
            "back_s": round(back_s, 2),
            "refused": sum(one.status == 429 for one in asked),
            "violations": violations,
        }

    def close(self) -> None:
        """Stop everything."""
        self._database.close()
        try:
            self.platform.stop()
        finally:
            if self._postgres is not None:
                self._postgres.stop()

    def _kill(self, target: str) -> None:
        if target == "server":
            assert self._postgres is not None
            self._postgres.kill()
            time.sleep(self._chance.uniform(0, 0.3))
            return self._postgres.start()
        words = {"api": "argosy api", "worker": "argosy worker", "poster": "argosy.billing.poster"}
        found = self._backends() if target == "backend" else self._processes(words[target])
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._chance.choice(found).kill()

    def _processes(self, words: str) -> list[psutil.Process]:
        found = []
        for process in self.platform.everyone():
            with contextlib.suppress(psutil.Error):
                if words in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def _backends(self) -> list[psutil.Process]:
        assert self._postgres is not None
        assert self._postgres.process is not None
        children = psutil.Process(self._postgres.process.pid).children()
        return [one for one in children if "[local]" in " ".join(one.cmdline())]

    def _is_back(self) -> bool:
        """Whether all processes run and the next request is answered, each response that began has its row, and nothing
        is held any more.
        """
        if len(self._processes("argosy api")) < API_PROCESSES:
            return False
        self._answered = self._answered or self._answers()
        try:
            if any(fund.held for fund in self._funds()):
                return False
            self._read()
        except Exception as error:  # the database may be on its way back
            if not is_outage(error):
                raise
            return False
        began = (one.id for one in self.seen.asked if one.status == 200)
        return self._answered and all(id_ in self.seen.lines for id_ in began)

    def _read(self) -> int:
        """The rows as they are now; their number."""
        with self._database.read() as tx:
            lines = list_events(tx, self.seen.project_id, EventFilter(), limit=10_000_000)
            self.seen.funds = funds.list_funds(tx, self._organization_id, "budget")
        self.seen.lines = {line.id: line for line in lines}
        return len(lines)

    def _funds(self) -> list[Fund]:
        with self._database.read() as tx:
            return funds.list_funds(tx, self._organization_id, "budget")

    def _allow(self, amount: int, **whose: str) -> None:
        """Set one of the budgets, in micro-units."""
        body = {"amount": format_money(amount, "USD"), "period": "none", **whose}
        self.platform.client.put("/budgets", body=body, cast_to=object)

    def _not_spendable(self) -> list[str]:
        """What of the budgets cannot be spent, or beyond them. The little one is filled up for the next round."""
        spent = next(fund.spent for fund in self._funds() if fund.scope == "key")
        self._allow(spent + LITTLE, key=self._little["id"])
        time.sleep(HEARD_S)  # a process that heard of the old bound just now may still refuse by it
        found = []
        for fund in self._funds():
            tokens = _tokens_for(fund.remaining)
            for asked, expected in ((tokens + 1, (429, "insufficient_quota")), (tokens, (200, ""))):
                told = self._asked(KEY if fund.scope == "organization" else self._little["secret"], asked)
                if told != expected:
                    found.append(f"{fund.remaining} micro-units of the {fund.scope}: {asked} tokens got {told}")
        return found

    def _asked(self, secret: str, tokens: int) -> tuple[int, str]:
        """One question whose answer may be so long: its status, and the error's code or what went wrong."""
        one = Asked(stream=False, leaves=False, words=1)
        self.seen.asked.append(one)
        try:
            headers = {"authorization": f"Bearer {secret}"}
            url = f"{self.platform.url}/v1/chat/completions"
            question = {"model": "echo", "messages": [{"role": "user", "content": "ahoy"}], "max_tokens": tokens}
            answer = httpx.post(url, json=question, headers=headers, timeout=20)
        except httpx.HTTPError as error:
            return 0, repr(error)
        one.id, one.status = answer.headers.get("x-request-id"), answer.status_code
        return one.status, "" if one.status == 200 else answer.json()["error"]["code"]

    def _answers(self) -> bool:
        one = Asked(stream=False, leaves=False, words=1)
        self.seen.asked.append(one)
        try:
            said = self.platform.client.chat.completions.with_raw_response.create(
                model="echo", messages=[{"role": "user", "content": "ahoy"}]
            )
        except openai.APIStatusError as error:
            one.id, one.status = error.response.headers.get("x-request-id"), error.status_code
            return False
        except openai.APIError:
            return False
        one.id, one.status = said.headers.get("x-request-id"), 200
        return True

    def _wrong(self, after_s: float = 0.0) -> list[str]:
        """What does not hold. Rows of requests whose clients learned no id may come late, in between two questions."""
        time.sleep(after_s)
        twice = self._read() - len(self.seen.lines)
        with self._database.read() as tx:
            found = [problem for check in CHECKS for problem in check(tx, self.seen)]
        return [f"{twice} ids have two rows", *found] if twice else found


def _tokens_for(left: int) -> int:
    """The longest answer to one word that is sure to cost no more than what is left, in micro-units."""
    tokens = left * 1_000_000 // int(PRICES["output"])
    while charge(1, int(PRICES["input"])) + charge(tokens, int(PRICES["output"])) + SLACK > left:
        tokens -= 1
    return tokens


def rounds(database: str, count: int, seed: int, kills: int = 1) -> Iterator[dict[str, Any]]:
    """So many rounds on one home, with so many kills in each."""
    with tempfile.TemporaryDirectory(prefix="argosy-kills-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder), database, seed)
        try:
            for _ in range(count):
                yield home.round(kills)
        finally:
            home.close()


def summary(done: list[dict[str, Any]], seed: int, wanted: int) -> dict[str, Any]:
    """All rounds so far in a few numbers."""
    return {
        "seed": seed,
        "rounds": len(done),
        "rounds_wanted": wanted,
        "requests": sum(one["requests"] for one in done),
        "complete": sum(one["complete"] for one in done),
        "refused": sum(one["refused"] for one in done),
        "killed": Counter(f"{one['database']} {name}" for one in done for name in one["killed"]),
        "slowest_back_s": max((one["back_s"] for one in done), default=0.0),
        "violations": sum(len(one["violations"]) for one in done),
        "rounds_with_violations": [one for one in done if one["violations"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--databases", nargs="+", choices=sorted(TARGETS), default=["sqlite", "postgresql"])
    chosen = parser.parse_args()
    kept = chosen.to.with_suffix(".rounds.jsonl")
    kept.parent.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    print(f"seed {chosen.seed}, {len(done)} rounds were done before", file=sys.stderr)
    while len(done) < chosen.rounds:
        database = chosen.databases[len(done) // CHUNK % len(chosen.databases)]
        count = min(CHUNK - len(done) % CHUNK, chosen.rounds - len(done))
        for one in rounds(database, count, chosen.seed + len(done)):
            done.append(one)
            with kept.open("a") as file:
                file.write(json.dumps(one) + "\n")
            print(f"{len(done)}: {one}", file=sys.stderr, flush=True)
    found = summary(done, chosen.seed, chosen.rounds)
    chosen.to.write_text(json.dumps(found, indent=2) + "\n")
    kept.unlink()
    print(json.dumps(found, indent=2))
    sys.exit(1 if found["violations"] else 0)


if __name__ == "__main__":
    main()
