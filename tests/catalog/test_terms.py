"""Licences are objects: every card has one, and what must be accepted first is refused until a project did."""

from importlib import resources

import pytest
from msgspec.structs import replace

from argosy.catalog import accept_licence, acceptance_of, card, cards, licence, licences, require_licence
from argosy.catalog.licence import parse_licence
from argosy.core import Forbidden, NotFound
from argosy.identity import bootstrap, create_project, list_keys

FILES = [file for file in resources.files("argosy.catalog").joinpath("licences").iterdir()]
STARTER = card("smollm2-135m-instruct")
LLAMA = replace(STARTER, licence="llama-3.1")
RESEARCH = replace(STARTER, licence="opt")


@pytest.fixture
def project(database):
    """The first project's id, and the id of its administrator key."""
    with database.write() as tx:
        project_id = bootstrap(tx).project_id
        return project_id, list_keys(tx, project_id)[0].id


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_licence_is_valid_and_named_after_its_file(file):
    found = parse_licence(file.read_text("utf-8"))
    assert file.name == f"{found.id}.toml"
    assert found.acceptance == (found.kind in ("community", "research")), "open terms and own contracts need no click"
    assert ("commercial" in found.uses) or found.kind != "open-source"


def test_every_card_names_a_licence_and_every_licence_is_used():
    assert {one.licence for one in cards().values()} == licences().keys()


def test_open_source_needs_no_acceptance(database, project):
    with database.read() as tx:
        require_licence(tx, project[0], STARTER, "deploy")


def test_a_community_licence_is_refused_until_the_project_accepts_it(database, project):
    project_id, key_id = project
    with database.write() as tx:
        other = create_project(tx, project_id, "other").id
        with pytest.raises(Forbidden, match=r"argosy licences accept llama-3\.1") as refused:
            require_licence(tx, project_id, LLAMA, "deploy")
        assert refused.value.code == "licence_not_accepted"
        accept_licence(tx, project_id, "llama-3.1", key_id)
        require_licence(tx, project_id, LLAMA, "deploy")
        require_licence(tx, project_id, LLAMA, "tune")
        with pytest.raises(Forbidden):
            require_licence(tx, other, LLAMA, "deploy")


def test_what_the_terms_forbid_no_acceptance_allows(database, project):
    project_id, key_id = project
    with database.write() as tx:
        accept_licence(tx, project_id, "opt", key_id)
        require_licence(tx, project_id, RESEARCH, "tune")
        with pytest.raises(Forbidden, match="does not allow to export") as refused:
            require_licence(tx, project_id, RESEARCH, "export")
        assert refused.value.code == "licence_forbids"


def test_the_first_acceptance_stays_on_record(database, project, monkeypatch):
    project_id, key_id = project
    with database.write() as tx:
        first = accept_licence(tx, project_id, "gemma", key_id)
        monkeypatch.setattr("argosy.catalog.store.now", lambda: first.accepted_at + 100)
        assert accept_licence(tx, project_id, "gemma", key_id) == first


def test_new_terms_are_accepted_anew(database, project):
    project_id, key_id = project
    with database.write() as tx:
        accept_licence(tx, project_id, "llama-3.1", key_id)
        newer = replace(licence("llama-3.1"), version="2027-01-01")
        assert acceptance_of(tx, project_id, licence("llama-3.1")) is not None
        assert acceptance_of(tx, project_id, newer) is None


def test_an_unknown_licence_gets_near_ones_suggested():
    with pytest.raises(NotFound, match=r"Did you mean .*llama-3\.1"):
        licence("llama-31")
