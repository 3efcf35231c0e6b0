"""Names to addresses for what connects by itself, with the egress rule: where it applies, no name leads inside."""

import asyncio
import ipaddress
import socket

from argosy.runtime.egress import is_public

Address = tuple[int, tuple[object, ...]]
"""A family and what a socket of it connects to."""


async def resolve(host: str, port: int, *, public_only: bool) -> list[Address]:
    """All addresses of a host, at least one. Raises OSError; with ``public_only`` also if any of them is not public.

    The caller connects to what it is given here: asking again could give another answer.
    """
    found = _literal(host, port) or await _looked_up(host, port)
    if not found:
        raise OSError(f"{host} has no address")
    if public_only and not all(is_public(str(address[0])) for _, address in found):
        raise OSError(f"{host} is not on the public internet")
    return found


def _literal(host: str, port: int) -> list[Address]:
    """The address itself where the host is one, which saves a thread."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return []
    return [(socket.AF_INET, (host, port)) if version == 4 else (socket.AF_INET6, (host, port, 0, 0))]


async def _looked_up(host: str, port: int) -> list[Address]:
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is malformed") from error
    return list(dict.fromkeys((int(entry[0]), tuple(entry[4])) for entry in entries))
