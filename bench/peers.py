"""Other gateways, each installed from its registry into a folder of its own below out/peers, in front of one engine."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

FOLDER = Path("out/peers")
READY_S_MAX = 90.0
_KEY = "sk-1234"
_SEEN_MIN = 4
"""How often its socket has to be there: a peer may try its port before it serves, and serve before it has routes."""

Peer = Callable[[], AbstractContextManager[Mapping[str, Any]]]


def systems(engine_url: str) -> dict[str, Peer]:
    """By name, what starts each of them on core 0, installed if it is not yet."""
    install()
    return {"litellm": lambda: litellm(engine_url), "portkey": lambda: portkey(engine_url)}


def install() -> None:
    """Fetch what is not there: LiteLLM through pip, Portkey through npm."""
    if not (FOLDER / "litellm/bin/litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / "litellm"], check=True)
        pip = [FOLDER / "litellm/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "litellm[proxy]"], check=True)
    if not (FOLDER / "portkey/node_modules/@portkey-ai/gateway").exists():
        npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", FOLDER / "portkey"]
        subprocess.run([*npm, "@portkey-ai/gateway"], check=True)


@contextlib.contextmanager
def litellm(engine_url: str) -> Iterator[Mapping[str, Any]]:
    """One worker, one model, one key, no database."""
    model = {"model": "openai/m", "api_base": f"{engine_url}/v1", "api_key": "none"}
    config = FOLDER / "litellm.json"  # JSON is YAML too
    settings = {"model_list": [{"model_name": "bench", "litellm_params": model}]}
    config.write_text(json.dumps({**settings, "general_settings": {"master_key": _KEY}}))
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOG": "ERROR",
    }
    port = _free_port()
    command = [str(FOLDER / "litellm/bin/litellm"), "--config", str(config), "--port", str(port), "--num_workers", "1"]
    with _running([*command, "--host", "127.0.0.1"], port, environment) as pid:
        yield {"url": f"http://127.0.0.1:{port}", "key": _KEY, "pid": pid}


@contextlib.contextmanager
def portkey(engine_url: str) -> Iterator[Mapping[str, Any]]:
    """Headless; the request says where it goes."""
    port = _free_port()
    script = FOLDER / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{engine_url}/v1"}
    with _running(["node", str(script), f"--port={port}", "--headless"], port, {}) as pid:
        yield {"url": f"http://127.0.0.1:{port}", "key": "none", "headers": headers, "pid": pid}


@contextlib.contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    log = open(FOLDER / "last.log", "w")  # noqa: SIM115
    running = subprocess.Popen(
        ["taskset", "-c", "0", *command], env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        _wait(port, running)
        yield running.pid
    finally:
        running.terminate()
        running.wait()
        log.close()


def _wait(port: int, running: "subprocess.Popen[bytes]") -> None:
    deadline, seen = time.monotonic() + READY_S_MAX, 0
    while time.monotonic() < deadline and running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            seen += 1
        if seen >= _SEEN_MIN:
            return
        time.sleep(0.5)
    raise RuntimeError(f"{running.args} did not start; see {FOLDER / 'last.log'}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
