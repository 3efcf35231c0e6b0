"""Keeps one deployment as it is wanted: prepared, started, replaced when its adapters change, restarted if it dies."""

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from argosy.catalog import ModelVersion, adapters_of
from argosy.core import NotFound, Settings, now, now_us
from argosy.runtime import Blobs, Database
from argosy.serving.draining import Drain
from argosy.serving.engines import EngineSpec
from argosy.serving.preparing import Preparation
from argosy.serving.pulse import Pulse
from argosy.serving.replicas import Replica
from argosy.serving.route import modality_of
from argosy.serving.store import (
    Deployment,
    ReplicaRow,
    add_replica,
    remove_replica,
    set_replica_state,
    set_state,
    switch_replicas,
)

_START_S_MAX = 120.0
_CRASHES_MAX = 6
_PROVEN_S = 30.0  # an engine that lived this long starts the count of crashes anew
_BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
_BUSY_S = 1.0  # an engine that had work within this time is not unloaded for another
_DRAINS_MAX = 3  # engines that finish their requests while newer ones already answer


class Memory(Protocol):
    """The memory that all engines share."""

    budget_bytes: int

    def make_room(self, keeper: "Keeper", needed_bytes: int) -> bool:
        """Whether there is room now; if not, the engine that was unused for longest is unloaded for it."""


@dataclass
class _Starting:
    """A successor on its way: loading, then answering its canary in a thread."""

    replica: Replica
    suspects: list[str]
    """Adapters that no engine of ours has loaded yet: if it fails, they may be why."""
    canary: threading.Thread | None = None
    canary_error: str = ""
    canary_passed: bool = False


class Keeper:
    """One per deployment, used by one thread: `look` when something changed, `tick` ten times a second."""

    def __init__(
        self, deployment: Deployment, settings: Settings, database: Database, blobs: Blobs, memory: "Memory"
    ) -> None:
        self._deployment, self._settings, self._database, self._blobs = deployment, settings, database, blobs
        self._memory = memory
        self._rested_us = now_us() if deployment.state == "idle" else None
        """When its engine was unloaded until a request comes; None while it is to be loaded."""
        self._wanted: list[ModelVersion] = []
        self._preparation: Preparation | None = None
        self._current: Replica | None = None
        self._pulse: Pulse | None = None
        self._starting: _Starting | None = None
        self._drains: list[Drain] = []
        self._left_out: dict[str, str] = {}
        """Adapters that cannot be loaded, with the reason."""
        self._one_by_one = False
        """After a failed start: add one unproven adapter at a time, to find the one at fault."""
        self._crashes = 0
        self._not_before = 0.0
        self._told = ("", "")

    def look(self, deployment: Deployment) -> None:
        """Take note of what is wanted now."""
        if self._deployment.engine != deployment.engine or (
            deployment.state == "pulling" and self._deployment.state in ("failed", "stopped")
        ):
            self._forget_past()
            self._rested_us = None
        self._deployment = deployment
        with self._database.read() as tx:
            self._wanted = adapters_of(tx, deployment.model)

    def tick(self) -> None:
        """Do what is due."""
        self._drains = [drain for drain in self._drains if not self._drained(drain)]
        if self._deployment.desired == "stopped":
            return self._wind_down()
        if self._deployment.state == "failed":
            return
        if self._rested_us is not None:
            if (self._deployment.asked_us or 0) < self._rested_us:
                return
            self._rested_us = None
        self._watch_current()
        if self._starting:
            self._watch_start(self._starting)
        elif self._unused():
            self.rest()
        elif self._prepared() and self._due() and self._room():
            self._start()

    def close(self) -> None:
        """Stop all engines at once, without draining."""
        replicas = [drain.replica for drain in self._drains]
        replicas += [replica for replica in (self._current, self._starting and self._starting.replica) if replica]
        for replica in replicas:
            self._discard(replica)
        self._drains, self._current, self._starting = [], None, None

    # Unloading, and making room

    @property
    def loaded_bytes(self) -> int:
        """What its engines take now, those included that are starting or finish their requests."""
        count = len(self._drains) + (self._current is not None) + (self._starting is not None)
        return count * self._needed_bytes()

    @property
    def leaving_bytes(self) -> int:
        """What will be free when the engines that finish their requests have ended."""
        return len(self._drains) * self._needed_bytes()

    @property
    def rests_since(self) -> float | None:
        """When its engine last had work, for one that could be unloaded now; None for any other."""
        if self._current is None or self._starting or self._pulse is None or self._pulse.idle_s() < _BUSY_S:
            return None
        return self._pulse.used_at

    def rest(self) -> None:
        """Unload the engine until a request asks for it."""
        assert self._current
        with self._database.write() as tx:
            set_replica_state(tx, self._current.id, "draining")
        self._drains.append(Drain(self._current))
        self._current, self._rested_us = None, now_us()
        self._set_state("idle", progress=None)

    def _unused(self) -> bool:
        limit = self._deployment.idle_unload_s
        return bool(limit and self._current and self._pulse and self._pulse.idle_s() > limit)

    def _room(self) -> bool:
        """Whether a first engine may start; a successor of one that runs may always. Says why not."""
        if self._current is not None:
            return True
        needed = self._needed_bytes()
        if needed > self._memory.budget_bytes:
            self._fail(
                f"The model needs {needed / 2**30:.1f} GiB with the room of its requests, and engines may take "
                f"{self._memory.budget_bytes / 2**30:.1f} GiB together. Set ARGOSY_ENGINE_MEMORY_GB if there is more."
            )
            return False
        if self._memory.make_room(self, needed):
            return True
        if self._told != (waits := ("starting", "Waiting for the memory of other models")):
            self._told = waits
            self._set_state("starting", progress=waits[1])
        return False

    def _needed_bytes(self) -> int:
        """Of one engine: its weights, the room of its requests, and its adapters."""
        prepared = self._preparation and self._preparation.result
        return prepared.memory_bytes + sum(one.size_bytes for one in self._loadable()) if prepared else 0

    # Preparing

    def _prepared(self) -> bool:
        if self._preparation is None:
            self._preparation = Preparation(self._deployment.model, self._deployment.engine, self._settings.home)
        work = self._preparation
        if work.error:
            self._fail(work.error)
        elif work.result is None and (work.state, work.progress) != self._told:
            self._told = (work.state, work.progress)
            self._set_state(work.state, progress=work.progress)
        return work.result is not None

    # Starting and switching

    def _due(self) -> bool:
        """Whether a new engine is needed, and may start now."""
        if time.monotonic() < self._not_before or len(self._drains) >= _DRAINS_MAX:
            return False
        if self._current is None or self._current.engine != self._deployment.engine:
            return True
        return list(self._current.spec.adapter_names) != [adapter.name for adapter in self._loadable()]

    def _loadable(self) -> list[ModelVersion]:
        return [adapter for adapter in self._wanted if adapter.name not in self._left_out]

    def _selection(self) -> list[ModelVersion]:
        """The adapters of the next engine: all, or in doubt the proven ones and one more."""
        if not self._one_by_one:
            return self._loadable()
        if self._current is None:
            return []
        proven = set(self._current.spec.adapter_names)
        unproven = [adapter.name for adapter in self._loadable() if adapter.name not in proven]
        return [adapter for adapter in self._loadable() if adapter.name in proven | set(unproven[:1])]

    def _start(self) -> None:
        prepared = self._preparation and self._preparation.result
        assert prepared
        names, paths = [], []
        for adapter in self._selection():
            try:
                paths.append(str(self._blobs.path(adapter.digest)))
                names.append(adapter.name)
            except NotFound as error:
                self._left_out[adapter.name] = error.message
        spec = EngineSpec(
            name=self._deployment.model,
            ready_file="",
            model_path=prepared.model_path,
            adapter_names=tuple(names),
            adapter_paths=tuple(paths),
            context_length=prepared.context_length,
            task=modality_of(self._deployment.model),
        )
        home = self._settings.home
        log = home / "logs" / f"engine-{self._deployment.model}.log"
        try:
            replica = Replica(self._deployment.engine, spec, home / "run", log)
        except OSError as error:
            return self._crashed(f"The engine process could not be started: {error}", [])
        proven = self._current.spec.adapter_names if self._current else ()
        self._starting = _Starting(replica, [name for name in names if name not in proven])
        with self._database.write() as tx:
            add_replica(tx, self._row(replica))
            if self._current is None:
                set_state(tx, self._deployment.id, "starting", progress="Starting the engine")

    def _watch_start(self, starting: _Starting) -> None:
        replica = starting.replica
        late = time.monotonic() - replica.started > _START_S_MAX
        if replica.dead or late or starting.canary_error:
            reason = starting.canary_error or (
                "The engine did not become ready in time." if late and not replica.dead else replica.failure
            )
            self._starting = None
            self._discard(replica)
            return self._crashed(reason, starting.suspects)
        if starting.canary is None and replica.announced():
            starting.canary = threading.Thread(target=_ask_canary, args=(starting,), daemon=True)
            starting.canary.start()
            starting.canary.join(0.15)  # mostly it is there by then, and the switch need not wait for the next tick
        if starting.canary_passed:
            self._switch(replica)

    def _switch(self, replica: Replica) -> None:
        """From here on requests go to ``replica``; the one before finishes what it has, and stops."""
        previous, self._current, self._starting = self._current, replica, None
        self._pulse = Pulse(replica)
        prepared = self._preparation and self._preparation.result
        assert prepared
        with self._database.write() as tx:
            switch_replicas(tx, replica.id, replica.url or "", previous.id if previous else None)
            detail = {
                **prepared.detail,
                "adapters": len(replica.spec.adapter_names),
                "left_out": self._left_out or None,
            }
            context = replica.spec.context_length
            set_state(tx, self._deployment.id, "ready", progress=None, context_length=context, **detail)
        if previous:
            self._drains.append(Drain(previous))
        if self._one_by_one and len(replica.spec.adapter_names) == len(self._loadable()):
            self._one_by_one = False

    # What goes wrong

    def _watch_current(self) -> None:
        replica = self._current
        if replica is None:
            return
        if time.monotonic() - replica.started > _PROVEN_S:
            self._crashes = 0
        if replica.dead or (self._pulse and self._pulse.lost()):
            reason = replica.failure if replica.dead else "The engine did not answer any more and was ended."
            self._current = None
            self._discard(replica, reason)
            self._crashed(reason, [])

    def _crashed(self, reason: str, suspects: list[str]) -> None:
        """An engine ended or never came up. Try again soon, then later, then say that it failed."""
        if self._one_by_one and len(suspects) == 1 and self._current:
            self._left_out[suspects[0]] = reason
            self._set_state("ready", left_out=self._left_out)
            return
        self._crashes += 1
        if suspects and self._crashes >= 2:
            self._one_by_one = True
        if self._crashes >= _CRASHES_MAX and self._current is None:
            log = self._settings.home / "logs" / f"engine-{self._deployment.model}.log"
            return self._fail(
                f"The engine failed {self._crashes} times in a row. {reason} The whole log is {log}. "
                f"When the cause is gone, run 'argosy deploy {self._deployment.model}' to try again."
            )
        self._not_before = time.monotonic() + _BACKOFF_S[min(self._crashes - 1, len(_BACKOFF_S) - 1)]
        if self._current is None:
            self._set_state("starting", progress=f"Starting the engine again. {reason}")

    def _fail(self, error: str) -> None:
        self._set_state("failed", error)
        self._forget_past()

    def _forget_past(self) -> None:
        self._preparation, self._crashes, self._not_before, self._one_by_one = None, 0, 0.0, False
        self._left_out.clear()

    # Stopping

    def _wind_down(self) -> None:
        if self._starting:
            self._discard(self._starting.replica)
            self._starting = None
        if self._current:
            with self._database.write() as tx:
                set_replica_state(tx, self._current.id, "draining")
            self._drains.append(Drain(self._current))
            self._current = None
        if not self._drains and self._deployment.state != "stopped":
            self._set_state("stopped", progress=None)
            self._forget_past()

    def _drained(self, drain: Drain) -> bool:
        if not drain.finished():
            return False
        self._discard(drain.replica)
        return True

    def _discard(self, replica: Replica, error: str | None = None) -> None:
        """Take its routes away, then the process."""
        with self._database.write() as tx:
            if error:
                set_replica_state(tx, replica.id, "dead", error)
            else:
                remove_replica(tx, replica.id)
        replica.stop()

    def _set_state(self, state: str, error: str | None = None, **detail: object) -> None:
        with self._database.write() as tx:
            set_state(tx, self._deployment.id, state, error, **detail)
        self._deployment = Deployment(**{**vars(self._deployment), "state": state, "error": error})

    def _row(self, replica: Replica) -> ReplicaRow:
        return ReplicaRow(
            id=replica.id,
            deployment_id=self._deployment.id,
            pid=replica.child.pid,
            born=replica.born,
            url=None,
            state="starting",
            adapters=list(replica.spec.adapter_names),
            context_length=replica.spec.context_length,
            error=None,
            started_at=now(),
        )


def _ask_canary(starting: _Starting) -> None:
    try:
        starting.replica.canary()
        starting.canary_passed = True
    except (OSError, ValueError) as error:
        starting.canary_error = f"The engine did not pass its first test: {error}"
