"""Keeps one deployment as it is wanted: prepared, started, replaced when it changes, restarted if an engine dies."""

import os
import time
from dataclasses import dataclass, replace
from typing import Protocol

from argosy.catalog import ModelVersion, adapters_of, hub_environment
from argosy.core import NotFound, Settings, Unavailable, now, now_us
from argosy.runtime import Blobs, Database, Vault
from argosy.serving.draining import Drain
from argosy.serving.engines import EngineSpec
from argosy.serving.logs import engine_log
from argosy.serving.preparing import Preparation, Prepared
from argosy.serving.pulse import Pulse
from argosy.serving.replicas import Replica
from argosy.serving.route import modality_of
from argosy.serving.starting import Start
from argosy.serving.store import (
    Deployment,
    ReplicaRow,
    add_replica,
    give_up_version,
    remove_replica,
    set_outcome,
    set_replica_state,
    set_state,
    switch_replicas,
)

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


@dataclass(frozen=True)
class _Running:
    """An engine that takes requests."""

    replica: Replica
    pulse: Pulse


class Keeper:
    """One per deployment, used by one thread: `look` when something changed, `tick` ten times a second."""

    def __init__(
        self,
        deployment: Deployment,
        settings: Settings,
        database: Database,
        blobs: Blobs,
        memory: "Memory",
        vault: Vault | None,
    ) -> None:
        self._deployment, self._settings, self._database, self._blobs = deployment, settings, database, blobs
        self._vault = vault
        self._memory = memory
        self._rested_us = now_us() if deployment.state == "idle" else None
        """When its engines were unloaded until a request comes; None while they are to be loaded."""
        self._wanted: list[ModelVersion] = []
        self._preparation: Preparation | None = None
        self._running: list[_Running] = []
        self._starting: Start | None = None
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
        again = deployment.state == "pulling" and self._deployment.state in ("failed", "stopped")
        if again or self._deployment.version != deployment.version:
            self._forget_past()
        if again or self._deployment.spec.engine != deployment.spec.engine:
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
        self._watch_running()
        if self._starting:
            self._watch_start(self._starting)
        elif self._unused():
            self.rest()
        elif len(self._running) > self._deployment.replicas:
            self._drain(self._stale() or self._running[-1])
        elif self._prepared() and self._due() and self._room():
            self._start()

    def close(self) -> None:
        """Stop all engines at once, without draining."""
        for replica in self._replicas():
            self._discard(replica)
        self._drains, self._running, self._starting = [], [], None

    def _replicas(self) -> list[Replica]:
        """All of its processes, whatever they are doing."""
        found = [drain.replica for drain in self._drains] + [one.replica for one in self._running]
        return [*found, self._starting.replica] if self._starting else found

    # Unloading, and making room

    @property
    def loaded_bytes(self) -> int:
        """What its engines take now, those included that are starting or finish their requests."""
        return sum(replica.memory_bytes for replica in self._replicas())

    @property
    def leaving_bytes(self) -> int:
        """What will be free when the engines that finish their requests have ended."""
        return sum(drain.replica.memory_bytes for drain in self._drains)

    @property
    def rests_since(self) -> float | None:
        """When its engines last had work, if they could be unloaded now; None otherwise."""
        if not self._running or self._starting or self._idle_s() < _BUSY_S:
            return None
        return max(one.pulse.used_at for one in self._running)

    def rest(self) -> None:
        """Unload the engines until a request asks for them."""
        while self._running:
            self._drain(self._running[0])
        self._rested_us = now_us()
        self._set_state("idle", progress=None)

    def _idle_s(self) -> float:
        return min(one.pulse.idle_s() for one in self._running)

    def _unused(self) -> bool:
        limit = self._deployment.idle_unload_s
        return bool(limit and self._running and self._idle_s() > limit)

    def _room(self) -> bool:
        """Whether one more engine may start; the successor of one that runs may always. Says why not."""
        if len(self._running) >= self._deployment.replicas:
            return True
        needed = self._needed_bytes()
        if needed > self._memory.budget_bytes:
            self._fail(
                f"The model needs {needed / 2**30:.1f} GiB with the room of its requests, and engines may take "
                f"{self._memory.budget_bytes / 2**30:.1f} GiB together. Set ARGOSY_ENGINE_MEMORY_GB if there is more."
            )
            return False
        taken = sum(one.replica.memory_bytes for one in self._running)
        fits = taken + needed <= self._memory.budget_bytes  # else no other model makes room for one more replica
        if fits and self._memory.make_room(self, taken + needed):
            return True
        self._tell("starting", "Waiting for the memory of other models")
        return False

    def _needed_bytes(self) -> int:
        """Of one engine: its weights, the room of its requests, and its adapters."""
        return self._result().memory_bytes + sum(one.size_bytes for one in self._loadable())

    # Preparing

    def _prepared(self) -> bool:
        """Whether the weights are here, in the right form; they are fetched and fitted meanwhile."""
        if self._preparation is None:
            try:
                with self._database.read() as tx:
                    environment = hub_environment(tx, self._deployment.project_id, self._vault)
            except Unavailable as error:
                self._fail(error.message)
                return False
            self._preparation = Preparation(
                self._deployment.model, self._deployment.spec, self._settings.home, environment
            )
        work = self._preparation
        if work.error:
            self._fail(work.error)
        elif work.result is None:
            self._tell(work.state, work.progress)
        return work.result is not None

    def _result(self) -> Prepared:
        assert self._preparation
        assert self._preparation.result
        return self._preparation.result

    # Starting and switching

    def _due(self) -> bool:
        """Whether a new engine is needed, and may start now."""
        if time.monotonic() < self._not_before or len(self._drains) >= _DRAINS_MAX:
            return False
        return len(self._running) < self._deployment.replicas or self._stale() is not None

    def _stale(self) -> _Running | None:
        """An engine that is not as it is wanted now, if there is one."""
        names = tuple(adapter.name for adapter in self._loadable())
        for one in self._running:
            there = one.replica.version, one.replica.spec.adapter_names, one.replica.spec.threads
            if there != (self._deployment.version, names, self._threads()):
                return one
        return None

    def _threads(self) -> int:
        """Of one engine: they share the cores; 0 is all."""
        count = self._deployment.replicas
        return 0 if count == 1 else max(1, len(os.sched_getaffinity(0)) // count)

    def _loadable(self) -> list[ModelVersion]:
        return [adapter for adapter in self._wanted if adapter.name not in self._left_out]

    def _proven(self) -> set[str]:
        """Adapters that some engine of ours has loaded."""
        return {name for one in self._running for name in one.replica.spec.adapter_names}

    def _selection(self) -> list[ModelVersion]:
        """The adapters of the next engine: all, or in doubt the proven ones and one more."""
        if not self._one_by_one:
            return self._loadable()
        if not self._running:
            return []
        proven = self._proven()
        unproven = [adapter.name for adapter in self._loadable() if adapter.name not in proven]
        return [adapter for adapter in self._loadable() if adapter.name in proven | set(unproven[:1])]

    def _start(self) -> None:
        prepared = self._result()
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
            threads=self._threads(),
        )
        home, version = self._settings.home, self._deployment.version
        log = engine_log(home, self._deployment.model)
        try:
            replica = Replica(
                self._deployment.spec.engine, spec, home / "run", log,
                version=version, memory_bytes=self._needed_bytes(),
            )  # fmt: skip
        except OSError as error:
            return self._crashed(f"The engine process could not be started: {error}", [])
        proven = self._proven()
        self._starting = Start(replica, [name for name in names if name not in proven])
        with self._database.write() as tx:
            add_replica(tx, self._row(replica))
        self._tell("starting", "Starting the engine")

    def _watch_start(self, starting: Start) -> None:
        if failure := starting.look():
            self._starting = None
            self._discard(starting.replica)
            return self._crashed(failure, starting.suspects)
        if starting.ready:
            self._switch(starting.replica)

    def _switch(self, replica: Replica) -> None:
        """From here on requests go to ``replica``; one that it replaces finishes what it has, and stops."""
        surplus = self._stale() if len(self._running) >= self._deployment.replicas else None
        if surplus:
            self._running.remove(surplus)
            self._drains.append(Drain(surplus.replica))
        self._running.append(_Running(replica, Pulse(replica)))
        self._starting, self._told = None, ("", "")
        known, adapters = self._result().detail, len(replica.spec.adapter_names)
        with self._database.write() as tx:
            switch_replicas(tx, replica.id, replica.url or "", surplus.replica.id if surplus else None)
            set_outcome(tx, self._deployment.id, replica.version, fit=known)
            set_state(
                tx, self._deployment.id, "ready", progress=None, rollout=None, refused=None, **known,
                context_length=replica.spec.context_length, adapters=adapters, left_out=self._left_out or None,
            )  # fmt: skip
        self._deployment = replace(self._deployment, state="ready", error=None)
        if self._one_by_one and adapters == len(self._loadable()):
            self._one_by_one = False

    # What goes wrong

    def _watch_running(self) -> None:
        for one in list(self._running):
            replica = one.replica
            if time.monotonic() - replica.started > _PROVEN_S and replica.version == self._deployment.version:
                self._crashes = 0
            if replica.dead or one.pulse.lost():
                reason = replica.failure if replica.dead else "The engine did not answer any more and was ended."
                self._running.remove(one)
                self._discard(replica, reason)
                self._crashed(reason, [])

    def _crashed(self, reason: str, suspects: list[str]) -> None:
        """An engine ended or never came up. Try again soon, then later, then say that it failed."""
        if self._one_by_one and len(suspects) == 1 and self._running:
            self._left_out[suspects[0]] = reason
            self._set_state("ready", left_out=self._left_out)
            return
        self._crashes += 1
        if suspects and self._crashes >= 2:
            self._one_by_one = True
        if self._crashes >= _CRASHES_MAX and (not self._running or self._changes_version()):
            log = engine_log(self._settings.home, self._deployment.model)
            return self._fail(
                f"The engine failed {self._crashes} times in a row. {reason} The whole log is {log}. "
                f"When the cause is gone, run 'argosy deploy {self._deployment.model}' to try again."
            )
        self._not_before = time.monotonic() + _BACKOFF_S[min(self._crashes - 1, len(_BACKOFF_S) - 1)]
        self._tell("starting", f"Starting the engine again. {reason}")

    def _fail(self, error: str) -> None:
        """This version cannot be served. If engines of another one are, they go on."""
        failed = self._deployment
        self._forget_past()
        if self._changes_version():
            with self._database.write() as tx:
                serving = self._running[0].replica.version
                self._deployment = give_up_version(tx, failed.id, failed.version, error, serving)
            return
        with self._database.write() as tx:
            set_outcome(tx, failed.id, failed.version, error=error)
        self._set_state("failed", error)

    def _changes_version(self) -> bool:
        """Whether engines of another version answer while this one is made ready."""
        return bool(self._running) and all(one.replica.version != self._deployment.version for one in self._running)

    def _forget_past(self) -> None:
        self._preparation, self._crashes, self._not_before, self._one_by_one = None, 0, 0.0, False
        self._told = ("", "")
        self._left_out.clear()
        if self._starting:
            self._discard(self._starting.replica)
            self._starting = None

    # Stopping

    def _wind_down(self) -> None:
        if self._starting:
            self._discard(self._starting.replica)
            self._starting = None
        while self._running:
            self._drain(self._running[0])
        if not self._drains and self._deployment.state != "stopped":
            self._set_state("stopped", progress=None)
            self._forget_past()

    def _drain(self, one: _Running) -> None:
        """Give it no more requests, and stop it when it has finished those that it has."""
        with self._database.write() as tx:
            set_replica_state(tx, one.replica.id, "draining")
        self._running.remove(one)
        self._drains.append(Drain(one.replica))

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

    # Telling

    def _tell(self, state: str, progress: str) -> None:
        """Say how far it is, once: as its state, or beside it while engines answer already."""
        if (state, progress) == self._told:
            return
        if not self._running:
            self._set_state(state, progress=progress)
        elif self._changes_version():
            self._set_state("ready", rollout={"version": self._deployment.version, "state": state, "says": progress})
        self._told = (state, progress)

    def _set_state(self, state: str, error: str | None = None, **detail: object) -> None:
        with self._database.write() as tx:
            set_state(tx, self._deployment.id, state, error, **detail)
        self._deployment = replace(self._deployment, state=state, error=error)

    def _row(self, replica: Replica) -> ReplicaRow:
        return ReplicaRow(
            id=replica.id,
            deployment_id=self._deployment.id,
            version=replica.version,
            pid=replica.child.pid,
            born=replica.born,
            url=None,
            state="starting",
            adapters=list(replica.spec.adapter_names),
            context_length=replica.spec.context_length,
            error=None,
            started_at=now(),
        )
