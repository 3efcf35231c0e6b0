import json

import pytest
from tests.datasets.rows import chat, good, jsonl

from argosy.core import Invalid, NotFound
from argosy.datasets import add_file, delete_file, find_dataset_version, freeze
from argosy.identity import create_project, default_project


@pytest.fixture
def project_id(database):
    with database.write() as tx:
        return default_project(tx)


@pytest.fixture
def upload(database, blobs, project_id):
    """The id of a new file with this content."""

    def store(content):
        digest, size = blobs.put([content])
        with database.write() as tx:
            return add_file(tx, project_id, "rows.jsonl", "fine-tune", size, digest).id

    return store


def test_a_version_holds_the_rows_in_one_shape_whatever_they_came_in(database, blobs, project_id, upload):
    rows = [*good(9), {"prompt": "Hi", "completion": "你好"}]
    version = freeze(database, blobs, project_id, upload(b"\xef\xbb\xbf" + jsonl(rows).replace(b"\n", b"\r\n")))

    stored = blobs.path(version.digest).read_bytes()
    assert stored == b"".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for row in [*good(9), chat("Hi", "你好")]
    )
    assert (version.row_count, version.format) == (10, "mixed")
    with database.read() as tx:
        assert find_dataset_version(tx, project_id, version.id) == version


def test_freezing_again_gives_the_same_version_even_after_the_rows_were_uploaded_again(
    database, blobs, project_id, upload
):
    file_id = upload(jsonl(good()))
    first = freeze(database, blobs, project_id, file_id)
    assert freeze(database, blobs, project_id, file_id) == first
    assert freeze(database, blobs, project_id, upload(jsonl(good()))).digest == first.digest


def test_a_bad_file_is_refused_with_everything_that_is_wrong(database, blobs, project_id, upload):
    content = jsonl(good()) + b"oops\n" + jsonl([chat(answer="")])
    with pytest.raises(Invalid) as refused:
        freeze(database, blobs, project_id, upload(content))
    assert refused.value.code == "invalid_training_file"
    assert "line 11: " in refused.value.message
    assert [problem["line"] for problem in refused.value.details] == [11, 12]


def test_a_version_outlives_its_file_but_a_deleted_file_is_not_frozen_again(database, blobs, project_id, upload):
    file_id = upload(jsonl(good()))
    version = freeze(database, blobs, project_id, file_id)
    with database.write() as tx:
        delete_file(tx, project_id, file_id)
        assert find_dataset_version(tx, project_id, version.id) == version
    with pytest.raises(NotFound):
        freeze(database, blobs, project_id, file_id)


def test_files_and_versions_of_another_project_are_as_good_as_none(database, blobs, project_id, upload):
    file_id = upload(jsonl(good()))
    version = freeze(database, blobs, project_id, file_id)
    with database.write() as tx:
        stranger = create_project(tx, project_id, "stranger").id
        with pytest.raises(NotFound):
            find_dataset_version(tx, stranger, version.id)
        with pytest.raises(NotFound):
            delete_file(tx, stranger, file_id)
    with pytest.raises(NotFound):
        freeze(database, blobs, stranger, file_id)
