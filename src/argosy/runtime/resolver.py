"""The egress rule for aiohttp: no name may lead inside the network, unless an operator said so."""

import socket
from collections.abc import Collection

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from argosy.runtime.egress import is_public


class CheckedResolver(AbstractResolver):
    """Gives addresses only where all of a host's are public, or the host is one that was allowed.

    aiohttp does not ask for hosts that are written as an address: those must have been checked before.
    """

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()
        self.private_hosts: Collection[str] = ()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of the host. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        if host not in self.private_hosts and not all(is_public(one["host"]) for one in found):
            raise OSError(f"{host} is not on the public internet")
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()
