"""Going through the whole chain: is everything there, unchanged, in order and balanced?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from argosy.billing.ledger import store
from argosy.billing.ledger.chain import FIRST_HASH, block_hash
from argosy.runtime import Transaction

_PROBLEMS_MAX = 20
_TELL_EVERY = 20_000
"""Entries."""


@dataclass
class Verification:
    """What going through the whole chain found."""

    blocks: int = 0
    entries: int = 0
    older: int = 0
    """Entries that were there before the chain began: not covered."""
    head: str = FIRST_HASH
    """The last block's hash: note it elsewhere, and even a ledger that was made anew shows."""
    problems: list[str] = field(default_factory=list)
    """What is wrong, the first twenty, in words; empty if nothing is."""

    def wrong(self, problem: str) -> None:
        """Note a problem."""
        if len(self.problems) < _PROBLEMS_MAX:
            self.problems.append(problem)


def verify(tx: Transaction, known: str | None = None, progress: Callable[[int], None] | None = None) -> Verification:
    """Go through all blocks and entries, in bounded memory.

    ``known`` is a hash that was noted before and must be in the chain; ``progress`` is told how many entries were seen.
    """
    found = Verification()
    for found in verifying(tx, known):
        if progress:
            progress(found.entries)
    return found


def verifying(tx: Transaction, known: str | None = None) -> Iterator[Verification]:
    """The same, for whoever wants to tell on the way how far it is: what was found so far, again and again, and at last
    all of it.
    """
    found = Verification()
    head = store.read_head(tx)
    if head is None:
        yield _without_head(tx, found, known)
        return
    found.older = head.first_entry - 1
    last, entries = found.older, store.all_entries(tx, head.first_entry)
    entry = next(entries, None)
    seen_known = known in (None, FIRST_HASH)
    for block in store.all_blocks(tx):
        if block.number != found.blocks + 1:
            found.wrong(f"block {found.blocks + 1} is missing: {block.number} comes next")
        if block.first_entry != last + 1:
            found.wrong(f"block {block.number} begins with entry {block.first_entry}, not {last + 1}")
        rows = []
        while entry is not None and entry[0] <= block.last_entry:
            rows.append(entry)
            entry = next(entries, None)
        _check(found, block, rows)
        told = found.entries
        last, found.blocks, found.head = block.last_entry, block.number, block.hash
        found.entries += len(rows)
        seen_known |= block.hash == known
        if told // _TELL_EVERY < found.entries // _TELL_EVERY:
            yield found
    if entry is not None:
        found.wrong(f"{1 + sum(1 for _ in entries)} entries after {last} are in no block")
    if (found.blocks, last, found.head) != head[:3]:
        found.wrong(f"the chain ends with block {found.blocks}, but its head says {head.number}")
    if not seen_known:
        found.wrong(f"the hash {known} is not in the chain: this is another ledger, or it was made anew")
    yield found


def _without_head(tx: Transaction, found: Verification, known: str | None) -> Verification:
    """Nothing was ever chained, or somebody took the head away."""
    found.older = sum(1 for _ in store.all_entries(tx, 1))
    if known not in (None, FIRST_HASH) or next(store.all_blocks(tx), None):
        found.wrong("the head of the chain is missing")
    return found


def _check(found: Verification, block: store.Block, rows: Sequence[Sequence[Any]]) -> None:
    expected = list(range(block.first_entry, block.last_entry + 1))
    if [row[0] for row in rows] != expected:
        found.wrong(
            f"block {block.number} should have {len(expected)} entries from {block.first_entry} on, not {len(rows)}"
        )
    elif block_hash(found.head, rows) != block.hash:
        found.wrong(f"block {block.number}, entries {block.first_entry} to {block.last_entry}, was changed")
    for transaction, lines in groupby(rows, key=itemgetter(1)):
        if total := sum(line[4] for line in lines):
            found.wrong(f"transaction {transaction} does not balance: {total} micro-units are left")
