"""A model of a few kilobytes as publishers put it on a hub, and a hub on this machine that has it."""

import hashlib
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

WIDTH, INNER, LAYERS, HEADS, KV_HEADS, CONTEXT = 64, 128, 2, 4, 2, 512
LETTERS = 256
REVISION = "a" * 40
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_published(
    folder: Path, architecture: str = "LlamaForCausalLM", form: str = "F32", **config: object
) -> dict[str, np.ndarray]:
    """A random model whose tokens are single bytes, in two shards. Returns its tensors as they were before storing."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = _tensors(architecture)
    names = list(tensors)
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        write_safetensors(
            folder / f"model-0000{number}-of-00002.safetensors", {name: tensors[name] for name in part}, form
        )
    said = {
        "architectures": [architecture], "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "max_position_embeddings": CONTEXT,
        "vocab_size": LETTERS + 2, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "eos_token_id": LETTERS + 1,
        "tie_word_embeddings": False, "model_type": architecture.removesuffix("ForCausalLM").lower(),
        "hidden_act": "silu", **config,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(said))
    letters = _letters()
    tokenizer = {
        "model": {
            "type": "BPE",
            "vocab": {letters[byte]: byte for byte in range(LETTERS)},
            "merges": [[letters[0], letters[1]]],  # there must be one; two bytes that no text contains
        },
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "decoder": {"type": "ByteLevel"},
        "added_tokens": [
            {"id": LETTERS, "content": "<start>", "special": True},
            {"id": LETTERS + 1, "content": "<end>", "special": True},
        ],
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"bos_token": "<start>", "eos_token": {"content": "<end>"}, "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tensors


def write_safetensors(path: Path, tensors: dict[str, np.ndarray], form: str = "F32") -> None:
    """As the format has it: length, header, bytes."""
    entries, content = {}, b""
    for name, values in tensors.items():
        if form == "BF16":
            packed = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        else:
            packed = values.astype({"F32": np.float32, "F16": np.float16}[form]).tobytes()
        span = [len(content), len(content) + len(packed)]
        entries[name] = {"dtype": form, "shape": list(values.shape), "data_offsets": span}
        content += packed
    header = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content)


def _tensors(architecture: str) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    size = WIDTH // HEADS

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (random.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)

    found = {
        "model.embed_tokens.weight": random.standard_normal((LETTERS + 2, WIDTH)).astype(np.float32),
        "lm_head.weight": 6 * matrix(LETTERS + 2, WIDTH),
        "model.norm.weight": np.ones(WIDTH, np.float32),
    }
    for layer in range(LAYERS):
        here = f"model.layers.{layer}."
        for name, rows, columns in (
            ("self_attn.q_proj", HEADS * size, WIDTH),
            ("self_attn.k_proj", KV_HEADS * size, WIDTH),
            ("self_attn.v_proj", KV_HEADS * size, WIDTH),
            ("self_attn.o_proj", WIDTH, HEADS * size),
            ("mlp.gate_proj", INNER, WIDTH),
            ("mlp.up_proj", INNER, WIDTH),
            ("mlp.down_proj", WIDTH, INNER),
        ):
            found[f"{here}{name}.weight"] = matrix(rows, columns)
            if architecture == "Qwen2ForCausalLM" and name[10] in "qkv":
                found[f"{here}{name}.bias"] = random.standard_normal(rows).astype(np.float32)
        if architecture == "Qwen3ForCausalLM":
            for name in ("q_norm", "k_norm"):
                found[f"{here}self_attn.{name}.weight"] = (1 + random.random(size)).astype(np.float32)
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"{here}{name}.weight"] = (1 + random.random(WIDTH)).astype(np.float32)
    return found


def _letters() -> list[str]:
    """As GPT-2 writes bytes."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


class Hub:
    """Answers as a hub does, on this machine: ``url`` is for HF_ENDPOINT."""

    def __init__(self, repositories: dict[str, Path], token: str | None = None, licence: str = "apache-2.0") -> None:
        """With a ``token``, files are only for who shows it."""
        self.asked: list[str] = []
        self.shown: list[str | None] = []
        """The Authorization headers that came, in order."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.asked.append(path := unquote(urlsplit(self.path).path))
                hub.shown.append(self.headers["Authorization"])
                name = "/".join(path.removeprefix("/api/models").split("/")[1:3])
                if name not in repositories:
                    return self.answer(404, b"")
                if path.startswith("/api/"):
                    said = {"sha": REVISION, "gated": "manual" if token else False, "cardData": {"license": licence},
                            "siblings": [hub.entry(file) for file in sorted(repositories[name].iterdir())]}  # fmt: skip
                    return self.answer(200, json.dumps(said).encode())
                if token and self.headers["Authorization"] != f"Bearer {token}":
                    return self.answer(401, b"")
                file = repositories[name] / path.split(f"/resolve/{REVISION}/")[1]
                content = file.read_bytes()
                if span := self.headers["Range"]:
                    first, last = span.removeprefix("bytes=").split("-")
                    end = int(last) + 1 if last else len(content)
                    return self.answer(206, content[int(first) : end], f"bytes {first}-{end - 1}/{len(content)}")
                self.answer(200, content)

            def answer(self, status: int, body: bytes, span: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if span:
                    self.send_header("Content-Range", span)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @staticmethod
    def entry(file: Path) -> dict[str, Any]:
        """A sibling, with a digest where the hub says one: for large files."""
        found: dict[str, Any] = {"rfilename": file.name, "size": file.stat().st_size}
        if file.suffix in (".safetensors", ".gguf"):
            found["lfs"] = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
        return found

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
