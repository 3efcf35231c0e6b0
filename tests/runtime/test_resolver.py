"""No name leads inside the network, whatever its addresses are by the time it is asked for."""

import asyncio
import socket

import pytest

from argosy.runtime.resolver import resolve


@pytest.mark.parametrize(
    ("addresses", "public"),
    [
        (["8.8.8.8"], True),
        (["127.0.0.1"], False),
        (["8.8.8.8", "10.0.0.1"], False),
        (["::1"], False),
        (["169.254.169.254"], False),
    ],
)
async def test_only_hosts_with_nothing_but_public_addresses_are_given(monkeypatch, addresses, public):
    async def found(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses * 2]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    expected = [(socket.AF_INET, (one, 443)) for one in addresses]
    assert await resolve("api.example", 443, public_only=False) == expected
    if public:
        assert await resolve("api.example", 443, public_only=True) == expected
    else:
        with pytest.raises(OSError, match=r"api\.example is not on the public internet"):
            await resolve("api.example", 443, public_only=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:10.0.0.1", "192.168.1.1"])
async def test_a_host_that_is_an_address_is_checked_too(host):
    assert (await resolve(host, 80, public_only=False))[0][1][0] == host
    with pytest.raises(OSError, match="not on the public internet"):
        await resolve(host, 80, public_only=True)


@pytest.mark.parametrize("host", ["\udcff", "a" * 300])
async def test_what_is_no_name_is_an_os_error(host):
    with pytest.raises(OSError):
        await resolve(host, 80, public_only=False)
