"""docs/benchmarks.md from the parts' JSON: each with date, machine and command, beside what was asked for."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HEAD = """# Benchmarks

Written by `make bench` (`python -m bench PART` for one part) from what it measured; nothing here is typed by hand.
Each part says when and where it ran; newer ones also how fast the machine multiplied just before: machines of a name
differ twofold from day to day. Trust ratios taken within one run more than times.
"""

_SECTION = re.compile(r"<!-- ([\w-]+) -->\n(.*?)(?=<!-- [\w-]+ -->|\Z)", re.DOTALL)
_WAYS = {
    "base_free_zero_shot": "base, free, zero-shot",
    "base_free_three_examples": "base, free, 3 examples",
    "base_schema_zero_shot": "base, JSON schema, zero-shot",
    "base_schema_three_examples": "base, JSON schema, 3 examples",
}


def write_page(folder: Path, page: Path) -> Path:
    """Write each part from its files in ``folder``, or, where it was not measured here, as the page had it."""
    before = dict(_SECTION.findall(page.read_text())) if page.exists() else {}
    sections = [HEAD]
    for part, render in _PARTS.items():
        found, about = folder / f"{part}.json", folder / f"{part}.about.json"
        if found.exists() and about.exists():
            before[part] = render(_read(found)) + "\n" + _about(json.loads(about.read_text()))
        if part in before:
            sections.append(f"<!-- {part} -->\n{before[part].strip()}\n")
    page.write_text("\n".join(sections))
    return page


def english(found: dict[str, Any]) -> str:
    """Held-out scores and job times, with what was asked for."""
    return quality("English", 0.60, 150, found)


def chinese(found: dict[str, Any]) -> str:
    """The same in Chinese."""
    return quality("Chinese", 0.45, 240, found)


def quality(name: str, asked: float, asked_s: int, figures: dict[str, Any]) -> str:
    """Held-out scores and job times of one language."""
    median, jobs = figures["medians"], figures["tuned"]
    first, rows = jobs[0]["scores"][0], []
    thirds, fields = list(first["thirds"]), list(first["fields"])
    for score in figures["base"]:
        label = f"{_WAYS.get(score['way'], score['way'])} ({score['exact']['total']} rows)"
        rows.append([label, *_shares(score, thirds, fields)])
    for job in jobs:
        rows.append([f"tuned, seed {job['seed']}", *_shares(job["scores"][0], thirds, fields)])
    middle = [median["exact"], *(median["thirds"][t] for t in thirds), *(median["fields"][f] for f in fields)]
    rows.append([f"**tuned, median of {len(jobs)}**", *(f"**{share:.2f}**" for share in middle)])
    schema, took = figures["medians_with_schema"]["exact"], figures["first_answer_s"]
    phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in took["phases_median"].items())
    return "\n".join(
        [
            f"## {name}: chart requests held out ({figures['held_out_rows']})",
            "",
            f"Exact match of all seven fields, tuned: **{median['exact']:.2f}** (asked: ≥ {asked:.2f}); under the JSON "
            f"schema {schema:.2f}; same result when executed {median['executed']:.2f}.",
            "",
            _table(["", "all", *thirds, *fields], rows),
            "",
            f"Job created → first answer: **{took['median']:.1f} s**, median of {len(took['all'])} "
            f"(asked: ≤ {asked_s} s); all: {', '.join(f'{s:.1f}' for s in took['all'])}. "
            f"Where the time goes, medians in seconds: {phases}.",
            "",
        ]
    )


def demo(found: dict[str, Any]) -> str:
    """The newcomer's run."""
    steps = [[step["name"] if "name" in step else step["title"], f"{step['seconds']:.1f}"] for step in found["steps"]]
    return "\n".join(
        [
            "## `make demo` after set-up",
            "",
            f"**{found['seconds']:.0f} s** for both languages (asked: ≤ 600 s), exit code {found['exit_code']}.",
            "",
            _table(["step", "seconds"], steps),
            "",
        ]
    )


def trl(found: dict[str, Any]) -> str:
    """Against TRL."""
    rows = []
    for curve in found["curves"]:
        label = curve["name"]
        if label == "trl":
            label = f"TRL SFTTrainer, rate {curve['rate']:g}, {curve['epochs']} epochs"
        points = ", ".join(f"{point['seconds']:.0f} s → {point['accuracy']:.2f}" for point in curve["curve"])
        rows.append([label, points])
    ratio = f"{found['times_faster']}x" if found["times_faster"] else "not reached"
    return "\n".join(
        [
            "## Tuning against TRL's SFTTrainer",
            "",
            f"Time to the best accuracy that TRL reaches ({found['accuracy']:.2f}; every answer token right, "
            f"English held-out rows): {found['argosy_s']} s against {found['trl_best_s']} s: "
            f"**{ratio}** (asked: ≥ 2.5x).",
            "",
            _table(["trainer", "seconds → accuracy"], rows),
            "",
        ]
    )


def fit(found: dict[str, Any]) -> str:
    """The chosen form against the shipped one."""
    rows = [
        [
            form
            + (" (shipped)" if form == found["shipped"] else "")
            + (" **chosen**" if form == found["chosen"] else ""),
            f"{one['size_bytes'] / 1e6:.0f}",
            *(f"{one[name]:.0f}" for name in ("one_stream", "sixteen_streams", "read_one", "read_sixteen")),
            f"{one['perplexity']:.3f}",
            f"{one['agreement']:.1%}",
        ]
        for form, one in found["forms"].items()
    ]
    head = ["form", "MB", "write, 1 stream", "16 streams", "read, 1 stream", "16 streams", "perplexity", "same token"]
    speeds = found["tokens_per_s"]
    return "\n".join(
        [
            "## Fitting: the form that is chosen here",
            "",
            _table(head, rows),
            "",
            f"Taking turns at 16 streams: {found['chosen']} {speeds['chosen']:.0f} tokens/s, {found['shipped']} "
            f"{speeds['shipped']:.0f}: **{found['ratio']:.2f}x** (asked: ≥ 1.7x). On texts of the shipped file its "
            f"perplexity is {found['perplexity']:.3f} times that file's, and {found['agreement']:.1%} of the likeliest "
            "tokens are the same.",
            "",
        ]
    )


def fleet(found: dict[str, Any]) -> str:
    """Adapters, cold starts and change under load."""
    mixed, cold, change, many = (found[name] for name in ("mixed", "cold", "change", "many"))
    wrong = mixed["another's number"]
    steps = ", ".join(f"{step['change']} {step['seconds']} s" for step in change["steps"])
    rows = [
        ["wrong-adapter answers in the mixed load", "0", f"**{wrong}** of {mixed['requests']} ({mixed['adapters']})"],
        ["own number / something else", "", f"{mixed['its own number']} / {mixed['something else']}"],
        ["requests failed or cut while the deployment changes", "0",
         f"**{change['failed'] + change['cut']}** of {change['whole'] + change['failed'] + change['cut']}"],
        ["first token, base that is unloaded, worst of 5", "≤ 4 s", f"**{max(cold['base_s']):.2f} s**"],
        ["first token, adapter registered a moment ago, worst of 5", "≤ 2 s", f"**{max(cold['adapter_s']):.2f} s**"],
        ["the same beside all the adapters", "", f"{many['one_more_first_token_s']:.2f} s"],
        ["adapters called on one base", "≥ 200", f"**{many['called']}**"],
        ["their memory, against as many merged models' engines", "≤ 0.20", f"**{many['share_of_merged']:.3f}**"],
        ["against as many merged models' weights alone", "", f"{many['share_of_merged_weights']:.3f}"],
    ]  # fmt: skip
    return "\n".join(
        [
            "## The fleet",
            "",
            _table(["figure", "asked", "measured"], rows),
            "",
            f"Changes under load: {steps}. Memory: {many['engine_mb']} MB with {many['adapters']} adapters of "
            f"{many['adapter_mb']} MB; one merged model's engine {many['merged_model_mb']} MB.",
            "",
        ]
    )


def engine(found: dict[str, Any]) -> str:
    """Through the API against bare."""
    rows = [
        [streams, f"{f['bare_tokens_per_s']:.0f}", f"{f['through_tokens_per_s']:.0f}", f"**{f['ratio']:.3f}**"]
        for streams, f in found.items()
        if isinstance(f, dict)
    ]
    head = ["", "bare engine, tokens/s", "through the API", "ratio (asked: ≥ 0.95)"]
    return "\n".join(["## The engine through the API", "", _table(head, rows), ""])


def soak(found: dict[str, Any]) -> str:
    """Outcomes of the soak, and what was left behind."""
    counts, total = found["outcomes"], found["requests"]
    wrong = found["usage_rows_wrong_count"]
    rows = [
        ["unexplained outcomes", "0", f"**{counts.get('unexplained', 0)}** of {total}"],
        ["usage rows that say otherwise", "0", f"**{wrong}**"],
        ["requests in flight afterwards", "0", f"{found['in_flight_after']:.0f}"],
        ["whole answers", "", f"{counts.get('whole', 0)}"],
        ["explained: near ties of the engine", "", f"{counts.get('near tie', 0)}"],
        ["refused, all targets having failed", "", f"{counts.get('refused', 0)}"],
        ["told in the stream that it broke", "", f"{counts.get('told', 0)}"],
        ["left by the caller", "", f"{counts.get('left', 0)}"],
        ["engines killed with -9", "", f"{found['engines_killed']}"],
        ["slowest, of deadlines of 6 and 60 s", "", f"{found['slowest_s']} s"],
        ["descriptors of the API, before and after", "", " → ".join(map(str, found["descriptors"]))],
        ["memory of the API, before and after", "", " → ".join(f"{mb} MB" for mb in found["memory_mb"])],
    ]
    about = (
        f"{found['minutes']:g} minutes; some requests to two providers meet one of 18 faults, and two replicas of the "
        "starter model are killed now and then."
    )
    return "\n".join(["## The soak", "", about, "", _table(["figure", "asked", "measured"], rows), ""])


def gateway(found: dict[str, Any]) -> str:
    """Against the floor and, where they were measured, other gateways."""
    ratios = {"floor": found["ratio"], **found.get("peers", {})}
    names = list(ratios)
    rows = [
        [
            case,
            *(_rate(found["medians"].get(f"{who} {case}")) for who in ("argosy", *names)),
            *(f"{ratios[who][case]:.2f}" if case in ratios[who] else "" for who in names),
        ]
        for case in found["ratio"]
    ]
    head = ["shape, connections", "Argosy, requests/s", *names, *(f"Argosy / {who}" for who in names)]
    about = "One core for the gateway; the floor is Starlette + aiohttp with no features, no keys and no metering."
    targets = _gateway_targets(found) if "half_load" in found else ""  # a run from before these were measured
    title = "## The gateway against a floor"
    return "\n".join([title, "", about, "", _table(head, rows), "", targets, ""])


def _rate(median: dict[str, float] | None) -> str:
    return f"{median['requests_per_s']:.0f}" if median else "errors"


def _gateway_targets(found: dict[str, Any]) -> str:
    half, memory = found["half_load"], found["memory_mb"]
    last = max(memory, key=int)
    readings = ", ".join(f"{mb:.0f} after {int(count):,}" for count, mb in memory.items())
    rows = [
        ["requests/s against the floor, 16 connections", "≥ 1.2x", f"**{found['ratio']['whole 16']:.2f}x**"],
        ["the same, 64 connections", "≥ 1.8x", f"**{found['ratio']['whole 64']:.2f}x**"],
        ["streamed events/s", "≥ 50,000", f"**{found['events_per_s']:,}**"],
        [f"added at half load ({half['requests_per_s']:.0f}/s), p50", "≤ 0.4 ms", f"**{half['added_p50_ms']:.2f} ms**"],
        ["the same, p99", "≤ 2 ms", f"**{half['added_p99_ms']:.2f} ms**"],
        [f"memory after {int(last):,} requests, MB", "≤ 120", f"**{memory[last]:.0f}** ({readings})"],
        ["of the process that posts its usage, beside it", "", f"{found['poster_mb']:.0f}"],
    ]
    return _table(["figure", "asked", "measured"], rows)


def scaling(found: dict[str, Any]) -> str:
    """One API process and more on one port."""
    counts = sorted((name for name in found if name.isdigit()), key=int)
    one = found[counts[0]]["cpu_us_per_request"]
    rows = []
    for name in counts:
        of, last = found[name], found[name]["rounds"][-1]
        rows.append(
            [
                name,
                f"{of['requests_per_s']:.0f}",
                f"{of['cpu_us_per_request']:.0f} µs",
                f"**{one / of['cpu_us_per_request']:.2f}**",
                " / ".join(map(str, last["connections"])),
                " / ".join(map(str, last["requests"])),
            ]
        )
    head = [
        "API processes", "requests/s here", "CPU time of a request", "efficiency (1: n cores serve n times as many)",
        "connections of each", "requests of each, last round",
    ]  # fmt: skip
    about = (
        f"`argosy up` with ARGOSY_API_PROCESSES, {found['connections']} connections, a canned provider. This machine "
        f"has {found['cores']} cores: the first API process has one, and the second shares the other with the load "
        "generator, the provider and the worker. So requests/s cannot double here. What can be told is whether a "
        "request costs more CPU time where there are two; if it does not, throughput goes with the cores."
    )
    return "\n".join(["## Several API processes on one port", "", about, "", _table(head, rows), ""])


def journal(found: list[dict[str, Any]]) -> str:
    """Durable intents."""
    lines = [f"- {', '.join(f'{name} {value}' for name, value in one.items())}" for one in found]
    return "\n".join(["## The usage journal", "", *lines, ""])


def batches(found: dict[str, Any]) -> str:
    """Lines of a batch a second."""
    return "\n".join(
        [
            "## Batches",
            "",
            f"**{found['lines_per_s']:,} lines/s**: {found['lines']:,} chat requests through worker, gateway, journal "
            f"and ledger to the echo engine in {found['seconds']} s, {found['in_flight']} in flight; load average "
            f"{found['load_average']} at the end.",
            "",
        ]
    )


def kills(found: dict[str, Any]) -> str:
    """Processes killed at random, and what became of the books."""
    killed = ", ".join(f"{name} {count}" for name, count in sorted(found["killed"].items()))
    return "\n".join(
        [
            "## Random kills",
            "",
            f"**{found['violations']} violations** after {found['rounds']} kills -9 under load, the books compared "
            f"with what clients were told after each: {found['requests']:,} requests, {found['complete']:,} complete; "
            f"at the latest {found['slowest_back_s']} s until all usage was posted. Killed: {killed}. "
            f"Seed {found['seed']}.",
            "",
        ]
    )


def metering(found: dict[str, Any]) -> str:
    """What durable metering costs."""
    asked = "One core for the gateway and its journal; the process that posts may use the other one, as the load does."
    rows = [
        [
            case,
            f"**{one['cost_percent']} %**",
            f"{one['on']['requests_per_s']:,}",
            f"{one['off']['requests_per_s']:,}",
            f"{one['on']['gateway_cpu_us']:.0f}",
            f"{one['off']['gateway_cpu_us']:.0f}",
            f"{one['on']['poster_cpu_us']:.0f}",
        ]
        for case, one in found["cases"].items()
    ]
    head = ["answers, connections", "cost (asked: ≤ 15 %)", "requests/s, on", "off"]
    head += ["gateway's CPU a request, on (µs)", "off", "posting's"]
    text = (
        f"Medians of {found['rounds']} rounds in turns. On: intents, outcomes, syncs, usage rows, the ledger. {asked}"
    )
    return "\n".join(["## The cost of durable metering", "", text, "", _table(head, rows), ""])


def invoice_close(found: list[dict[str, Any]]) -> str:
    """Closing a period into an invoice."""
    lines = [
        f"- {one['database']}: **{one['close_s']} s** and {one['peak_mb']} MB at most for {one['rows']:,} usage rows "
        f"({one['events']:,} on the invoice, {one['lines']} lines). Asked: ≤ 60 s and ≤ 500 MB for 5,000,000."
        for one in found
    ]
    return "\n".join(["## Closing an invoice", "", *lines, ""])


_PARTS = {
    "english": english,
    "chinese": chinese,
    "demo": demo,
    "trl": trl,
    "fit": fit,
    "fleet": fleet,
    "engine": engine,
    "gateway": gateway,
    "scaling": scaling,
    "soak": soak,
    "journal": journal,
    "batches": batches,
    "kills": kills,
    "metering": metering,
    "invoice-close": invoice_close,
}


def _shares(score: dict[str, Any], thirds: Sequence[str], fields: Sequence[str]) -> list[str]:
    found = [score["exact"], *(score["thirds"][t] for t in thirds), *(score["fields"][f] for f in fields)]
    return [f"{one['share']:.2f}" for one in found]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _about(about: dict[str, Any]) -> str:
    machine = about["machine"]
    day = time.strftime("%Y-%m-%d", time.gmtime(about["measured_at"]))
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    if speed := about.get("bf16_gflops"):
        where += f", {speed} GFLOP/s in bf16 just before"
    return f"<sub>{day}, {where}; `{about['command']}`, {about['took_s'] / 60:.0f} min.</sub>\n"


def _read(path: Path) -> Any:
    """JSON, or JSON lines."""
    text = path.read_text()
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]
