"""What dead processes left in their journals, settled.

Invariants: an outcome in the journal is posted exactly; an intent without an outcome is settled by what was delivered,
marked as an estimate; a void intent costs nothing, nor does the line of a batch, which runs again. A journal is deleted
only after all of it is in the database, so recovery may be cut off and repeated; several processes may recover at once;
journals of live processes are not touched.
"""

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from argosy.billing.frames import Progress, Void, decode
from argosy.billing.funds.leases import end_leases
from argosy.billing.posting import BATCH, post_events
from argosy.billing.segments import abandoned, exclusive, remove, segment_files
from argosy.billing.usage import CHARACTERS, Intent, UsageEvent
from argosy.runtime import Database

_log = logging.getLogger(__name__)
_CHARACTERS_OF_A_TOKEN = 4


@dataclass
class Recovered:
    """What a recovery found."""

    journals: int = 0
    posted: int = 0
    """Usage events that were not in the database yet."""
    damaged: list[Path] = field(default_factory=list)
    """Segments with bad bytes in the middle. All good records were used; the files are kept here."""


def recover(parent: Path, database: Database) -> Recovered:
    """Settle all journals below ``parent`` whose processes are gone. Raises the database's error if it is out of reach:
    then the journals are still there, and trying again is safe.
    """
    result = Recovered()
    with exclusive(parent):
        for folder in sorted(parent.glob("jrn_*")):
            with abandoned(folder) as ours:
                if ours:
                    _recover_one(folder, parent, database, result)
    if result.journals:
        _log.info("Settled %d journals of ended processes: %d usage events.", result.journals, result.posted)
    return result


def settle(intent: Intent, delivered: Progress | None) -> UsageEvent:
    """What is charged for a request whose end nobody saw: what was delivered, and nothing if nothing was."""
    return intent.ended(
        "recovered",
        delivered.at_us if delivered else intent.started_us,
        prompt=intent.prompt_estimate if delivered else 0,
        completion=delivered.delivered_tokens if delivered else 0,
        estimated=True,
        measured_units=_measured(intent, delivered.delivered_tokens) if delivered else 0,
    )


def _measured(intent: Intent, delivered_tokens: int) -> int:
    """What it brought, and for what was delivered a guess, since the words are gone."""
    return intent.measured_units + delivered_tokens * _CHARACTERS_OF_A_TOKEN * (intent.measured == CHARACTERS)


def _recover_one(folder: Path, parent: Path, database: Database, result: Recovered) -> None:
    events = _replay(folder, parent / "damaged", result)
    for start in range(0, len(events), BATCH):
        result.posted += post_events(database, events[start : start + BATCH], parent / "rejected", folder.name)
    with database.write() as tx:
        end_leases(tx, folder.name)
    remove(folder)
    result.journals += 1


def _replay(folder: Path, damaged: Path, result: Recovered) -> list[UsageEvent]:
    """One event for each id that the journal speaks of, unless it is void."""
    intents: dict[str, Intent] = {}
    delivered: dict[str, Progress] = {}
    outcomes: dict[str, UsageEvent] = {}
    for path in segment_files(folder):
        reading = decode(path.read_bytes())
        if reading.damaged:
            _keep(path, damaged, result)
        for record in reading.records:
            match record:
                case Intent():
                    intents[record.id] = record
                case Progress():
                    delivered[record.id] = record
                case UsageEvent():
                    outcomes[record.id] = record
                case Void():
                    intents.pop(record.id, None)
    open_ = {id_: intent for id_, intent in intents.items() if intent.batch_id is None}
    settled = {id_: settle(intent, delivered.get(id_)) for id_, intent in open_.items()}
    return list((settled | outcomes).values())


def _keep(path: Path, damaged: Path, result: Recovered) -> None:
    """Put a copy of a damaged segment aside, for people to look at."""
    damaged.mkdir(exist_ok=True)
    copy = damaged / f"{path.parent.name}-{path.name}"
    shutil.copyfile(path, copy)
    result.damaged.append(copy)
    _log.error("The journal segment %s has bad bytes in the middle. Its good records were used.", copy)
