"""All usable keys in memory, so that finding a caller costs no database work."""

import threading

from argosy.identity.callers import Caller
from argosy.identity.secrets import digest
from argosy.identity.store import callers_by_hash
from argosy.runtime import Database, read_version


class KeyRing:
    """The keys of the platform, as they were at the last `refresh`. Empty until the first one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = -1
        self._refreshing = threading.Lock()
        self._callers: dict[str, Caller] = {}

    def find(self, secret: str) -> Caller | None:
        """The caller behind a secret, or None if it is unknown or revoked. Pure memory; any thread may ask.

        The secret's hash is looked up, never compared character by character, so timing tells nothing about it.
        """
        return self._callers.get(digest(secret))

    def refresh(self) -> bool:
        """Load the keys again if anything was changed since the last time; says whether it did.

        A process calls this several times a second, which is what bounds how long a revoked key is still let in.
        """
        # One at a time: of two at once, the one with the older view could be the last to put it in place.
        with self._refreshing, self._database.read() as tx:
            # Version first: a change between the two reads is then loaded now and once more, never missed.
            version = read_version(tx)
            if version == self._version:
                return False
            self._callers, self._version = callers_by_hash(tx), version
        return True
