"""Messages to webhooks: signed, tried again, never led inside, never kept waiting by one that hangs."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.billing.webhooks.receiver import VAULT, Post, is_signed, receiving, say

from argosy.billing import webhooks
from argosy.billing.webhooks import Deliverer
from argosy.core import Invalid, UpstreamFailed
from argosy.runtime import Database, egress


@pytest.fixture
def post(database: Database) -> Post:
    return Post(database)


def test_a_message_is_signed_as_standard_webhooks_says(post: Post) -> None:
    with receiving(say(204)) as (url, got):
        _, secret = post.add(url)
        post.tell()
        assert [post.deliverer.deliver_due(), post.deliverer.deliver_due()] == [1, 0]
    ((headers, body),) = got
    (sent,) = post.deliveries()
    assert (sent.status, sent.answered, sent.attempts) == ("delivered", 204, 1)
    assert headers["webhook-id"] == sent.id
    assert is_signed(headers, body, secret)
    assert not is_signed(headers, body + b" ", secret)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert json.loads(body)["type"] == "budget.threshold_reached"
    with post.database.read() as tx:
        assert secret.encode() not in tx.execute(text("SELECT secret FROM webhooks")).scalar()


def test_it_is_tried_again_with_the_same_id_until_it_is_taken(post: Post) -> None:
    answers = [500, 503, 200]
    with receiving(lambda handler: say(answers.pop(0))(handler)) as (url, got):
        post.add(url)
        post.tell()
        assert [post.deliverer.deliver_due(), post.deliverer.deliver_due()] == [1, 0]
        post.clock.at += 5
        assert post.deliverer.deliver_due() == 1
        post.clock.at += 29
        assert post.deliverer.deliver_due() == 0
        post.clock.at += 1
        assert post.deliverer.deliver_due() == 1
    (sent,) = post.deliveries()
    assert (sent.status, sent.attempts, sent.error) == ("delivered", 3, "")
    assert len({headers["webhook-id"] for headers, _ in got}) == 1
    assert len({body for _, body in got}) == 1


def test_after_a_day_it_is_given_up(post: Post) -> None:
    with receiving(say(500)) as (url, got):
        post.add(url)
        post.tell()
        for _ in range(100):
            post.clock.at += 1_800
            post.deliverer.deliver_due()
    (sent,) = post.deliveries()
    assert (sent.status, sent.answered) == ("failed", 500)
    assert 8 <= len(got) == sent.attempts <= 16


def test_who_is_gone_is_not_asked_again(post: Post) -> None:
    with receiving(say(410)) as (url, _):
        post.add(url)
        post.tell()
        post.deliverer.deliver_due()
    assert [one.status for one in post.deliveries()] == ["failed"]


def test_a_redirect_inward_is_not_followed(post: Post) -> None:
    with (
        receiving(say(200)) as (inner, reached),
        receiving(say(307, Location=inner)) as (url, got),
    ):
        post.add(url)
        post.tell()
        post.deliverer.deliver_due()
    assert (len(got), reached) == (1, [])
    (sent,) = post.deliveries()
    assert (sent.status, sent.answered) == ("pending", 307)
    assert "redirects are not followed" in sent.error


def test_a_name_that_leads_inside_is_refused_when_it_is_told(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(say(200)) as (url, got):
        port = int(url.split(":")[2].split("/")[0])
        loopback = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        post.add(f"https://hooks.example:{port}/", private=False)
        post.tell()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: loopback)
        post.deliverer.deliver_due()
    assert got == []
    (sent,) = post.deliveries()
    assert (sent.status, sent.answered) == ("pending", None)
    assert "hooks.example is not on the public internet" in sent.error


def test_one_that_hangs_keeps_nobody_waiting(post: Post) -> None:
    held = threading.Event()
    stop = threading.Event()
    with receiving(lambda _: held.wait(20)) as (slow, _), receiving(say(200)) as (quick, got):
        post.add(slow)
        post.tell()
        post.add(quick)
        worker = threading.Thread(target=post.deliverer.run, args=(stop,), daemon=True)
        worker.start()
        time.sleep(0.3)
        for number in range(5):
            post.tell(number)
        post.clock.at += 2
        deadline = time.monotonic() + 8
        while len(got) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(got) == 5
        stop.set()
        held.set()
        worker.join(5)


def test_a_message_whose_worker_died_is_taken_up_by_another(post: Post) -> None:
    with receiving(say(200)) as (url, got):
        post.add(url)
        post.tell()
        dead = Deliverer(post.database, VAULT, post.clock)
        assert len(dead._claim()) == 1
        assert post.deliverer.deliver_due() == 0
        post.clock.at += 61
        assert post.deliverer.deliver_due() == 1
    assert (len(got), [one.status for one in post.deliveries()]) == (1, ["delivered"])


def test_two_workers_deliver_each_message_once(post: Post) -> None:
    with receiving(say(200)) as (url, got):
        post.add(url)
        for number in range(20):
            post.tell(number)
        workers = [Deliverer(post.database, VAULT, post.clock) for _ in range(3)]

        def work(one: Deliverer) -> None:
            while one.deliver_due():
                pass

        threads = [threading.Thread(target=work, args=(one,)) for one in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while post.deliverer.deliver_due():
            pass
    assert sorted(json.loads(body)["data"]["number"] for _, body in got) == list(range(20))


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com", "https://", "https://u:p@example.com/", "http://example.com/", "https://127.0.0.1/",
     "https://[::1]/", "https://169.254.169.254/", "https://a b/", "https://a.example/\r\nx: y", "https://a:99999/"],
)  # fmt: skip
def test_bad_addresses_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        webhooks.make_webhook(VAULT, "org-a", url, webhooks.EVENTS, False)


@contextmanager
def raw(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Somebody who says what he likes once he was asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(1 << 16)
        with suppress(OSError):
            answer(connection)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 ")
    while True:
        connection.sendall(b"1")
        time.sleep(0.05)


def more_and_more(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [drip, more_and_more, lambda _: time.sleep(3)])
def test_the_deadline_is_for_all_of_it(answer: Callable[[socket.socket], None]) -> None:
    started = time.monotonic()
    with raw(answer) as url, pytest.raises(UpstreamFailed, match=r"did not answer in 0\.5 seconds"):
        egress.post(url, b"{}", {}, private=True, deadline_s=0.5)
    assert time.monotonic() - started < 2


def test_of_a_huge_answer_only_the_status_is_read() -> None:
    sent = []

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        for _ in range(1_000):
            connection.sendall(b"x" * (1 << 20))
            sent.append(1)

    with raw(flood) as url:
        assert egress.post(url, b"{}", {}, private=True) == 200
    assert len(sent) < 100


def test_an_address_inside_is_refused_and_not_connected_to(tmp_path: Path) -> None:
    with receiving(say(200)) as (url, got), pytest.raises(UpstreamFailed) as refused:
        egress.post(url, b"{}", {})
    assert (refused.value.code, got) == ("private_address", [])
