"""Safetensors with their configuration and tokenizer, written as one GGUF file for llama.cpp.

Names, the order of rows in queries and keys, and the metadata are llama.cpp's; weights are copied, or rounded to
sixteen bits where they had more.
"""

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from argosy.catalog import Architecture, ModelCard, Parts, StoredTensor, read_config, read_header, read_splitting
from argosy.core import Invalid, OutOfSpace
from argosy.runtime import whole_file

if TYPE_CHECKING:
    import gguf
    import numpy as np

_WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_LEFT_OUT = ("rotary_emb.inv_freq",)  # computed from the configuration


@dataclass(frozen=True)
class _Tensor:
    """One tensor on its way, ``name`` as GGUF has it."""

    name: str
    file: Path
    stored: StoredTensor
    permuted_heads: int = 0
    """How many heads its rows belong to, where they must change places."""


def converted_file(folder: Path, card: ModelCard) -> Path:
    """Where the file made from a card's parts lies: of other parts it would have another name."""
    assert card.parts
    return folder / f"{card.name}.{card.parts.digest[:12]}.gguf"


def convert(folder: Path, parts: Parts, target: Path, name: str) -> None:
    """Write ``target``, whole or not at all, from the files in ``folder``.

    Raises Invalid for files that do not fit together, OutOfSpace.
    """
    _need_space(target, parts)
    architecture = read_config(_json(folder, "config.json"))
    tensors = list(_tensors(folder, parts, architecture))
    _check_complete(tensors, architecture)
    with whole_file(target) as temporary:
        _write(folder, parts, architecture, tensors, temporary, name)


def _tensors(folder: Path, parts: Parts, architecture: Architecture) -> Iterator[_Tensor]:
    heads = {"attn_q": architecture.heads, "attn_k": architecture.kv_heads} if architecture.permuted else {}
    for part in parts.files:
        if not part.path.endswith(".safetensors"):
            continue
        path = folder / part.path
        with open(path, "rb") as file:
            stored = read_header(file, part.size_bytes, part.path)
        for tensor in stored:
            if not tensor.name.endswith(_LEFT_OUT):
                renamed, kind = _renamed(tensor.name)
                yield _Tensor(renamed, path, tensor, heads.get(kind, 0))


def _renamed(name: str) -> tuple[str, str]:
    """llama.cpp's name, and which part of a layer it is. Raises Invalid for a tensor that has no place."""
    if whole := _WHOLE.get(name):
        return whole, ""
    match name.split(".", 3):
        case ["model", "layers", number, rest] if number.isdigit():
            kind, _, part = rest.rpartition(".")
            if kind in _LAYER and part in ("weight", "bias"):
                return f"blk.{int(number)}.{_LAYER[kind]}.{part}", _LAYER[kind]
    raise Invalid(f"There is no place for the tensor '{name[:100]}' in this architecture.", code="unknown_tensor")


def _check_complete(tensors: list[_Tensor], architecture: Architecture) -> None:
    there = {tensor.name for tensor in tensors}
    if len(there) != len(tensors):
        raise Invalid("A tensor is there twice.", code="weights_damaged")
    layer = [name for name in _LAYER.values() if not name.endswith(("q_norm", "k_norm"))]
    needed = {"token_embd.weight", "output_norm.weight"}
    needed |= {f"blk.{number}.{name}.weight" for number in range(architecture.layers) for name in layer}
    if missing := sorted(needed - there):
        raise Invalid(
            f"{len(missing)} tensors are missing, such as {', '.join(missing[:3])}.", code="weights_incomplete"
        )


def _write(
    folder: Path, parts: Parts, architecture: Architecture, tensors: list[_Tensor], target: Path, name: str
) -> None:
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(target, architecture.name)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{parts.form}"])
    _write_architecture(architecture, writer)
    _write_tokenizer(folder, architecture, writer)
    matrices = gguf.GGMLQuantizationType[parts.form]
    factors = _rope_factors(architecture)
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    for tensor in tensors:
        shape, count = tensor.stored.shape, math.prod(tensor.stored.shape)
        if len(shape) == 1:
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), 4 * count)
        else:
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.float16), 2 * count, raw_dtype=matrices)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if factors is not None:
        writer.write_tensor_data(factors)
    for tensor in tensors:
        writer.write_tensor_data(_content(tensor, parts.form))
    writer.close()


def _content(tensor: _Tensor, form: str) -> "np.ndarray[Any, Any]":
    """Its numbers in the form in which they are stored: vectors as F32, matrices as 16 bits each."""
    import numpy as np

    stored, shape = tensor.stored, tensor.stored.shape
    kinds = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
    raw = np.memmap(tensor.file, kinds[stored.form], "r", stored.start, shape)
    if len(shape) == 1:
        found = _floats(raw, stored.form)
    elif stored.form == form:
        found = np.asarray(raw).view(np.uint16)
    else:
        found = _halves(_floats(raw, stored.form), form)
    if tensor.permuted_heads:
        rows = found.reshape(tensor.permuted_heads, 2, shape[0] // tensor.permuted_heads // 2, *shape[1:])
        found = rows.swapaxes(1, 2).reshape(shape)
    return np.ascontiguousarray(found)


def _floats(raw: "np.ndarray[Any, Any]", form: str) -> "np.ndarray[Any, Any]":
    import numpy as np

    if form == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32)


def _halves(numbers: "np.ndarray[Any, Any]", form: str) -> "np.ndarray[Any, Any]":
    import gguf
    import numpy as np

    if form == "F16":
        return numbers.astype(np.float16).view(np.uint16)
    rows: np.ndarray[Any, Any] = gguf.quantize(np.ascontiguousarray(numbers), gguf.GGMLQuantizationType.BF16)
    return rows.view(np.uint16).reshape(numbers.shape)


def _write_architecture(architecture: Architecture, writer: "gguf.GGUFWriter") -> None:
    import gguf

    writer.add_block_count(architecture.layers)
    writer.add_context_length(architecture.context_length)
    writer.add_embedding_length(architecture.width)
    writer.add_feed_forward_length(architecture.inner)
    writer.add_head_count(architecture.heads)
    writer.add_head_count_kv(architecture.kv_heads)
    writer.add_key_length(architecture.head_size)
    writer.add_value_length(architecture.head_size)
    writer.add_rope_dimension_count(architecture.head_size)
    writer.add_layer_norm_rms_eps(architecture.epsilon)
    writer.add_vocab_size(architecture.vocabulary)
    rope = architecture.rope
    writer.add_rope_freq_base(rope.base)
    if rope.scaling in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope.scaling))
        writer.add_rope_scaling_factor(rope.factor)
        if rope.original_context:
            writer.add_rope_scaling_orig_ctx_len(rope.original_context)


def _rope_factors(architecture: Architecture) -> "np.ndarray[Any, Any] | None":
    """Llama 3.1's scaling: long waves are stretched by the factor, short ones left, and those between are mixed."""
    import numpy as np

    rope = architecture.rope
    if rope.scaling != "llama3":
        return None
    speeds = rope.base ** -(np.arange(0, architecture.head_size, 2) / architecture.head_size)
    turns = rope.original_context * speeds / (2 * math.pi)  # how often a wave turns in the original context
    kept = np.clip((turns - rope.low_factor) / (rope.high_factor - rope.low_factor), 0, 1)
    return np.asarray(1 / ((1 - kept) / rope.factor + kept), np.float32)


def _write_tokenizer(folder: Path, architecture: Architecture, writer: "gguf.GGUFWriter") -> None:
    tokenizer, settings = _json(folder, "tokenizer.json"), _json(folder, "tokenizer_config.json")
    splitting = read_splitting(tokenizer)
    try:
        tokens, kinds = _tokens(tokenizer, architecture.vocabulary)
        merges = [one if isinstance(one, str) else " ".join(one) for one in tokenizer["model"]["merges"]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Invalid(f"tokenizer.json is malformed: {error!r}", code="file_damaged") from error
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    numbers = {token: number for number, token in enumerate(tokens)}
    for add, known in (
        (writer.add_bos_token_id, _special(folder, settings, "bos_token", numbers)),
        (writer.add_eos_token_id, _special(folder, settings, "eos_token", numbers)),
        (writer.add_pad_token_id, _special(folder, settings, "pad_token", numbers)),
    ):
        if known is not None:
            add(known)
    writer.add_add_bos_token(_begins(tokenizer, settings))
    if template := _template(folder, settings):
        writer.add_chat_template(template)


def _tokens(tokenizer: dict[str, Any], count: int) -> tuple[list[str], list[int]]:
    """All tokens by number, and what kind each is; rows of the embedding without a token get a name of their own."""
    import gguf

    kind = gguf.TokenType
    tokens = [f"[PAD{number}]" for number in range(count)]
    kinds = [int(kind.UNUSED)] * count
    for token, number in tokenizer["model"]["vocab"].items():
        tokens[number], kinds[number] = token, int(kind.NORMAL)
    for added in tokenizer.get("added_tokens") or []:
        number = added["id"]
        tokens[number] = added["content"]
        kinds[number] = int(kind.CONTROL if added.get("special") else kind.USER_DEFINED)
    return tokens, kinds


def _special(folder: Path, settings: dict[str, Any], name: str, numbers: dict[str, int]) -> int | None:
    """A special token's number: by its text in the tokenizer's settings, else by the model's own configuration."""
    said = settings.get(name)
    text = said.get("content") if isinstance(said, dict) else said
    if isinstance(text, str) and text in numbers:
        return numbers[text]
    config = _json(folder, "config.json").get(f"{name}_id")
    number = config[0] if isinstance(config, list) and config else config
    return number if isinstance(number, int) and 0 <= number < len(numbers) else None


def _begins(tokenizer: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Whether a text gets the token that begins one: the tokenizer's own template says so, or its settings do."""
    if isinstance(said := settings.get("add_bos_token"), bool):
        return said
    steps = tokenizer.get("post_processor") or {}
    steps = steps.get("processors", [steps])
    single = [part for step in steps if step.get("type") == "TemplateProcessing" for part in step.get("single") or []]
    return bool(single) and "SpecialToken" in single[0]


def _template(folder: Path, settings: dict[str, Any]) -> str | None:
    if (file := folder / "chat_template.jinja").exists():
        return file.read_text(encoding="utf-8")
    said = settings.get("chat_template")
    if isinstance(said, list):
        said = next((one.get("template") for one in said if one.get("name") == "default"), None)
    return said if isinstance(said, str) else None


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Invalid(f"{name} cannot be read: {error}", code="file_damaged") from error
    if not isinstance(found, dict):
        raise Invalid(f"{name} is no JSON object.", code="file_damaged")
    return found


def _need_space(target: Path, parts: Parts) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < parts.size_bytes:
        raise OutOfSpace(
            f"Writing {target.name} needs up to {parts.size_bytes // 2**20} MiB in {target.parent}, and "
            f"{free // 2**20} MiB are free. Free some space and deploy the model again.",
            code="disk_full",
        )
