"""The egress rule for aiohttp: no name may lead inside the network."""

import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from argosy.runtime.egress import is_public


class CheckedResolver(AbstractResolver):
    """Gives the addresses of a host only where all of them are public.

    aiohttp does not ask for hosts that are written as an address: those must have been checked before.
    """

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of the host. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise OSError(f"{host} is not on the public internet")
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()
