"""A repository of a hub, or a folder, becomes a card that pins all that is pulled later; only headers are read."""

import hashlib
import json
import struct

import pytest
from tests.published import KV_HEADS, LAYERS, REVISION, WIDTH, Hub, write_published, write_safetensors
from tests.serving.tiny import write_model

from argosy.catalog import Description, import_card, pull
from argosy.catalog.safetensors import parse_header
from argosy.core import ArgosyError, Forbidden, Invalid, NotFound, UpstreamFailed

GIVEN = Description("small-one")
PARTS = {
    "config.json", "tokenizer.json", "tokenizer_config.json",
    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
}  # fmt: skip


@pytest.fixture
def hub(tmp_path):
    write_published(tmp_path / "published")
    (tmp_path / "packed").mkdir()
    write_model(tmp_path / "packed" / "one.gguf")
    write_model(tmp_path / "packed" / "two.gguf", seed=2)
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"\x80\x02")
    made = Hub({f"acme/{name}": tmp_path / name for name in ("published", "packed", "pickled")})
    yield made
    made.close()


def bring(hub, place, given=GIVEN, **environment):
    return import_card(place, given, {"HF_ENDPOINT": hub.url, **environment})


def test_a_card_of_safetensors_pins_every_part_and_says_what_it_costs(hub, tmp_path):
    made, cost = bring(hub, "hf:acme/published")
    assert (made.architecture, made.licence, made.modality) == ("llama", "Apache-2.0", "chat")
    assert made.sources[0].revision == REVISION
    assert {file.path for file in made.parts.files} == PARTS
    for file in made.parts.files:
        content = (tmp_path / "published" / file.path).read_bytes()
        assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert cost.weights == 2 * made.parameters
    assert cost.per_token == 4 * LAYERS * KV_HEADS * (WIDTH // 4)
    assert made.shipped_form == "BF16"


def test_what_was_pinned_is_pulled_and_checked(hub, tmp_path):
    made, _ = bring(hub, "hf:acme/published")
    folder = pull(made, tmp_path / "home", lambda _: None, {"HF_ENDPOINT": hub.url})
    assert {file.name for file in folder.iterdir()} == PARTS
    (tmp_path / "published" / "config.json").write_text("{}")
    (folder / "config.json").unlink()
    with pytest.raises(UpstreamFailed, match="No source delivered"):
        pull(made, tmp_path / "home", lambda _: None, {"HF_ENDPOINT": hub.url})
    assert not (folder / "config.json").exists()


def test_a_cut_pull_of_parts_goes_on_where_it_broke_off(hub, tmp_path):
    made, _ = bring(hub, "hf:acme/published")
    folder = tmp_path / "home" / "models" / "small-one" / "parts"
    folder.mkdir(parents=True)
    shard = next(file for file in made.parts.files if file.path.startswith("model-00002"))
    content = (tmp_path / "published" / shard.path).read_bytes()
    (folder / f".part-{shard.sha256[:16]}").write_bytes(content[:1000])
    (folder / ".part-other").write_bytes(b"of another revision")
    told = []
    pull(made, tmp_path / "home", told.append, {"HF_ENDPOINT": hub.url})
    assert min(one.done_bytes for one in told if shard.path in one.message and one.done_bytes) == 1000
    assert {file.name for file in folder.iterdir()} == PARTS


def test_a_folder_on_this_machine_is_imported_the_same_way(tmp_path):
    write_published(tmp_path / "published", form="F16")
    made, _ = import_card(str(tmp_path / "published"), Description("small-one", "MIT"), {})
    assert {file.path for file in made.parts.files} == PARTS
    assert made.shipped_form == "F16"
    folder = pull(made, tmp_path / "home", lambda _: None, {})
    assert (folder / "config.json").read_bytes() == (tmp_path / "published" / "config.json").read_bytes()


def test_of_several_packed_files_one_must_be_named(hub):
    with pytest.raises(Invalid, match=r"Name one: one.gguf, two.gguf"):
        bring(hub, "hf:acme/packed")
    made, _ = bring(hub, "hf:acme/packed@main/two.gguf")
    assert (made.file.name, made.sources[0].path) == ("two.gguf", "two.gguf")
    with pytest.raises(NotFound):
        bring(hub, "hf:acme/packed/three.gguf")


def test_only_the_beginning_of_a_packed_file_is_read(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("argosy.catalog.importing._HEADER_BYTES", 1024)  # less than its header has: asked once more
    size = (tmp_path / "packed" / "one.gguf").stat().st_size
    made, _ = bring(hub, "hf:acme/packed/one.gguf")
    assert made.file.size_bytes == size
    assert [path for path in hub.asked if path.endswith("one.gguf")] == [hub.asked[-1]] * 2


def test_a_repository_of_pickles_is_refused(hub):
    with pytest.raises(Invalid, match="pickle"):
        bring(hub, "hf:acme/pickled")


@pytest.mark.parametrize("place", ["hf:acme", "hf:", "hf:acme/../secret", "hf:a/b/../../etc", "hf:acme/x y"])
def test_a_name_that_is_none_is_told(hub, place):
    with pytest.raises(ArgosyError):
        bring(hub, place)
    assert not any(".." in path for path in hub.asked)


def test_an_unknown_repository_and_a_hub_that_is_away_are_told(hub):
    with pytest.raises(NotFound, match="has no repository 'acme/nothing'"):
        bring(hub, "hf:acme/nothing")
    hub.close()
    with pytest.raises(UpstreamFailed):
        bring(hub, "hf:acme/published")


def test_a_gated_repository_needs_the_token_and_the_message_says_how_to_give_it(tmp_path):
    write_published(tmp_path / "published")
    hub = Hub({"acme/published": tmp_path / "published"}, token="hf_secret")
    with pytest.raises(Forbidden, match="argosy hub-token set"):
        bring(hub, "hf:acme/published")
    made, _ = bring(hub, "hf:acme/published", HF_TOKEN="hf_secret")
    assert made.sources[0].gated
    environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret"}
    assert pull(made, tmp_path / "home", lambda _: None, environment).exists()
    assert set(hub.shown[1:]) == {"Bearer hf_secret"}
    hub.close()


def test_a_licence_that_the_hub_does_not_tell_must_be_named(tmp_path):
    write_published(tmp_path / "published")
    hub = Hub({"acme/published": tmp_path / "published"}, licence="other")
    with pytest.raises(Invalid, match="--licence"):
        bring(hub, "hf:acme/published")
    assert bring(hub, "hf:acme/published", Description("small-one", "MIT"))[0].licence == "MIT"
    hub.close()


def test_an_architecture_or_a_tokenizer_that_is_not_known_is_told_with_what_to_do(tmp_path):
    write_published(tmp_path, "GrokForCausalLM")
    with pytest.raises(Invalid, match=r"GrokForCausalLM is not converted here.*GGUF"):
        import_card(str(tmp_path), Description("small-one", "MIT"), {})
    write_published(tmp_path)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    tokenizer["model"]["byte_fallback"] = True
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(Invalid, match=r"tokenizer.*GGUF"):
        import_card(str(tmp_path), Description("small-one", "MIT"), {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 1 << 40) + b"{}",
        struct.pack("<Q", 99_000_000) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 5) + b"[[[[[",
        struct.pack("<Q", 4) + b"null",
    ],
)
def test_a_hostile_header_is_refused_before_anything_is_made_of_it(tmp_path, content):
    write_published(tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(content)
    with pytest.raises(Invalid, match="model-00001"):
        import_card(str(tmp_path), Description("small-one", "MIT"), {})


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 50]},
        {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]},
        {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [4]},
        [],
    ],
)
def test_a_tensor_outside_of_its_file_or_of_a_strange_kind_is_refused(entry):
    header = b"\0" * 8 + json.dumps({"model.norm.weight": entry}).encode()
    with pytest.raises(Invalid):
        parse_header(header, len(header) + 16, "model.safetensors")


def test_the_helper_writes_what_is_read(tmp_path):
    import numpy as np

    write_safetensors(tmp_path / "one.safetensors", {"a": np.ones((2, 3), np.float32)})
    content = (tmp_path / "one.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    (tensor,) = parse_header(content[: 8 + size], len(content), "one")
    assert (tensor.name, tensor.shape, tensor.size, tensor.start) == ("a", (2, 3), 24, 8 + size)
