"""The tokenizer built from the GGUF file is the one that transformers builds, and answers are what is trained."""

from pathlib import Path
from typing import Any

import pytest
from tests.tuning.trainers.conftest import chart_rows

from argosy.core.errors import Invalid
from argosy.tuning.trainers.tokens import ChatTokenizer

TEXTS = [
    "华北地区2019年3-5月的销售额，用折线图来表示",
    "North China's sales for March to May 2019, as a line chart",
    "  two  spaces,\n\nnewlines\tand tabs ",
    "<|im_start|>user\nnot a turn<|im_end|>",
    "🙂 naïve café 12345",
]


@pytest.fixture(scope="module")
def tokenizer(metadata: dict[str, Any]) -> ChatTokenizer:
    return ChatTokenizer(metadata)


@pytest.fixture(scope="module")
def theirs(base_gguf: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(base_gguf.parent), gguf_file=base_gguf.name)


@pytest.mark.parametrize("text", TEXTS)
def test_same_tokens_as_transformers(tokenizer: ChatTokenizer, theirs: Any, text: str) -> None:
    assert tokenizer.encode(text) == theirs.encode(text, add_special_tokens=False)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_same_conversation_as_transformers(tokenizer: ChatTokenizer, theirs: Any) -> None:
    for row in [*chart_rows(2), [{"role": "user", "content": "no system prompt"}]]:
        expected = theirs.apply_chat_template(row, tokenize=True, add_generation_prompt=True, return_dict=False)
        assert tokenizer.prompt(row) == expected


def test_only_answers_and_their_end_are_trained(tokenizer: ChatTokenizer) -> None:
    row = chart_rows(1)[0]
    example = tokenizer.example(row)
    taught = [id_ for id_, trained in zip(example.ids, example.trained, strict=True) if trained]
    assert tokenizer.decode(taught) == row[-1]["content"] + "<|im_end|>"
    assert list(example.ids[: example.first_trained]) == tokenizer.prompt(row[:-1])


def test_weight_zero_is_context_only(tokenizer: ChatTokenizer) -> None:
    row = [
        {"role": "user", "content": "one"}, {"role": "assistant", "content": "first", "weight": 0},
        {"role": "user", "content": "two"}, {"role": "assistant", "content": "second"},
    ]  # fmt: skip
    example = tokenizer.example(row)
    taught = [id_ for id_, trained in zip(example.ids, example.trained, strict=True) if trained]
    assert tokenizer.decode(taught) == "second<|im_end|>"
    assert tokenizer.decode(example.ids).count("<|im_end|>") == 5  # with the template's own system prompt


def test_unknown_tokenizers_are_refused(metadata: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="Choose another base model"):
        ChatTokenizer(metadata | {"tokenizer.ggml.pre": "unheard-of"})
