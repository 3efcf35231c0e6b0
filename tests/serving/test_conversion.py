"""Safetensors become one file that the engine runs, with every tensor and token in its place."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.published import HEADS, KV_HEADS, LETTERS, TEMPLATE, write_published

from argosy.catalog import Description, ModelCard, import_card
from argosy.core import Invalid
from argosy.serving.conversion import convert


def made_of(folder: Path) -> ModelCard:
    return import_card(str(folder), Description("small-one", "MIT"), {})[0]


def converted(folder: Path) -> gguf.GGUFReader:
    target = folder.parent / "made.gguf"
    card = made_of(folder)
    assert card.parts
    convert(folder, card.parts, target, "Small One")
    return gguf.GGUFReader(target)


def tensors(reader: gguf.GGUFReader) -> dict[str, np.ndarray]:
    return {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}


def field(reader: gguf.GGUFReader, name: str) -> Any:
    return reader.fields[name].contents()


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"])
@pytest.mark.parametrize("form", ["F32", "BF16", "F16"])
def test_every_tensor_is_there_in_its_place(tmp_path: Path, architecture: str, form: str) -> None:
    before = write_published(tmp_path / "published", architecture, form)
    after = tensors(converted(tmp_path / "published"))
    assert len(after) == len(before)
    up = before["model.layers.1.mlp.up_proj.weight"]
    assert np.allclose(after["blk.1.ffn_up.weight"], up, atol=0.01)
    assert np.allclose(after["token_embd.weight"], before["model.embed_tokens.weight"], atol=0.05)
    query = before["model.layers.0.self_attn.q_proj.weight"]
    if architecture == "LlamaForCausalLM":  # row 1 of a head is its other half's first: rotation works on neighbours
        assert np.allclose(after["blk.0.attn_q.weight"][1], query[query.shape[0] // HEADS // 2], atol=0.01)
        key = before["model.layers.0.self_attn.k_proj.weight"]
        assert np.allclose(after["blk.0.attn_k.weight"][1], key[key.shape[0] // KV_HEADS // 2], atol=0.01)
    else:
        assert np.allclose(after["blk.0.attn_q.weight"], query, atol=0.01)
    norm = before["model.layers.0.input_layernorm.weight"]
    assert np.allclose(after["blk.0.attn_norm.weight"], norm, atol=0.01 if form == "BF16" else 1e-3)


def test_the_tokenizer_and_the_template_are_there(tmp_path: Path) -> None:
    write_published(tmp_path / "published")
    reader = converted(tmp_path / "published")
    tokens = field(reader, "tokenizer.ggml.tokens")
    assert (tokens[ord("A")], tokens[LETTERS], tokens[LETTERS + 1]) == ("A", "<start>", "<end>")
    assert field(reader, "tokenizer.ggml.eos_token_id") == LETTERS + 1
    assert field(reader, "tokenizer.ggml.pre") == "gpt-2"
    assert field(reader, "tokenizer.chat_template") == TEMPLATE
    assert not field(reader, "tokenizer.ggml.add_bos_token")


def test_positions_scaled_as_llama_3_1_does_are_kept(tmp_path: Path) -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 64,
               "low_freq_factor": 1.0, "high_freq_factor": 4.0}  # fmt: skip
    write_published(tmp_path / "published", rope_scaling=scaling)
    factors = tensors(converted(tmp_path / "published"))["rope_freqs.weight"]
    assert factors[0] == 1  # the fastest wave turns often within 64 tokens: it is left alone
    assert factors[-1] == 8  # the slowest does not turn once: it is stretched whole
    assert all(np.diff(factors) >= 0)


def test_a_missing_tensor_and_one_without_a_place_are_told_and_leave_nothing(tmp_path: Path) -> None:
    write_published(tmp_path / "published", num_hidden_layers=3)
    with pytest.raises(Invalid, match="9 tensors are missing"):
        converted(tmp_path / "published")
    write_published(tmp_path / "published", "Qwen3ForCausalLM")
    card = made_of(tmp_path / "published")
    assert card.parts
    for shard in (tmp_path / "published").glob("*.safetensors"):
        shard.write_bytes(shard.read_bytes().replace(b"q_norm", b"x_norm"))
    with pytest.raises(Invalid, match="no place for the tensor"):
        convert(tmp_path / "published", card.parts, tmp_path / "made.gguf", "Small One")
    assert not list(tmp_path.glob("*made.gguf*"))


def test_a_damaged_tokenizer_is_told(tmp_path: Path) -> None:
    write_published(tmp_path / "published")
    card = made_of(tmp_path / "published")
    assert card.parts
    tokenizer = json.loads((tmp_path / "published" / "tokenizer.json").read_text())
    tokenizer["added_tokens"][0]["id"] = 1 << 20
    (tmp_path / "published" / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(Invalid, match=r"tokenizer\.json is malformed"):
        convert(tmp_path / "published", card.parts, tmp_path / "made.gguf", "Small One")
