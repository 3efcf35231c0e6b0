"""Batches: files of requests, answered in the background at a discount, by the same road as all other requests.

A batch is a durable job of the worker. Its lines go to the API one by one, each with a grant that only the platform can
make; answers are appended to files, so that after a crash only what has no answer yet runs again.
"""

from argosy.batches.creation import create
from argosy.batches.ending import cancel, no_such_batch
from argosy.batches.grants import Grant, read_grant
from argosy.batches.requests import ENDPOINTS, BatchRequest, read_request
from argosy.batches.store import Batch, get_batch, list_batches
from argosy.batches.story import Batcher
from argosy.batches.wire import batch_object

__all__ = [
    "ENDPOINTS",
    "Batch",
    "BatchRequest",
    "Batcher",
    "Grant",
    "batch_object",
    "cancel",
    "create",
    "get_batch",
    "list_batches",
    "no_such_batch",
    "read_grant",
    "read_request",
]
