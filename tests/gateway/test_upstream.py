"""The client under every request, against peers that are dead, slow, malformed or hostile; on both event loops."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import tracemalloc

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.gateway.wire_server import answers, answers_once, wire_server

from argosy.gateway import connection, upstream
from argosy.gateway.connection import Lost, NotReached, Silent
from argosy.gateway.upstream import Pool
from argosy.runtime import resolver

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"content-length: 5\r\n\r\nhello"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()], ids=["asyncio", "uvloop"])
def event_loop_policy(request):
    return request.param


@contextlib.asynccontextmanager
async def pool(**given):
    running = Pool(**{"connect_s": 0.3, "silence_s": 5.0, "idle_s": 3.0, **given})
    running.start()
    try:
        yield running
    finally:
        running.stop()


async def ask(running, url, body=b"{}"):
    response = await running.post(url + "/v1/x", body)
    try:
        return await response.read()
    finally:
        response.leave()


async def closed(running):
    """Wait until no connection stands."""
    for _ in range(4000):
        if not running.open_connections:
            return True
        await asyncio.sleep(0.005)
    return False


async def arrived(server):
    """Wait until a request is with the server."""
    while not server.requests:
        await asyncio.sleep(0.001)


async def free(running):
    """Wait until all connections that stand may be used."""
    while sum(map(len, running._idle.values())) < running.open_connections:
        await asyncio.sleep(0.001)


async def test_a_connection_is_used_again_and_the_request_is_what_engines_expect():
    async with wire_server(answers(HELLO)) as server, pool() as running:
        assert [await ask(running, server.url, body) for body in (b'{"a":1}', b'{"b":"\xc3\xa9"}')] == [b"hello"] * 2
        assert len(server.peers) == 1
    head, _, body = server.requests[1].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /v1/x HTTP/1.1"
    assert b"host: 127.0.0.1:%d" % server.port in head
    for line in (b"content-type: application/json", b"accept-encoding: identity", b"content-length: 10"):
        assert line in head.split(b"\r\n")
    assert body == b'{"b":"\xc3\xa9"}'


async def test_requests_at_once_have_connections_of_their_own():
    async with wire_server(answers(HELLO, pause_s=0.02)) as server, pool() as running:
        assert await asyncio.gather(*(ask(running, server.url) for _ in range(20))) == [b"hello"] * 20
        assert len(server.peers) == 20


BODIES = {
    "length": (HELLO, True),
    "no body": (OK + b"content-length: 0\r\n\r\n", True),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", True),
    "extensions and trailers": (CHUNKED + b"5;a=b\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", True),
    "interim answers": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + HELLO, True),
    "until the end": (OK + b"content-type: text/plain\r\n\r\nhello", False),
    "said to close": (OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello", False),
    "old": (b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", False),
    "garbage behind": (HELLO + b"garbage", False),
    "an answer too many": (HELLO + HELLO, False),
    "a second head": (HELLO + b"HTTP/1.1 500 No\r\n", False),
}


@pytest.mark.parametrize("drip", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("kind", BODIES)
async def test_a_body_ends_where_it_says_and_only_a_clean_end_keeps_the_connection(kind, drip):
    answer, kept = BODIES[kind]
    pieces = [answer[i : i + 1] for i in range(len(answer))] if drip else [answer]
    async with wire_server(answers_once(*pieces) if not kept else answers(*pieces)) as server, pool() as running:
        expected = b"" if kind == "no body" else b"hello"
        assert await ask(running, server.url) == expected
        if kept:
            assert running.open_connections == 1
        else:
            assert await closed(running)
        await free(running)
        assert await ask(running, server.url) == expected
        assert len(server.peers) == (1 if kept else 2)


HOSTILE = {
    "no HTTP": b"220 smtp ready\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "closed at once": b"",
    "closed in the head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "closed in the body": OK + b"content-length: 9\r\n\r\nhello",
    "closed in a chunk": CHUNKED + b"9\r\nhello",
    "closed before the last chunk": CHUNKED + b"5\r\nhello\r\n",
    "chunk size is no number": CHUNKED + b"zz\r\nhello\r\n",
    "chunk size is negative": CHUNKED + b"-5\r\nhello\r\n",
    "chunk size overflows": CHUNKED + b"fffffffffffffffff\r\nhello\r\n",
    "chunk is longer than it says": CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
    "length is no number": OK + b"content-length: five\r\n\r\nhello",
    "length is negative": OK + b"content-length: -5\r\n\r\nhello",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "length and chunked": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
    "NUL in a header": OK + b"x: a\0b\r\ncontent-length: 5\r\n\r\nhello",
}
FLOODS = {
    "one header": [OK + b"x: "] + [b"a" * 8192] * 40,
    "many headers": [OK] + [b"x-y: z\r\n" * 1024] * 40,
    "interim answers": [b"HTTP/1.1 100 Continue\r\n\r\n" * 400] * 40,
    "trailers": [CHUNKED + b"5\r\nhello\r\n0\r\n"] + [b"x-y: z\r\n" * 1024] * 40,
    "a trailer": [CHUNKED + b"5\r\nhello\r\n0\r\nx: "] + [b"a" * 8192] * 40,
    "a chunk extension": [CHUNKED + b"5;x="] + [b"a" * 8192] * 40,
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_is_cut_or_malformed_is_lost_and_sent_once(kind):
    async with wire_server(answers_once(HOSTILE[kind])) as server, pool() as running:
        with pytest.raises(Lost):
            await ask(running, server.url)
        assert await closed(running)
        assert len(server.requests) == 1


@pytest.mark.parametrize("kind", FLOODS)
async def test_what_is_not_body_has_a_limit(kind):
    async with wire_server(answers_once(*FLOODS[kind], pause_s=0.0005)) as server, pool() as running:
        with pytest.raises(Lost):
            await ask(running, server.url)
        assert await closed(running)


async def test_a_whole_body_has_a_limit(monkeypatch):
    monkeypatch.setattr(connection, "BODY_BYTES_MAX", 1 << 20)
    async with wire_server(answers_once(OK + b"\r\n", *[b"x" * 65536] * 64)) as server, pool() as running:
        with pytest.raises(Lost):
            await ask(running, server.url)
        assert await closed(running)


async def test_what_came_before_a_cut_is_given_first():
    async with wire_server(answers_once(HOSTILE["closed in a chunk"])) as server, pool() as running:
        response = await running.post(server.url, b"{}")
        await asyncio.sleep(0.05)
        assert await response.piece() == b"hello"
        with pytest.raises(Lost):
            await response.piece()


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with pool() as running:
        with pytest.raises(NotReached):
            await ask(running, f"http://127.0.0.1:{port}")


async def test_a_connection_that_is_not_taken_is_given_up_in_time():
    with socket.socket() as full, contextlib.ExitStack() as filling:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # from here on the kernel leaves the next one waiting
            one = filling.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with pool(connect_s=0.1) as running, asyncio.timeout(20):  # the kernel would try for two minutes
            with pytest.raises(NotReached):
                await ask(running, f"http://127.0.0.1:{full.getsockname()[1]}")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "http://127.0.0.1:99999", "http://\udcff/", "x"])
async def test_no_address(url):
    async with pool() as running:
        with pytest.raises(NotReached):
            await running.post(url, b"{}")


async def test_a_header_cannot_end_its_line():
    async with wire_server(answers(HELLO)) as server, pool() as running:
        for value in ("a\r\nx: y", "a\ny", "a\ry"):
            with pytest.raises(ValueError, match="line break"):
                await running.post(server.url, b"{}", {"authorization": value})
        response = await running.post(server.url, b"{}", {"authorization": "Bearer sk"})
        assert await response.read() == b"hello"
        assert b"\r\nauthorization: Bearer sk\r\n" in server.requests[-1]


# Idle connections.


@pytest.mark.parametrize("answer", [CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"])
async def test_a_stream_after_which_the_peer_closes_does_not_take_the_next_request_along(answer):
    async with wire_server(answers_once(answer)) as server, pool() as running:
        for _ in range(50):  # asked again before the loop can have heard of the end
            assert await ask(running, server.url) == b"hello"
        assert len(server.requests) == 50


async def test_a_connection_that_died_while_idle_is_not_used():
    async with wire_server(answers_once(HELLO)) as server, pool() as running:
        for _ in range(5):
            assert await ask(running, server.url) == b"hello"
            await asyncio.sleep(0.02)
        assert len(server.requests) == 5


async def test_a_death_that_the_loop_has_not_heard_of_is_seen_before_use(monkeypatch):
    monkeypatch.setattr(upstream, "FRESH_S", 0)
    async with wire_server(answers(HELLO)) as server, pool() as running:
        await ask(running, server.url)
        [idle] = running._origins
        assert idle.is_usable(tls=False)
        server.peers[0].writer.transport.abort()
        await asyncio.sleep(0)  # the peer, in this very process, closes its socket; our side has not been called yet
        assert not idle.transport.is_closing()
        assert await ask(running, server.url) == b"hello"
        assert len(server.requests) == 2


async def test_a_word_that_nobody_asked_for_closes_an_idle_connection():
    async with wire_server(answers_once(HELLO, b"", b"HTTP/1.1 200 OK\r\n", pause_s=0.03)) as server, pool() as running:
        assert await ask(running, server.url) == b"hello"
        assert running.open_connections == 1
        assert await closed(running)
        assert await ask(running, server.url) == b"hello"


async def test_idle_connections_are_closed_in_time_and_the_last_used_goes_first():
    async with wire_server(answers(HELLO, pause_s=0.01)) as server, pool(idle_s=0.3, silence_s=0.4) as running:
        await asyncio.gather(*(ask(running, server.url) for _ in range(3)))
        assert running.open_connections == 3
        async with asyncio.timeout(20):
            while running.open_connections > 1:  # one is kept busy, the others grow old
                await ask(running, server.url)
                await asyncio.sleep(0.03)
        assert len(server.peers) == 3
        assert await closed(running)


async def test_stop_ends_what_is_on_its_way():
    async def say(peer):
        await peer.request()
        await peer.gone()

    async with wire_server(say) as server, pool() as running:
        asking = asyncio.create_task(ask(running, server.url))
        await arrived(server)
        running.stop()
        with pytest.raises(Lost):
            await asking


# Time and pace.


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200", CHUNKED, CHUNKED + b"5\r\nhel"], ids=range(4))
async def test_silence_is_given_up(start):
    async def say(peer):
        await peer.request()
        await peer.say(start)
        await peer.gone()

    async with wire_server(say) as server, pool(silence_s=0.15) as running:
        with pytest.raises(Silent):
            await ask(running, server.url)
        assert await closed(running)


async def test_a_slow_drip_is_not_silence():
    pieces = [b"1\r\nx\r\n"] * 10
    async with (
        wire_server(answers(CHUNKED, *pieces, b"0\r\n\r\n", pause_s=0.04)) as server,
        pool(silence_s=0.2) as running,
    ):
        assert await ask(running, server.url) == b"x" * 10


async def test_a_slow_reader_holds_the_sender_back_and_memory_is_bounded():
    size, sent = 32 << 20, 0

    async def say(peer):
        nonlocal sent
        await peer.request()
        await peer.say(OK + b"content-length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            await peer.say(b"x" * 65536)
            sent += 65536
        await peer.gone()

    tracemalloc.start()
    try:
        async with wire_server(say) as server, pool(silence_s=0.2) as running:
            response = await running.post(server.url, b"{}")
            await asyncio.sleep(0.5)  # longer than the silence that is allowed: it is ours, not the engine's
            assert sent < size / 2
            assert response.waiting_bytes < 2 * connection.WAITING_BYTES_MAX + (1 << 18)
            got = 0
            while piece := await response.piece():
                got += len(piece)
            assert got == size
            assert running.open_connections == 1
            assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


async def test_a_large_body_goes_out_and_an_early_refusal_is_heard():
    async def say(peer):
        if not peer.requests:
            await peer.request()
            await peer.say(HELLO)
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.sleep(0.1)

    async with wire_server(say) as server, pool() as running:
        body = b"x" * (8 << 20)
        assert await ask(running, server.url, body) == b"hello"
        assert server.requests[0].endswith(body)
        response = await running.post(server.url, body)
        assert (response.status, await response.start(1)) == (413, b"n")
        response.leave()
        assert await closed(running)


# Cancellation.


@pytest.mark.parametrize("start", [b"", CHUNKED + b"5\r\nhello\r\n"], ids=["before the head", "in the body"])
async def test_cancelling_closes_the_connection_at_once(start):
    gone = asyncio.Event()

    async def say(peer):
        await peer.request()
        await peer.say(start)
        if await peer.gone():
            gone.set()

    async with wire_server(say) as server, pool() as running:
        asking = asyncio.create_task(ask(running, server.url))
        await arrived(server)
        while start and not all(one._response.status for one in running._origins):
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(gone.wait(), 20)
        assert await closed(running)


async def test_cancelling_while_it_connects_leaves_nothing(monkeypatch):
    async def never(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(upstream, "_connected", never)
    async with pool(connect_s=30) as running:
        asking = asyncio.create_task(ask(running, "http://127.0.0.1:9"))
        await asyncio.sleep(0.02)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert running.open_connections == 0


# Where it connects to.


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch):
    async with wire_server(answers(HELLO)) as server, pool(public_only=True) as running:
        asked = []

        async def found(host, port, *, public_only):
            asked.append((host, port, public_only))
            return [(socket.AF_INET, ("127.0.0.1", server.port))]

        monkeypatch.setattr(upstream, "resolve", found)
        assert await ask(running, "http://api.example:81") == b"hello"
        assert asked == [("api.example", 81, True)]
        assert b"\r\nhost: api.example:81\r\n" in server.requests[0]


async def test_nothing_inside_the_network_is_reached_where_only_the_public_is_allowed(monkeypatch):
    async def private(host, port):
        return [(socket.AF_INET, ("8.8.8.8", port)), (socket.AF_INET, ("127.0.0.1", port))]

    monkeypatch.setattr(resolver, "_looked_up", private)
    async with wire_server(answers(HELLO)) as server, pool(public_only=True) as running:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            with pytest.raises(NotReached):
                await ask(running, f"http://{host}:{server.port}")
        assert server.peers == []


async def test_the_next_address_is_tried(monkeypatch):
    async with wire_server(answers(HELLO)) as server, pool() as running:

        async def found(host, port, *, public_only):
            return [(socket.AF_INET, ("127.0.0.1", 9)), (socket.AF_INET, ("127.0.0.1", server.port))]

        monkeypatch.setattr(upstream, "resolve", found)
        assert await ask(running, "http://api.example") == b"hello"


# TLS.


def certificate(folder, name):
    """A key and a certificate that signs itself, both in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none) + made.public_bytes(pem))
    return file


@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("localhost", False), ("elsewhere", True)])
async def test_tls_names_its_host_and_checks_the_certificate(tmp_path, monkeypatch, name, trusted):
    file = certificate(tmp_path, name)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(file)
    named = []
    theirs.sni_callback = lambda _, host, __: named.append(host)
    if trusted:
        real = ssl.create_default_context
        monkeypatch.setattr(ssl, "create_default_context", lambda: real(cafile=file))
    async with wire_server(answers(HELLO), theirs) as server, pool(connect_s=2) as running:
        if name == "localhost" and trusted:
            for _ in range(3):
                assert await ask(running, server.url) == b"hello"
                await asyncio.sleep(0.02)
            assert len(server.peers) == 1
        else:
            with pytest.raises(NotReached):
                await ask(running, server.url)
            assert server.requests == []
        assert set(named) == {"localhost"}


async def test_a_handshake_that_hangs_is_given_up_in_time():
    async def say(peer):
        await peer.gone()

    async with wire_server(say) as server, pool(connect_s=0.1) as running:
        with pytest.raises(NotReached):
            await ask(running, server.url.replace("http:", "https:"))
