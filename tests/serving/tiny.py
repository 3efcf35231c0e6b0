"""A model of a few hundred kilobytes that the real engine loads in milliseconds, and adapters for it.

It speaks nonsense, but always the same: enough for everything about engines that does not need sense.
"""

from pathlib import Path

import gguf
import numpy as np

WIDTH, INNER, LAYERS, HEADS, CONTEXT = 64, 128, 2, 2, 1024
LETTERS = 256
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_model(path: Path, seed: int = 1) -> Path:
    """A random Llama whose tokens are single bytes."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokens(writer)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (random.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    writer.add_tensor("token_embd.weight", random.standard_normal((LETTERS + 2, WIDTH)).astype(np.float32))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", 6 * matrix(LETTERS + 2, WIDTH))
    for layer in range(LAYERS):
        for name, rows, columns in _MATRICES:
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(rows, columns))
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
    return _finish(writer, path)


def write_adapter(path: Path, seed: int, width: int = WIDTH) -> Path:
    """A LoRA of rank 2 on every ``ffn_down``, strong enough to change any answer."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0)
    for layer in range(LAYERS):
        a, b = random.standard_normal((2, INNER)), random.standard_normal((width, 2))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight.lora_a", a.astype(np.float32))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight.lora_b", b.astype(np.float32))
    return _finish(writer, path)


_MATRICES = [
    *((name, WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_output")),
    ("ffn_gate", INNER, WIDTH),
    ("ffn_up", INNER, WIDTH),
    ("ffn_down", WIDTH, INNER),
]


def _add_tokens(writer: gguf.GGUFWriter) -> None:
    plain = {byte: chr(byte) for byte in (*range(33, 127), *range(161, 173), *range(174, 256))}
    others = [byte for byte in range(256) if byte not in plain]
    letters = plain | {byte: chr(256 + index) for index, byte in enumerate(others)}  # as GPT-2 writes bytes
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*(letters[byte] for byte in range(256)), "<start>", "<end>"])
    writer.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges([f"{letters[0]} {letters[1]}"])  # there must be one; two bytes that no text contains
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _finish(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
