"""Makes what runs match what is wanted: the only one that starts and stops engines."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from argosy.catalog import load_cards
from argosy.core import Settings
from argosy.runtime import Blobs, Database, Vault, read_version
from argosy.runtime.processes import kill_stray
from argosy.serving.keeper import Keeper
from argosy.serving.room import memory_bytes
from argosy.serving.store import list_deployments, list_replicas, remove_replica, retry_failed
from argosy.serving.versions import PROVIDER

_TICK_S = 0.1
_MEMORY_SHARE = 0.6  # of the machine's; the rest is for training, the platform and the system
_LOOK_AGAIN_S = 2.0  # even if the version says that nothing has changed


class Reconciler:
    """One per platform, in its worker. All engines are children of this process and die with it."""

    def __init__(self, settings: Settings, database: Database, blobs: Blobs, vault: Vault | None = None) -> None:
        """``vault`` opens projects' tokens for hubs; without one, none is used."""
        self._settings, self._database, self._blobs, self._vault = settings, database, blobs, vault
        self._keepers: dict[str, Keeper] = {}
        self._seen_version: int | None = None
        self._looked_at = 0.0
        self._cleared = False
        self.budget_bytes = settings.engine_memory_bytes or int(memory_bytes() * _MEMORY_SHARE)
        """What all engines together may take."""

    def make_room(self, keeper: Keeper, needed_bytes: int) -> bool:
        """Whether an engine of ``keeper`` may take so much now; if not, the one unused for longest is unloaded."""
        others = [other for other in self._keepers.values() if other is not keeper]
        free = self.budget_bytes - sum(other.loaded_bytes for other in others)
        if needed_bytes <= free:
            return True
        if needed_bytes <= free + sum(other.leaving_bytes for other in others):
            return False  # some engine is finishing its requests already
        resting = [(since, other) for other in others if (since := other.rests_since) is not None]
        if resting:
            min(resting, key=lambda found: found[0])[1].rest()
        return False

    def run(self, stop: threading.Event, report: Callable[[Exception], None] | None = None) -> None:
        """Call `tick` until ``stop``, then `close`. A failed tick (a locked database, say) is tried again."""
        try:
            while not stop.is_set():
                try:
                    self.tick()
                except Exception as error:
                    if report:
                        report(error)
                    stop.wait(1.0)
                stop.wait(_TICK_S)
        finally:
            self.close()

    def tick(self) -> None:
        """Look once and do what is due. Never blocks for longer than a transaction takes."""
        if not self._cleared:
            self._clear_leftovers()
        with self._database.read() as tx:
            version = read_version(tx)
            looks = version != self._seen_version or time.monotonic() - self._looked_at > _LOOK_AGAIN_S
            wanted = list_deployments(tx) if looks else []
            if looks:
                load_cards(tx)
        if looks:
            for deployment in wanted:
                keeper = self._keepers.get(deployment.id)
                if deployment.spec.engine == PROVIDER:
                    if keeper is None:
                        continue
                    deployment = replace(deployment, desired="stopped", state="stopped")  # its own engine is not needed
                if keeper is None:
                    keeper = Keeper(deployment, self._settings, self._database, self._blobs, self, self._vault)
                    self._keepers[deployment.id] = keeper
                keeper.look(deployment)
            self._seen_version, self._looked_at = version, time.monotonic()
        for keeper in self._keepers.values():
            keeper.tick()

    def close(self) -> None:
        """Stop all engines now, whatever they are doing."""
        for keeper in self._keepers.values():
            keeper.close()
        self._keepers.clear()

    def _clear_leftovers(self) -> None:
        """Rows of an earlier worker speak of engines that died with it; any that did not is killed here."""
        with self._database.write() as tx:
            for row in list_replicas(tx):
                kill_stray(row.pid, row.born)
                remove_replica(tx, row.id)
            retry_failed(tx)
        for file in (self._settings.home / "run").glob("rep_*"):
            file.unlink(missing_ok=True)
        self._cleared = True
