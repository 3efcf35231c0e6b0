"""From chat rows to token ids, with the tokenizer and the chat template that the GGUF file carries.

transformers is not used here: importing it takes longer than an epoch. A test keeps both in step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from argosy.core.errors import Invalid

CONTROL_TOKEN = 3  # gguf.TokenType.CONTROL
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One row as tokens. `trained[i]` tells whether the model is taught to produce `ids[i]`."""

    ids: tuple[int, ...]
    trained: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def first_trained(self) -> int:
        """Position of the first token of the first answer."""
        return self.trained.index(True)


_SPACE = "Ġ"  # how byte-level tokens write a space


class ChatTokenizer:
    """Renders messages with the model's own template and turns the text into tokens."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        """Read tokenizer and template from GGUF metadata; raises Invalid for kinds not supported."""
        kind = (metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre"))
        if kind not in PRE_TOKENIZERS:
            raise Invalid(
                f"The base model's tokenizer {kind[0]!r}/{kind[1]!r} cannot be trained here yet; "
                f"supported: {', '.join(f'{m}/{p}' for m, p in PRE_TOKENIZERS)}. Choose another base model.",
                code="tokenizer_not_supported",
            )
        if "tokenizer.chat_template" not in metadata:
            raise Invalid("The base model's file has no chat template, so rows cannot be written as it expects. "
                          "Choose an instruct model.", code="chat_template_not_supported")  # fmt: skip
        self._tokenizer = build_tokenizer(metadata)
        self.end = int(metadata["tokenizer.ggml.eos_token_id"])
        tokens: Sequence[str] = metadata["tokenizer.ggml.tokens"]
        self._end_text = tokens[self.end]
        begin = metadata.get("tokenizer.ggml.bos_token_id")
        self._names = {"eos_token": self._end_text, "bos_token": tokens[begin] if begin is not None else ""}
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        self._template = environment.from_string(metadata["tokenizer.chat_template"])

    def render(self, messages: Sequence[Message], *, prompt: bool) -> str:
        """Text of a conversation; with `prompt`, followed by the opening of the assistant's turn."""
        return self._template.render(messages=messages, add_generation_prompt=prompt, **self._names)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; control tokens are recognised."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, control tokens included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def words(self) -> list[str]:
        """The lower-case Latin words of 4 to 12 letters that the vocabulary holds whole, in alphabetical order."""
        vocabulary = self._tokenizer.get_vocab()
        whole = {token[1:].lower() for token in vocabulary if token.startswith(_SPACE)}
        return sorted(word for word in whole if 4 <= len(word) <= 12 and word.isascii() and word.isalpha())

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a question, ready for the model to answer."""
        return self.encode(self.render(messages, prompt=True))

    def example(self, messages: Sequence[Message]) -> Example:
        """Ids of a whole row. Answers (assistant turns whose weight is not 0) are trained up to their end token.

        Prompt and answer are encoded apart, because that is how the engine meets them: it encodes the
        prompt alone, and the answer arrives token by token.
        """
        ids: list[int] = []
        trained: list[bool] = []
        done = ""
        for position, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            opening = self.render(messages[:position], prompt=True)
            whole = self.render(messages[: position + 1], prompt=False)
            if not (opening.startswith(done) and whole.startswith(opening)):
                raise Invalid("The base model's chat template rewrites earlier turns; it cannot be trained here.",
                              code="chat_template_not_supported")  # fmt: skip
            answer, end, tail = whole[len(opening) :].rpartition(self._end_text)
            taught = message.get("weight", 1) != 0
            for text, flag in ((opening[len(done) :], False), (answer + end or tail, taught)):
                piece = self.encode(text)
                ids += piece
                trained += [flag] * len(piece)
            done = whole[: len(whole) - len(tail)] if end else whole
        return Example(tuple(ids), tuple(trained))


def build_tokenizer(metadata: Mapping[str, Any]) -> Tokenizer:
    """A byte-level BPE tokenizer from the vocabulary and merges of a GGUF file."""
    tokens: Sequence[str] = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ", 1)) for pair in metadata["tokenizer.ggml.merges"]]
    kind = (metadata["tokenizer.ggml.model"], metadata["tokenizer.ggml.pre"])
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[kind]
    tokenizer.decoder = decoders.ByteLevel()
    types: Sequence[int] = metadata["tokenizer.ggml.token_type"]
    control = [token for token, type_ in zip(tokens, types, strict=True) if type_ == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def _refuse(message: str) -> str:
    """The function that chat templates call for conversations they cannot render."""
    raise Invalid(f"The base model's chat template refuses this row: {message}", code="invalid_training_file")


PRE_TOKENIZERS: dict[tuple[Any, Any], pre_tokenizers.PreTokenizer] = {
    ("gpt2", "smollm"): pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
}
