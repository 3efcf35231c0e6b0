"""How long ``argosy demo`` takes after set-up, as a newcomer starts it, and where the time goes.

python bench/demo_time.py --to out/bench/demo_time.json
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def measure(out: Path) -> dict[str, Any]:
    """Run the whole demonstration in a process of its own; its wall time in seconds and its own account of it."""
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-m", "argosy", "demo", "--out", str(out)], check=False)
    seconds = time.monotonic() - started
    found: dict[str, Any] = {"seconds": round(seconds, 1), "exit_code": ended.returncode}
    report = out / "report.json"
    if ended.returncode in (0, 1) and report.exists():
        document = json.loads(report.read_text())
        found["steps"] = document["steps"]
        found["passed"] = document["passed"]
        found["first_answer_s"] = {
            language: part["job"]["first_answer_s"] for language, part in document["languages"].items()
        }
        found["exact"] = {
            language: part["scores"][-1]["exact"]["share"] for language, part in document["languages"].items()
        }
        found["machine"] = document["machine"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/bench/demo"), help="the demonstration's own output")
    parser.add_argument("--to", type=Path, default=Path("out/bench/demo_time.json"))
    chosen = parser.parse_args()
    (chosen.out / "report.json").unlink(missing_ok=True)  # An earlier run's report is not this one's.
    found = measure(chosen.out)
    chosen.to.parent.mkdir(parents=True, exist_ok=True)
    chosen.to.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    print(f"{found['seconds']} s, written to {chosen.to}")
    raise SystemExit(0 if found["exit_code"] == 0 else 1)


if __name__ == "__main__":
    main()
