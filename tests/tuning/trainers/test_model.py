"""The gradient that is written out by hand is the gradient, and the model is the one that transformers reads."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tuning.trainers.conftest import chart_rows

from argosy.core.errors import Invalid
from argosy.tuning.trainers.adapter import Adapter
from argosy.tuning.trainers.batches import common_prefix, make_batch
from argosy.tuning.trainers.model import Model
from argosy.tuning.trainers.tokens import ChatTokenizer, Example
from argosy.tuning.trainers.weights import read_base, read_shape


@pytest.fixture(scope="module")
def model(small_gguf: Path) -> Model:
    base = read_base(small_gguf, torch.float32)
    adapter = Adapter(base, rank=4, alpha=8.0, seed=1)
    adapter.flat_b.normal_(std=0.05, generator=torch.Generator().manual_seed(2))
    adapter.refresh()
    return Model(base, adapter)


@pytest.fixture(scope="module")
def examples(model: Model) -> list[Example]:
    tokenizer = ChatTokenizer(model.base.metadata)
    rows = chart_rows(5)
    rows[1][1]["content"] += " and every month before it, please"  # rows of different lengths
    return [tokenizer.example(row) for row in rows]


@pytest.mark.parametrize("which", ["a", "b"])
def test_gradient_is_the_slope_of_the_loss(model: Model, examples: list[Example], which: str) -> None:
    adapter, batch = model.adapter, make_batch(examples)
    adapter.zero_gradient()
    model.train(batch)
    flat, grad = getattr(adapter, f"flat_{which}"), getattr(adapter, f"grad_{which}").clone()
    noise = torch.randn(grad.shape, generator=torch.Generator().manual_seed(3))
    direction = grad / grad.norm() + noise / noise.norm()
    before, losses, step = flat.clone(), [], 1e-2
    for sign in (1, -1):
        flat.copy_(before).add_(direction, alpha=sign * step)
        adapter.refresh()
        losses.append(model.measure(batch).loss)
    flat.copy_(before)
    adapter.refresh()
    assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(grad @ direction), rel=0.02)


def test_shared_prefix_changes_nothing(model: Model, examples: list[Example]) -> None:
    """A batch that computes the system prompt once gives the gradient of rows that are computed apart."""
    whole = make_batch(examples)
    assert whole.prefix > 10
    model.adapter.zero_gradient()
    together = model.train(whole)
    grads = model.adapter.grad_a.clone(), model.adapter.grad_b.clone()
    total = [torch.zeros_like(grad) for grad in grads]
    loss = 0.0
    for example in examples:
        share = sum(example.trained) / len(whole.answer)
        model.adapter.zero_gradient()
        loss += share * model.train(make_batch([example])).loss
        total[0].add_(model.adapter.grad_a, alpha=share)
        total[1].add_(model.adapter.grad_b, alpha=share)
    assert together.loss == pytest.approx(loss, rel=1e-4)
    for mine, apart in zip(grads, total, strict=True):
        torch.testing.assert_close(mine, apart, rtol=1e-3, atol=1e-5)


def test_the_upper_layers_learn_the_same_with_the_lower_ones_left_as_they_are(
    small_gguf: Path, examples: list[Example]
) -> None:
    """An adapter from the second block on has the gradient of a whole one whose first block does nothing."""
    base, batch = read_base(small_gguf, torch.float32), make_batch(examples)
    upper, whole = Adapter(base, rank=4, alpha=8.0, seed=1, first=1), Adapter(base, rank=4, alpha=8.0, seed=1)
    for name in ("flat_a", "flat_b"):
        values, target = getattr(upper, name), getattr(whole, name)
        values.normal_(std=0.05, generator=torch.Generator().manual_seed(2))
        target.zero_()[-len(values) :] = values
    losses = []
    for adapter in (upper, whole):
        adapter.refresh()
        losses.append(Model(base, adapter).train(batch).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(upper.grad_a, whole.grad_a[-len(upper.grad_a) :], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(upper.grad_b, whole.grad_b[-len(upper.grad_b) :], rtol=1e-4, atol=1e-6)
    assert 0 < len(upper.flat_a) < len(whole.flat_a)


def test_rows_without_a_common_start_train_too(model: Model, examples: list[Example]) -> None:
    odd = Example((5, *examples[0].ids), (False, *examples[0].trained))
    batch = make_batch([odd, *examples[1:]])
    assert batch.prefix == 0
    model.adapter.zero_gradient()
    assert model.train(batch).loss == pytest.approx(model.measure(batch).loss, rel=1e-4)


def test_common_prefix_leaves_each_row_a_prompt_token(examples: list[Example]) -> None:
    assert common_prefix([examples[0], examples[0]]) == examples[0].first_trained - 1


def test_scoring_plausible_tokens_only_does_not_change_what_is_learned(model: Model, examples: list[Example]) -> None:
    """Tokens that get next to nothing of the mass, here a thousandth of it in all, are not missed."""
    batch = make_batch(examples)
    model.score_all()
    model.adapter.zero_gradient()
    whole = model.train(batch)
    grad = model.adapter.grad_b.clone()
    model.plausible[:] = True
    model.plausible[-50:] = False
    model.score_plausible(batch)
    model.adapter.zero_gradient()
    part = model.train(batch)
    model.score_all()
    assert part.loss == pytest.approx(whole.loss, rel=1e-2)
    torch.testing.assert_close(model.adapter.grad_b, grad, rtol=0.1, atol=1e-3)


def test_other_architectures_are_refused(model: Model) -> None:
    with pytest.raises(Invalid, match="Choose another base model"):
        read_shape(dict(model.base.metadata) | {"general.architecture": "gemma3"})


@pytest.fixture(scope="module")
def theirs(base_gguf: Path) -> Any:
    """The starter model as transformers reads it."""
    from transformers import AutoModelForCausalLM, GgufConfig

    return AutoModelForCausalLM.from_pretrained(
        str(base_gguf.parent),
        gguf_file=base_gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-3), (torch.bfloat16, 1.0)])
def test_logits_equal_those_of_transformers(base_gguf: Path, theirs: Any, dtype: torch.dtype, tolerance: float) -> None:
    """The starter model, read here and by transformers. Its logits reach 40, so 1.0 in bf16 is two digits."""
    base = read_base(base_gguf, dtype)
    tokenizer = ChatTokenizer(base.metadata)
    example = tokenizer.example(chart_rows(1)[0])
    mine = Model(base, Adapter(base, rank=2, alpha=2.0, seed=0)).logits(make_batch([example]))
    with torch.no_grad():
        logits = theirs(torch.tensor([example.ids])).logits[0]
    places = [place - 1 for place in range(1, len(example)) if example.trained[place]]
    assert (logits[places] - mine).abs().max() < tolerance
