"""A file becomes a card, or is refused with the reason; nothing in it is ever run, whatever it holds."""

import contextlib
import pickle
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.serving.tiny import write_model

from argosy.catalog import Description, add_card, card, cards, import_card, load_cards, remove_card
from argosy.catalog.registry import take_imported
from argosy.catalog.weights import open_weights
from argosy.core import ArgosyError, Conflict, Invalid, NotFound
from argosy.identity import default_project

TINY = Description("tiny-one", "MIT")
_EXTREMES = [b"\xff" * 8, b"\x00" * 8, struct.pack("<Q", 1 << 62)]


def card_of(path, description=TINY):
    return import_card(str(path), description, {})[0]


@pytest.fixture(autouse=True)
def _forget():
    yield
    take_imported([])


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "tiny model.gguf")


def test_a_card_says_what_the_header_says(gguf):
    seen = []
    made, cost = import_card(str(gguf), TINY, {}, seen.append)
    weights = open_weights(gguf)
    assert (made.name, made.licence, made.architecture) == ("tiny-one", "MIT", weights.fields["general.architecture"])
    assert made.context_length == weights.number("context_length")
    assert made.sources[0].path == str(gguf)
    assert made.file.size_bytes == gguf.stat().st_size == seen[-1] == cost.weights
    assert made.modality in ("chat", "completion")


def test_an_imported_card_is_known_everywhere_after_loading_and_can_be_forgotten(database, gguf):
    made = card_of(gguf)
    with database.write() as tx:
        project_id = default_project(tx)
        add_card(tx, project_id, made)
        add_card(tx, project_id, made)
    with pytest.raises(NotFound):
        card("tiny-one")
    with database.read() as tx:
        load_cards(tx)
    assert card("tiny-one") == made
    assert list(cards()) == sorted(cards())
    with database.write() as tx:
        assert remove_card(tx, "tiny-one")
        load_cards(tx)
    assert "tiny-one" not in cards()


def test_a_name_is_taken_once(database, gguf):
    made = card_of(gguf)
    with database.write() as tx:
        project_id = default_project(tx)
        add_card(tx, project_id, made)
        for other in (Description("tiny-one", "Apache-2.0"), Description("bge-m3", "MIT")):
            with pytest.raises(Conflict, match="Choose another name"):
                add_card(tx, project_id, card_of(gguf, other))


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".gguf"])
def test_a_pickle_is_refused_unopened(tmp_path, suffix):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(Invalid, match="pickle") as refused:
        card_of(path)
    assert refused.value.code == "pickle_refused"
    assert not (tmp_path / "ran").exists()


def test_a_torch_archive_is_a_pickle_too(tmp_path):
    path = tmp_path / "model.gguf"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")
    with pytest.raises(Invalid, match="pickle"):
        card_of(path)


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (struct.pack("<Q", 1 << 60) + b"{}", "huge.safetensors", "format_not_served"),
        (b"GGUF", "short.gguf", "weights_damaged"),
        (b"", "empty.gguf", "weights_damaged"),
        (b"<html>not found</html>", "page.gguf", "weights_damaged"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path, content, name, code):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid) as refused:
        card_of(tmp_path / name)
    assert refused.value.code == code


def test_a_missing_file_an_unknown_licence_and_a_bad_name_are_told(tmp_path, gguf):
    for path, description in (
        (tmp_path / "nothing.gguf", TINY),
        (tmp_path, TINY),
        (gguf, Description("Bad Name", "MIT")),
        (gguf, Description("tiny-one", "no-such-licence")),
    ):
        with pytest.raises(ArgosyError):
            card_of(path, description)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_header_says_reading_it_ends_with_a_card_or_a_refusal(gguf, tmp_path, data):
    """Bytes of the header are exchanged for others, among them the largest counts and sizes there are."""
    content = bytearray(gguf.read_bytes())
    limit = min(len(content), open_weights(gguf).data_start)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(4, limit - 9))
        new = data.draw(st.sampled_from(_EXTREMES) | st.binary(min_size=1, max_size=8))
        content[place : place + len(new)] = new
    path = tmp_path / "fuzzed.gguf"
    path.write_bytes(content[: data.draw(st.integers(limit // 2, len(content)))])
    with contextlib.suppress(Invalid):
        card_of(path)
