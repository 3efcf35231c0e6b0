"""The hash chain over the ledger: a change to what was posted shows, whoever made it.

Each posting appends one block: its entries, and a SHA-256 over them and the hash of the block before. Whoever has noted
a hash, such as the one on an invoice, can prove that nothing up to there was changed since.

Invariants: entries are numbered without gaps, in the order in which they are committed; a block is committed together
with its entries; blocks are appended one at a time, by whoever holds the head's row.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

FIRST_HASH = "0" * 64
"""What the first block is chained to."""
SEALED = ("id", "transaction_id", "account", "project_id", "amount", "currency", "model", "quantity", "usage_id",
          "party", "created_at")  # fmt: skip
"""The columns that a hash covers, in order: all."""


class Head(NamedTuple):
    """Where the chain ends."""

    number: int
    """Of the last block; 0 before the first."""
    last_entry: int
    hash: str
    first_entry: int = 1
    """Entries below are older than the chain."""


def block_hash(previous: str, rows: Sequence[Sequence[Any]]) -> str:
    """SHA-256, in hex, over the hash before and the rows as MessagePack: one meaning for each sequence of bytes."""
    return hashlib.sha256(bytes.fromhex(previous) + msgspec.msgpack.encode(rows)).hexdigest()
