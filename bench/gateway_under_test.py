"""Our API alone, in a home of its own, with one route to an engine: all features on, the fsynced journal among them.

usage: gateway_under_test.py ENGINE_URL. Prints its URL and a key as JSON; its log then goes to a file, as under the
supervisor. ARGOSY_REQUEST_LOG=off and OTEL_EXPORTER_OTLP_ENDPOINT have their usual meaning.
"""

import json
import os
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path

import uvloop

from argosy.api import Platform, create_app, serve
from argosy.billing import Journal, Poster, Shipper, Terms, current_prices, ensure_price, post_events
from argosy.core import Settings
from argosy.gateway import Gateway, RouteTable
from argosy.gateway.routing import Configuration
from argosy.gateway.telemetry.tracing import open_tracing
from argosy.identity import KeyRing, bootstrap
from argosy.runtime import Blobs, Database, metadata
from argosy.serving import Route

FREE = Terms("USD", 0, 0, 0)


def main(engine_url: str, price: Terms = FREE) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database = Database(f"sqlite:///{home / 'argosy.sqlite'}")
        metadata.create_all(database.engine)
        with database.write() as tx:
            secret = bootstrap(tx).secret
            ensure_price(tx, "bench", price)
        route = Route(
            model="bench", project_id=None, base_model="bench", url=engine_url, adapter_index=None, adapter_count=0,
            engine="echo", context_length=8192, replica_id="rep_bench",
        )  # fmt: skip
        poster = Poster(database.url, home / "rejected", home / "poster.log")
        keys, journal = KeyRing(database), Journal(home / "journal")
        shipper = Shipper(journal, poster.post, partial(post_events, database, rejected=home / "rejected"))
        table = RouteTable(database, lambda tx: Configuration([route], current_prices(tx)))
        gateway = Gateway(database, keys, journal, table=table, tracing=open_tracing())
        app = create_app(Platform(Settings.read(home=home), database, Blobs(home / "blobs"), keys), gateway)
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(json.dumps({"url": url, "key": secret, "poster": poster.pid}), flush=True)
        os.dup2(os.open(home / "api.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        shipper.start()
        try:
            uvloop.run(serve(app, [listener]))
        finally:
            shipper.stop()
            poster.stop()
            journal.close()


if __name__ == "__main__":
    main(sys.argv[1])
