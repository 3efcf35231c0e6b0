"""Lines of a batch answered a second, on a platform of its own with the echo engine, so that no model is in the way.

usage: batch_speed.py LINES. Prints JSON. From the creation of the batch to its last status: checking the file, asking
every line through the gateway with journal and ledger on, and publishing the answers, on all cores there are.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI

from argosy.core import Settings

ENDPOINT = "/v1/chat/completions"
PATIENCE_S = 60.0


def main(lines: int) -> None:
    key = "sk-argosy-" + secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command = [sys.executable, "-m", "argosy", "up", "--home", folder, "--port", "0", "--deploy", "echo"]
        environment = {**os.environ, "ARGOSY_ADMIN_KEY": key}
        platform = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            client = OpenAI(base_url=f"{address(home)}/v1", api_key=key)
            wait(lambda: "echo" in [model.id for model in client.models.list().data])
            print(json.dumps(measured(client, lines)))
        finally:
            platform.terminate()
            platform.wait()


def address(home: Path) -> str:
    """Where the platform answers, once it does."""
    up = home / "up.json"
    wait(up.exists)
    url = str(json.loads(up.read_text())["url"])

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    wait(ready)
    return url


def wait(good: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not good():
        if time.monotonic() > deadline:
            sys.exit("the platform did not get ready")
        time.sleep(0.1)


def measured(client: OpenAI, lines: int) -> dict[str, Any]:
    content = "\n".join(json.dumps(row(number)) for number in range(lines)).encode()
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    began = time.monotonic()
    batch = client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    seconds = time.monotonic() - began
    counts = batch.request_counts
    if batch.status != "completed" or counts is None or counts.completed != lines:
        sys.exit(f"the batch ended as {batch.status}: {counts}")
    return {
        "lines": lines,
        "seconds": round(seconds, 1),
        "lines_per_s": round(lines / seconds),
        "in_flight": Settings.read().batch_concurrency,
        "load_average": round(os.getloadavg()[0], 1),
    }


def row(number: int) -> dict[str, Any]:
    question = f"Line {number} of a batch: a dozen words or so of an ordinary question"
    body = {"model": "echo", "messages": [{"role": "user", "content": question}]}
    return {"custom_id": f"line-{number}", "method": "POST", "url": ENDPOINT, "body": body}


if __name__ == "__main__":
    main(int(sys.argv[1]))
