"""Every figure of docs/benchmarks.md, measured by a command.

    python -m bench                   all parts, two to four hours on two quiet cores
    python -m bench english engine    only these; the others' last figures stay
    python -m bench english --quick   one job instead of five, the base asked 24 rows instead of all; a small fleet
    python -m bench english --jobs 3  three jobs
    python -m bench gateway --peers   beside LiteLLM and Portkey too, which it installs below out/peers

Each part writes out/bench/<part>.json; at the end docs/benchmarks.md is written from all that are there.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from argosy.catalog import card
from argosy.demo.machine import machine
from argosy.demo.platform import STARTER, OwnPlatform, fresh_home
from argosy.runtime import Database
from argosy.samples import split_file, train_file
from argosy.serving import routes
from argosy.serving.quantise import quantise
from bench.page import write_page
from bench.tuning_speed import matmul_rate

OUT = Path("out/bench")
STARTER_FILE = Path(".starter/models") / STARTER / card(STARTER).pinned().name


def english(to: Path) -> None:
    """The whole held-out set: the base in four ways, and five jobs, all timed and the first three scored."""
    quality("en", to)


def chinese(to: Path) -> None:
    """The same in Chinese."""
    quality("zh", to)


def quality(language: str, to: Path) -> None:
    """One language."""
    size = ["--jobs", str(chosen().jobs), *(["--base-sample", "24"] if chosen().quick else [])]
    run("bench/quality.py", language, *size, "--home", str(OUT / "home"), "--to", str(to))


def demo(to: Path) -> None:
    """`argosy demo`, as a newcomer runs it."""
    run("bench/demo_time.py", "--out", str(OUT / "demo"), "--to", str(to))


def trl(to: Path) -> None:
    """Time to the same held-out accuracy: this trainer and TRL's SFTTrainer, English rows."""
    base, held_out = OUT / "base-q4_0.gguf", OUT / "held-out-en.jsonl"
    if not base.exists():
        quantise(STARTER_FILE, base, "Q4_0")
    held_out.write_text("".join(split_file("en", part).read_text() for part in ("values", "paraphrase", "composition")))
    run("bench/tuning_vs_trl.py", str(base), str(train_file("en")), str(held_out), str(to))


def fit(to: Path) -> None:
    """What fitting chooses, against the file as shipped."""
    run("bench/fit_choice.py", "--to", str(to))


def fleet(to: Path) -> None:
    """Many adapters, a mixed load of them, cold starts, and change under load."""
    size = ["--adapters", "20", "--tuned", "3", "--requests", "200"] if chosen().quick else []
    run("bench/fleet.py", *size, "--home", str(OUT / "fleet-home"), "--to", str(to))


def engine(to: Path) -> None:
    """Tokens/s of the engine, bare and through the API, taking turns."""
    with OwnPlatform(fresh_home(OUT / "home")) as platform:
        platform.wait(lambda text: print(text, file=sys.stderr))
        with Database(f"sqlite:///{OUT / 'home' / 'argosy.sqlite'}").read() as tx:  # engines are not on the public API
            engine_url = routes(tx)[0].url
        where = [platform.url, platform.key, STARTER, engine_url]
        to.write_text(run("bench/engine_through_api.py", *where, "128", "7", capture=True))


def gateway(to: Path) -> None:
    """What the gateway costs against a floor without features, on a canned upstream."""
    size = ["--requests", "20000"] if chosen().quick else []
    to.write_text(run("bench/gateway_overhead.py", *size, *(["--peers"] if chosen().peers else []), capture=True))


def scaling(to: Path) -> None:
    """One API process and two on one port, and the CPU time of a request in each."""
    size = ["--seconds", "2", "--rounds", "1"] if chosen().quick else []
    to.write_text(run("bench/scaling.py", *size, capture=True))


def soak(to: Path) -> None:
    """Half an hour of mixed faults, every outcome explained."""
    run("-m", "bench.soak", "--minutes", "2" if chosen().quick else "30", "--to", str(to))


def journal(to: Path) -> None:
    """Intents made durable a second."""
    to.write_text(run("bench/journal_speed.py", capture=True))


def batches(to: Path) -> None:
    """Lines of a batch answered a second."""
    lines = "2000" if chosen().quick else "20000"
    to.write_text(run("bench/batch_speed.py", lines, capture=True))


def kills(to: Path) -> None:
    """Three hundred processes killed at random, and the books looked at after each."""
    run("-m", "bench.kills", "--to", str(to), *(["--rounds", "20"] if chosen().quick else []))


def metering(to: Path) -> None:
    """What durable metering costs in requests a second."""
    to.write_text(run("bench/metering_cost.py", capture=True))


def invoice_close(to: Path) -> None:
    """A period of five million usage rows, closed into an invoice on either database."""
    size = ["--rows", "200000"] if chosen().quick else []
    found = [json.loads(run("-m", "bench.invoice_close", *size, *kind, capture=True)) for kind in ([], ["--postgres"])]
    to.write_text(json.dumps(found))


PARTS: dict[str, Callable[[Path], None]] = {
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


def run(script: str, *arguments: str, capture: bool = False) -> str:
    """Run one benchmark in a process of its own; returns what it printed, if asked to."""
    done = subprocess.run(
        [sys.executable, script, *arguments], check=True, text=True, stdout=subprocess.PIPE if capture else None
    )
    return done.stdout or ""


@cache
def chosen() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="one job a language, and the base asked 24 rows")
    parser.add_argument("--jobs", type=int, help="fine-tuning jobs a language; the first three are scored")
    parser.add_argument(
        "--peers", action="store_true", help="the gateway beside LiteLLM and Portkey, which it installs"
    )
    found = parser.parse_args()
    if unknown := set(found.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}")
    found.parts, found.jobs = found.parts or list(PARTS), found.jobs or (1 if found.quick else 5)
    return found


def main() -> None:
    """Run the chosen parts, then write the page."""
    options = " ".join(word for word in sys.argv[1:] if word not in PARTS)
    OUT.mkdir(parents=True, exist_ok=True)
    for part in chosen().parts:
        print(f"== {part}: {PARTS[part].__doc__}", file=sys.stderr, flush=True)
        to = OUT / f"{part}.json"
        multiplying = round(matmul_rate(torch.bfloat16))
        started = time.time()
        PARTS[part](to)
        about: dict[str, Any] = {"measured_at": started, "took_s": time.time() - started, "machine": machine()}
        about["bf16_gflops"] = multiplying
        about["command"] = f"python -m bench {part} {options}".strip()
        (OUT / f"{part}.about.json").write_text(json.dumps(about, indent=2))
    print(write_page(OUT, Path("docs/benchmarks.md")))


if __name__ == "__main__":
    main()
