"""Which models published as safetensors can be served here, told from their ``config.json`` and tokenizer alone."""

import re
from dataclasses import dataclass
from typing import Any

from argosy.core import Invalid

_LLAMA = "llama"
_NAMES = {
    "LlamaForCausalLM": _LLAMA,
    "MistralForCausalLM": _LLAMA,
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
"""The publisher's name of an architecture, and llama.cpp's."""
_LINES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|" + _LINES
_SPLITS = {_WORDS % r"\p{N}{1,3}": "llama-bpe", _WORDS % r"\p{N}": "qwen2"}
"""How a text is cut before its pieces are merged, and llama.cpp's name for that."""


@dataclass(frozen=True)
class Rope:
    """Rotary positions."""

    base: float
    scaling: str | None = None
    """None, ``linear``, ``yarn`` or ``llama3``."""
    factor: float = 1.0
    original_context: int = 0
    low_factor: float = 1.0
    high_factor: float = 4.0


@dataclass(frozen=True)
class Architecture:
    """What ``config.json`` says."""

    name: str
    """As ``general.architecture`` of a GGUF file names it."""
    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head_size: int
    context_length: int
    vocabulary: int
    epsilon: float
    rope: Rope

    @property
    def permuted(self) -> bool:
        """Whether the rows of queries and keys must be put in the order of llama.cpp's rotation: pairs side by side."""
        return self.name == _LLAMA


def read_config(config: dict[str, Any]) -> Architecture:
    """The architecture. Raises Invalid for one that is not known here, and for a malformed file."""
    names = config.get("architectures") or ["none"]
    known = _NAMES.get(str(names[0]))
    if known is None:
        raise Invalid(
            f"The architecture {str(names[0])[:80]} is not converted here; {', '.join(_NAMES)} are. Look for a GGUF "
            "file of this model and import that.",
            code="unknown_architecture",
            param="path",
        )
    if config.get("quantization_config"):
        raise Invalid(
            "These weights are quantised in a form of their own. Import the original ones, or a GGUF file.",
            code="unknown_form",
            param="path",
        )
    try:
        width, heads = _whole(config, "hidden_size"), _whole(config, "num_attention_heads")
        found = Architecture(
            name=known,
            layers=_whole(config, "num_hidden_layers"),
            width=width,
            inner=_whole(config, "intermediate_size"),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or width // heads),
            context_length=_whole(config, "max_position_embeddings"),
            vocabulary=_whole(config, "vocab_size"),
            epsilon=float(config["rms_norm_eps"]),
            rope=_rope(config),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"config.json is malformed: {error}", code="invalid_config", param="path") from error
    if heads % found.kv_heads or found.head_size % 2 or found.head_size * heads > 1 << 20:
        raise Invalid("config.json is malformed: its heads make no sense", code="invalid_config", param="path")
    return found


def read_splitting(tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for how ``tokenizer.json`` cuts a text before merging. Raises Invalid where it is not known."""
    model = tokenizer.get("model") or {}
    steps = tokenizer.get("pre_tokenizer") or {}
    steps = steps.get("pretokenizers", [steps]) if isinstance(steps, dict) else []
    if model.get("type") == "BPE" and not model.get("byte_fallback"):
        match [(step.get("type"), step) for step in steps]:
            case [("Split", split), ("ByteLevel", _)]:
                if known := _SPLITS.get(str((split.get("pattern") or {}).get("Regex"))):
                    return known
            case [("Digits", digits), ("ByteLevel", level)]:
                if digits.get("individual_digits") and level.get("use_regex", True):
                    return "smollm"
            case [("ByteLevel", level)]:
                if level.get("use_regex", True):
                    return "gpt-2"
    kinds = ", ".join(str(step.get("type")) for step in steps) or "none"
    raise Invalid(
        f"The tokenizer ({str(model.get('type'))[:40]}, cut by {kinds[:100]}) is not converted here. Look for a GGUF "
        "file of this model and import that.",
        code="unknown_tokenizer",
        param="path",
    )


def _rope(config: dict[str, Any]) -> Rope:
    """Newer files say it in ``rope_parameters``, older ones in ``rope_theta`` and ``rope_scaling``."""
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = float(scaling.get("rope_theta") or config.get("rope_theta") or 10_000.0)
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "default":
        return Rope(base)
    if kind not in ("linear", "yarn", "llama3"):
        raise ValueError(f"positions scaled by '{kind}' are not converted here")
    return Rope(
        base,
        str(kind),
        float(scaling["factor"]),
        int(scaling.get("original_max_position_embeddings") or 0),
        float(scaling.get("low_freq_factor", 1.0)),
        float(scaling.get("high_freq_factor", 4.0)),
    )


def _whole(config: dict[str, Any], name: str) -> int:
    value = config[name]
    if not isinstance(value, int) or not 0 < value < 1 << 31:
        raise ValueError(f"{name} is {str(value)[:40]}")
    return value


def plain_id(text: str) -> str:
    """A repository's own name as a model's name here: ``Org/My_Model-1B`` becomes ``my-model-1b``."""
    return re.sub(r"[^a-z0-9.-]+", "-", text.rpartition("/")[2].lower()).strip("-.")
