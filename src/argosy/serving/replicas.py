"""One engine process: started, asked, drained, stopped."""

import http.client
import json
import re
import time
from pathlib import Path
from typing import Any

from argosy.core import new_id
from argosy.runtime.processes import Child, birth
from argosy.serving.engines import Announcement, EngineSpec, engine_command
from argosy.serving.room import memory_bytes

_CANARY = {"messages": [{"role": "user", "content": "Ahoy"}], "max_tokens": 1, "temperature": 0}
_NUMBER_CANARIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "embedding": ("/v1/embeddings", {"input": "Ahoy"}, "data"),
    "rerank": ("/v1/rerank", {"query": "Ahoy", "documents": ["Ahoy"]}, "results"),
}
"""Path, question, and the member of the answer that must not be empty."""


class Replica:
    """An engine process of ours. Its files lie in ``folder``: what it was told, and what it said."""

    def __init__(
        self, engine: str, spec: EngineSpec, folder: Path, log: Path, *, version: int = 0, memory_bytes: int = 0
    ) -> None:
        """Start it; ``spec.ready_file`` is filled in here. ``version`` is its deployment's, ``memory_bytes`` what it is
        going to take. Raises OSError.
        """
        self.id, self.version, self.memory_bytes = new_id("rep_"), version, memory_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._spec_file, self._ready_file = folder / f"{self.id}.json", folder / f"{self.id}.ready"
        self.spec = EngineSpec(**{**vars(spec), "ready_file": str(self._ready_file)})
        self.spec.write(self._spec_file)
        self._log_start = log.stat().st_size if log.exists() else 0
        self.child = Child(f"engine {spec.name}", engine_command(engine, self._spec_file), log=log)
        self.born = birth(self.child.pid) or 0
        self.started = time.monotonic()
        self.error = ""
        self.url: str | None = None

    def announced(self) -> bool:
        """Whether it has opened its port; ``url`` is known from then on."""
        if self.url is None and (said := Announcement.read(self._ready_file)):
            self.error = said.error
            self.url = f"http://127.0.0.1:{said.port}" if said.port else None
        return self.url is not None

    @property
    def dead(self) -> bool:
        """Whether it has ended; ``failure`` says why."""
        return not self.child.alive

    @property
    def failure(self) -> str:
        """Why it ended, for a person: what it said itself, and the first errors in its log."""
        self.announced()
        code = self.child.exit_code
        said = (
            self.error or f"The engine process ended with {f'signal {-code}' if code and code < 0 else f'code {code}'}."
        )
        return f"{said} {' '.join(self._log_errors())}".strip()

    def _log_errors(self) -> list[str]:
        """At most three lines: llama.cpp marks errors with an E, and the first of them names the cause."""
        try:
            with open(self.child.log, "rb") as file:
                file.seek(self._log_start)
                lines = file.read(200_000).decode(errors="replace").splitlines()
        except OSError:
            return []
        errors = [line.partition(" E ")[2].strip() for line in lines if " E " in line[:24]]
        return errors[:3] or [line.strip() for line in lines[-2:]]

    def canary(self) -> None:
        """Ask it for one token from the base, and one from the newest adapter, or for the numbers that it is there for.

        Raises OSError or ValueError.
        """
        if not self.spec.writes:
            return self._number_canary(*_NUMBER_CANARIES[self.spec.task])
        count = len(self.spec.adapter_paths)
        for chosen in {-1, count - 1}:
            scales = [{"id": i, "scale": float(i == chosen)} for i in range(count)]
            answer = self.ask("/v1/chat/completions", _CANARY | ({"lora": scales} if scales else {}), timeout_s=60)
            if not json.loads(answer).get("choices"):
                raise ValueError(f"the engine answered a test question with {answer[:200]!r}")

    def _number_canary(self, path: str, question: dict[str, Any], member: str) -> None:
        answer = self.ask(path, question, timeout_s=60)
        if not json.loads(answer).get(member):
            raise ValueError(f"the engine answered a test question with {answer[:200]!r}")

    def in_flight(self) -> int:
        """Requests that it computes or that wait in it. Raises OSError."""
        return self.work()[0]

    def work(self, timeout_s: float = 5) -> tuple[int, tuple[int, ...]]:
        """Requests in flight, and counts that grow with every request. Raises OSError."""
        said = self.ask("/metrics", timeout_s=timeout_s)
        in_flight = re.findall(rb"^llamacpp:requests_(?:processing|deferred) (\d+)", said, re.MULTILINE)
        done = re.findall(rb"^llamacpp:\w+_total (\d+)", said, re.MULTILINE)
        return sum(map(int, in_flight)), tuple(map(int, done))

    def ask(self, path: str, body: dict[str, Any] | None = None, timeout_s: float = 5) -> bytes:
        """One HTTP exchange: POST with a body, GET without. Raises OSError, also for an answer that is no success."""
        connection = http.client.HTTPConnection((self.url or "").removeprefix("http://"), timeout=timeout_s)
        try:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except http.client.HTTPException as error:
            raise OSError(f"the engine does not speak HTTP: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise OSError(f"the engine answered {path} with {response.status}: {answer[:300].decode(errors='replace')}")
        return answer

    def stop(self) -> None:
        """End it now and take its files away."""
        self.child.terminate(grace_s=1.0)
        for file in (self._spec_file, self._ready_file):
            file.unlink(missing_ok=True)


def kv_context(model_context: int, kv_bytes_per_token: int, slots: int, default: int = 4096) -> int:
    """Tokens per request such that the room of all slots fits an eighth of the machine's memory.

    An eighth, since two engines live side by side while one takes over from the other. Raises nothing: at least 512.
    """
    memory = memory_bytes() // 8
    length = min(model_context, default)
    while length > 512 and length * slots * kv_bytes_per_token > memory:
        length //= 2
    return length
