"""No name leads inside the network, whatever its addresses are by the time it is asked for."""

import aiohttp
import pytest

from argosy.runtime.resolver import CheckedResolver


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
    async def found(self, host, port=0, family=0):
        return [{"hostname": host, "host": one, "port": port} for one in addresses]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", found)
    resolver = CheckedResolver()
    if public:
        assert [one["host"] for one in await resolver.resolve("api.example", 443)] == addresses
    else:
        with pytest.raises(OSError, match=r"api\.example is not on the public internet"):
            await resolver.resolve("api.example", 443)
