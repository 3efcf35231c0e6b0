"""What fitting chooses, against the file as shipped: tokens/s at 16 streams, and how alike the two answer.

python bench/fit_choice.py --to out/bench/fit.json [--rounds 3]

The candidates are measured as `argosy fit` does; then the shipped file and the chosen one take turns, longer.
"""

import argparse
import json
import os
import shutil
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from argosy.catalog import card, pull
from argosy.demo.platform import STARTER
from argosy.serving.fit import fit
from argosy.serving.measuring import measure

TOKENS = 64


def figures(home: Path, rounds: int) -> dict[str, Any]:
    """Every form once, then the two that matter in turn."""
    scratch = home / "run"
    scratch.mkdir(parents=True, exist_ok=True)
    source = pull(card(STARTER), home, lambda step: print(step.message), os.environ)
    source.with_name("fit.json").unlink(missing_ok=True)
    fitted = fit(source, scratch, print, thorough=True)
    _, reference = measure(source, scratch, None)
    speeds: dict[str, list[float]] = {"shipped": [], "chosen": []}
    perplexities, agreements = [], []
    for round_ in range(rounds):
        for name in sorted(speeds, reverse=round_ % 2 == 1):
            path = source if name == "shipped" else fitted.path
            found, _ = measure(path, scratch, reference, tokens=TOKENS)
            speeds[name].append(found.sixteen_streams)
            if name == "chosen":
                perplexities.append(found.perplexity)
                agreements.append(found.agreement)
    ratios = [chosen / shipped for chosen, shipped in zip(speeds["chosen"], speeds["shipped"], strict=True)]
    return {
        "shipped": fitted.shape.shipped,
        "chosen": fitted.quantisation,
        "forms": {form: asdict(one) for form, one in fitted.measured.items()},
        "tokens_per_s": {name: round(statistics.median(found), 1) for name, found in speeds.items()},
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "perplexity": statistics.median(perplexities),
        "agreement": statistics.median(agreements),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path("out/bench/fit-home"))
    parser.add_argument("--to", type=Path, default=Path("out/bench/fit.json"))
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    shutil.rmtree(chosen.home, ignore_errors=True)
    found = figures(chosen.home, chosen.rounds)
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(json.dumps(found, indent=2) + "\n")
    print(
        json.dumps(
            {name: found[name] for name in ("shipped", "chosen", "tokens_per_s", "ratio", "perplexity", "agreement")}
        )
    )


if __name__ == "__main__":
    main()
