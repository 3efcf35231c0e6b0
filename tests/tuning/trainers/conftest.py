"""What the trainer's tests stand on: a tiny random base in GGUF, and the starter model for what needs real weights."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

SMALL = {"layers": 2, "width": 64, "inner": 128, "heads": 4, "key_heads": 2, "context": 512}


@pytest.fixture(scope="session")
def base_gguf(starter_gguf: Path) -> Path:
    """The starter model's file."""
    return starter_gguf


@pytest.fixture(scope="session")
def metadata(base_gguf: Path) -> dict[str, Any]:
    """The starter model's metadata: a real tokenizer and a real chat template."""
    return {name: field.contents() for name, field in gguf.GGUFReader(base_gguf).fields.items()}


@pytest.fixture(scope="session")
def small_gguf(tmp_path_factory: pytest.TempPathFactory, metadata: dict[str, Any]) -> Path:
    """A random llama of two thin layers with the starter model's tokenizer: trains in milliseconds a step."""
    path = tmp_path_factory.mktemp("small") / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    sizes = {
        "block_count": SMALL["layers"], "embedding_length": SMALL["width"], "context_length": SMALL["context"],
        "feed_forward_length": SMALL["inner"], "attention.head_count": SMALL["heads"],
        "attention.head_count_kv": SMALL["key_heads"], "vocab_size": len(metadata["tokenizer.ggml.tokens"]),
        "rope.dimension_count": SMALL["width"] // SMALL["heads"],
    }  # fmt: skip
    for name, value in sizes.items():
        writer.add_uint32(f"llama.{name}", value)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    for name in ("tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.chat_template"):
        writer.add_string(name, metadata[name])
    for name in ("tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type"):
        writer.add_array(name, metadata[name])
    for name in ("bos", "eos"):
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", metadata[f"tokenizer.ggml.{name}_token_id"])
    for name, shape in _small_tensors(len(metadata["tokenizer.ggml.tokens"])).items():
        writer.add_tensor(name, _random(name, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def chart_rows(count: int) -> list[list[dict[str, Any]]]:
    """Rows of the kind users bring: a system prompt, a request, JSON."""
    import json

    names, places = ["Alice Chen", "Grace Liu", "Linda Zhao", "Tony Sun"], ["Hebei", "Hubei", "Yunnan"]
    rows = []
    for index in range(count):
        name, place, year = names[index % 4], places[index % 3], 2016 + index % 5
        answer = {
            "who": name,
            "where": place,
            "start": f"{year}-02-01",
            "end": f"{year}-02-{29 if year % 4 == 0 else 28}",
        }
        rows.append([
            {"role": "system", "content": "Answer with JSON: who, where, start, end."},
            {"role": "user", "content": f"Sales of {name} in {place}, February {year}"},
            {"role": "assistant", "content": json.dumps(answer)},
        ])  # fmt: skip
    return rows


def _small_tensors(vocabulary: int) -> dict[str, tuple[int, ...]]:
    width, inner = SMALL["width"], SMALL["inner"]
    keys = width * SMALL["key_heads"] // SMALL["heads"]
    tensors: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, width), "output_norm.weight": (width,)}
    for index in range(SMALL["layers"]):
        tensors |= {
            f"blk.{index}.{name}.weight": shape
            for name, shape in {
                "attn_norm": (width,), "ffn_norm": (width,), "attn_q": (width, width), "attn_k": (keys, width),
                "attn_v": (keys, width), "attn_output": (width, width), "ffn_gate": (inner, width),
                "ffn_up": (inner, width), "ffn_down": (width, inner),
            }.items()
        }  # fmt: skip
    return tensors


def _random(name: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    generator = np.random.default_rng(sum(name.encode()))
    if len(shape) == 1:
        return generator.uniform(0.5, 1.5, shape).astype(np.float32)
    return (generator.standard_normal(shape) * shape[1] ** -0.5).astype(np.float32)
