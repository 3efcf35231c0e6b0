"""Stored responses on both databases: conversations, projects, bad rows among good ones, and forgetting."""

import asyncio
import threading
from dataclasses import replace

import pytest

from argosy.core import Invalid, Unavailable, now
from argosy.gateway.wires.responses import Archive, StoredResponse, archive
from argosy.gateway.wires.responses.store import (
    conversation,
    delete_response,
    find_response,
    forget_before,
    insert_responses,
)
from argosy.identity import bootstrap, create_project


@pytest.fixture
def projects(database):
    with database.write() as tx:
        mine = bootstrap(tx).project_id
        return mine, create_project(tx, mine, "stranger").id


def turn(number, project_id, previous=None, created_at=None):
    text = f'[{{"type":"message","role":"user","content":"{number} \\u0000 华北"}}]'
    before = None if previous is None else f"resp_{previous}"
    return StoredResponse(f"resp_{number}", project_id, before, created_at or now(), text, '{"output":[]}')


def test_a_conversation_is_found_from_its_end_and_by_its_project(database, projects):
    mine, theirs = projects
    turns = [turn(number, mine, number - 1 if number else None) for number in range(50)]
    with database.write() as tx:
        insert_responses(tx, [*turns, turn(99, theirs, 7)])
    with database.read() as tx:
        assert conversation(tx, mine, "resp_49") == turns
        assert conversation(tx, mine, "resp_3") == turns[:4]
        assert conversation(tx, theirs, "resp_49") == conversation(tx, mine, "resp_x") == []
        assert [one.id for one in conversation(tx, theirs, "resp_99")] == ["resp_99"], "not into another project"
        assert find_response(tx, mine, "resp_3") == turns[3]
        assert find_response(tx, theirs, "resp_3") is None


def test_deleting_is_for_the_owner_and_forgetting_for_the_oldest(database, projects):
    mine, theirs = projects
    with database.write() as tx:
        insert_responses(tx, [turn(number, mine, created_at=number + 1) for number in range(5)])
        assert not delete_response(tx, theirs, "resp_0")
        assert delete_response(tx, mine, "resp_0")
        assert not delete_response(tx, mine, "resp_0")
        assert forget_before(tx, 5, 2) == 2
        assert find_response(tx, mine, "resp_2") is None
        assert find_response(tx, mine, "resp_3") is not None
        assert (forget_before(tx, 5, 2), forget_before(tx, 5, 2)) == (1, 0)


async def test_a_row_that_cannot_be_written_does_not_harm_the_others(database, projects):
    mine, theirs = projects
    archive = Archive(database)
    rows = [turn(number, mine) for number in range(40)]
    rows[7] = turn(7, "proj_nobody")
    outcomes = await asyncio.gather(*map(archive.save, rows), return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if outcome] == [7]
    assert isinstance(outcomes[7], Unavailable)
    assert [one.id for one in await archive.earlier(mine, "resp_39")] == ["resp_39"]
    with pytest.raises(Invalid):
        await archive.earlier(theirs, "resp_39")
    with pytest.raises(Unavailable):
        await archive.save(rows[0])
    await archive.save(replace(rows[0], id="resp_again"))


async def test_who_was_told_that_it_is_not_stored_is_not_stored(database, projects, monkeypatch):
    mine, _ = projects
    insert, over = archive.insert_responses, threading.Event()
    monkeypatch.setattr(archive, "insert_responses", lambda *given: over.wait(5) and insert(*given))
    monkeypatch.setattr(archive, "PATIENCE_S", 0.1)
    kept = Archive(database)
    at_work = asyncio.create_task(kept.save(turn(0, mine)))
    await asyncio.sleep(0.01)
    outcomes = await asyncio.gather(at_work, kept.save(turn(1, mine)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 2
    over.set()
    await kept.save(turn(2, mine))
    with database.read() as tx:
        assert find_response(tx, mine, "resp_1") is None
        assert find_response(tx, mine, "resp_2") is not None


async def test_what_is_too_old_goes_with_the_next_one(database, projects):
    mine, _ = projects
    with database.write() as tx:
        insert_responses(tx, [turn(0, mine, created_at=1)])
    await Archive(database).save(turn(1, mine))
    for _ in range(100):
        with database.read() as tx:
            if find_response(tx, mine, "resp_0") is None:
                return
        await asyncio.sleep(0.01)
    pytest.fail("the old response is still there")
