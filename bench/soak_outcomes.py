"""What came of the requests of a soak: counted as they end, judged against what was promised, and against the bill."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import near_ties

REFUSALS = {429, 502, 503}


@dataclass
class Soak:
    """What came of it so far."""

    url: str
    key: str
    outcomes: dict[str, str] = field(default_factory=dict)
    """By request id: whole, told, refused or left."""
    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """By the error's code."""
    unexplained: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    differing: list[dict[str, Any]] = field(default_factory=list)
    """Answers of the engine, told to be whole, whose words were not those of a quiet moment."""
    of_engine: int = 0
    """Answers that the engine is asked for now."""

    def note(self, request_id: str | None, outcome: str, what: str, took_s: float) -> None:
        """Count one outcome."""
        self.counts[outcome] += 1
        if outcome == "refused":
            self.refusals[what] += 1
        if request_id:
            self.outcomes[request_id] = outcome
        if outcome == "unexplained":
            self.unexplained.append(f"{request_id}: {what}")
        if outcome != "left":
            self.slowest_s = max(self.slowest_s, took_s)


def judge(status: int, stream: bool, said: bytes, wanted: str) -> tuple[str, str]:
    """Which outcome it was, and what was wrong with one that is none; what it said, if that was other words."""
    shown = f"{status} {said[-300:]!r}, wanted {wanted!r}"
    try:
        if status != 200:
            error = json.loads(said)["error"]
            return ("refused", error["code"]) if status in REFUSALS and error["code"] else ("unexplained", shown)
        if not stream:
            text = json.loads(said)["choices"][0]["message"]["content"]
            return ("whole", "") if text == wanted else ("other words", text)
        events = [line[6:] for line in said.decode().split("\n\n") if line.startswith("data: ")]
        told = [json.loads(event) for event in events if event != "[DONE]"]
        text = "".join(choice["delta"].get("content") or "" for one in told for choice in one.get("choices", ()))
        if events[-1] == "[DONE]":
            if any("error" in one for one in told):
                return "unexplained", shown
            return ("whole", "") if text == wanted else ("other words", text)
        return ("told", "") if "error" in told[-1] and wanted.startswith(text) else ("unexplained", shown)
    except (ValueError, KeyError, IndexError, TypeError):
        return "unexplained", shown


def judge_differing(soak: Soak, engine: near_ties.Engine, logs: Path, tokens: int, unrest: float) -> None:
    """What came of the answers with other words: near ties, or unexplained. The engine must be at rest.

    ``logs`` is the folder in which the API's log says whether one was carried on; answers had up to so many ``tokens``.
    """
    texts = [log.read_text() for log in logs.glob("api*.log")] if soak.differing else []
    lines = (json.loads(line) for text in texts for line in text.splitlines() if line.startswith('{"event":"request"'))
    resumed = {line["request_id"]: line["resumed"] for line in lines}
    for seen in soak.differing:
        seen["carried_on"] = resumed.get(seen["id"])
        seen["ties"] = engine.ties(seen["ask"], seen["said"], tokens, unrest)
        soak.counts["whole"] -= 1
        soak.counts["unexplained" if seen["ties"] is None else "near tie" if seen["ties"] else "whole"] += 1
        if seen["ties"] is None:
            soak.unexplained.append(f"{seen['id']}: {seen['said']!r}, wanted {seen['wanted']!r}")


def check_usage(home: Path, soak: Soak, ignored: int) -> list[str]:
    """What the usage rows say otherwise than the outcomes. ``ignored`` rows are from before the soak."""
    with sqlite3.connect(f"file:{home / 'argosy.sqlite'}?mode=ro", uri=True) as db:
        rows = {row[0]: row[1:] for row in db.execute("SELECT id, outcome, completion_tokens FROM usage_events")}
    wrong = []
    for request_id, outcome in soak.outcomes.items():
        row = rows.pop(request_id, None)
        if outcome == "whole" and (row is None or row[0] != "complete" or row[1] < 1):
            wrong.append(f"{request_id} was whole, its usage row is {row}")
        if outcome == "told" and (row is None or row[0] != "upstream_cut"):
            wrong.append(f"{request_id} was cut, its usage row is {row}")
        if outcome == "refused" and row is not None:
            wrong.append(f"{request_id} was refused, its usage row is {row}")
    unknown = len(rows) - ignored
    # Callers that left before the head arrived never learned their id.
    return wrong + ([f"{unknown} usage rows of nobody"] if unknown > soak.counts["left"] else [])
