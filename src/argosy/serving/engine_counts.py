"""What the running engines say that they have computed since they started."""

import http.client
import re

from argosy.billing.reconciliation import EngineCount
from argosy.runtime import Database
from argosy.serving.store import list_deployments, list_replicas

_COUNTS = re.compile(rb"^llamacpp:(prompt_tokens|tokens_predicted)_total (\d+)", re.MULTILINE)
_PATIENCE_S = 5.0


def engine_counts(database: Database) -> list[EngineCount]:
    """Of each engine that answers. Raises the database's error."""
    with database.read() as tx:
        models = {deployment.id: deployment.model for deployment in list_deployments(tx)}
        running = [row for row in list_replicas(tx) if row.url and row.state in ("ready", "draining")]
    found = []
    for row in running:
        counts = dict(_COUNTS.findall(_metrics(row.url or "")))
        if len(counts) == 2:
            tokens = int(counts[b"prompt_tokens"]), int(counts[b"tokens_predicted"])
            found.append(EngineCount(row.id, models.get(row.deployment_id, ""), *tokens))
    return found


def _metrics(url: str) -> bytes:
    """Empty for an engine that does not answer: it may have ended just now."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()
