"""Receivers of webhooks on loopback, and an organization whose webhooks are delivered by a clock that tests set."""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from argosy import identity
from argosy.billing import webhooks
from argosy.billing.webhooks import Deliverer, Delivery
from argosy.runtime import Database, Vault

VAULT = Vault(b"k" * 32)


@contextmanager
def receiving(answer: Callable[[Any], None]) -> Iterator[tuple[str, list[Any]]]:
    """A receiver on loopback; what came to it: headers and body."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        server.server_close()


def say(status: int, **headers: str) -> Callable[[Any], None]:
    """Answer so, with nothing in it."""

    def answer(handler: Any) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether this was signed with the secret, as Standard Webhooks has it."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.at = int(time.time()) + 10  # after all that the test writes

    def __call__(self) -> int:
        return self.at


class Post:
    """An organization's webhooks, and the chore that serves them."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, Clock()
        with database.write() as tx:
            self.organization_id = identity.bootstrap(tx).organization_id
        self.deliverer = Deliverer(database, VAULT, self.clock)

    def add(self, url: str, private: bool = True) -> tuple[str, str]:
        made, secret, sealed = webhooks.make_webhook(VAULT, self.organization_id, url, webhooks.EVENTS, private)
        with self.database.write() as tx:
            webhooks.insert_webhook(tx, made, sealed)
        return made.id, secret

    def tell(self, number: int = 1) -> None:
        with self.database.write() as tx:
            webhooks.enqueue(tx, self.organization_id, webhooks.BUDGET_REACHED, {"number": number})

    def deliveries(self) -> list[Delivery]:
        with self.database.read() as tx:
            return webhooks.list_deliveries(tx, self.organization_id, None, None, 100)
