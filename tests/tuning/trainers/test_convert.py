"""The adapter that was trained is the adapter that is served: rows in order, scale right, both engines agree."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from tests.tuning.trainers.conftest import chart_rows

from argosy.tuning.trainers import convert
from argosy.tuning.trainers.adapter import Adapter
from argosy.tuning.trainers.batches import make_batch
from argosy.tuning.trainers.model import Model
from argosy.tuning.trainers.optimise import Optimiser
from argosy.tuning.trainers.tokens import ChatTokenizer
from argosy.tuning.trainers.weights import halves_to_pairs, pairs_to_halves, read_base

RANK, ALPHA = 8, 16.0
MODULES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
           "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
           "ffn_down": "mlp.down_proj"}  # fmt: skip


@pytest.fixture(scope="module")
def trained(base_gguf: Path) -> Model:
    """The starter model after some real steps: sure of its answers, so that rounding decides none of them."""
    base = read_base(base_gguf, torch.float32)
    model = Model(base, Adapter(base, RANK, ALPHA, seed=0, first=2))
    tokenizer = ChatTokenizer(base.metadata)
    batch = make_batch([tokenizer.example(row) for row in chart_rows(4)])
    optimiser = Optimiser(model.adapter, 2e-3, total_steps=16)
    for _ in range(16):
        loss = model.train(batch).loss
        optimiser.step()
    assert loss < 0.05
    return model


@pytest.fixture(scope="module")
def adapter_file(trained: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapter") / "adapter.gguf"
    write(path, trained)
    return path


def write(path: Path, model: Model) -> None:
    adapter = model.adapter
    convert.write_adapter(path, model.base.shape, adapter, adapter.flat_a, adapter.flat_b)


def test_transformers_and_the_engine_agree(trained: Model, adapter_file: Path, base_gguf: Path) -> None:
    tokenizer = ChatTokenizer(trained.base.metadata)
    reference = with_peft(trained, base_gguf)
    with served(base_gguf, adapter_file) as ask:
        for row in chart_rows(4):
            prompt = torch.tensor([tokenizer.prompt(row[:-1])])
            ids = reference.generate(prompt, max_new_tokens=70, do_sample=False)[0, prompt.shape[1] :].tolist()
            expected = tokenizer.decode(ids).removesuffix("<|im_end|>")
            answer = ask("/v1/chat/completions", messages=row[:-1], max_tokens=70)
            assert answer["choices"][0]["message"]["content"] == expected
            assert json.loads(expected)["who"] == json.loads(row[-1]["content"])["who"]


def test_the_engine_reads_text_as_training_does(trained: Model, adapter_file: Path, base_gguf: Path) -> None:
    tokenizer = ChatTokenizer(trained.base.metadata)
    with served(base_gguf, adapter_file) as ask:
        for text in ("华北地区2019年3-5月的销售额", "North China's sales, ½ of  2019\n\n(line)", "naïve 🙂"):
            assert ask("/tokenize", content=text)["tokens"] == tokenizer.encode(text)


def test_rows_of_q_and_k_follow_the_file(trained: Model, adapter_file: Path, base_gguf: Path) -> None:
    """W + scale * B A in the file's order equals the trained layer, brought into that order. Fails without it."""
    base, shape = gguf.GGUFReader(base_gguf), trained.base.shape
    adapter = {t.name: torch.tensor(t.data.astype("float32")) for t in gguf.GGUFReader(adapter_file).tensors}
    base_tensors = {t.name: t for t in base.tensors}
    for name, heads in (("attn_q", shape.heads), ("attn_k", shape.key_heads)):
        tensor = base_tensors[f"blk.3.{name}.weight"]
        frozen = torch.tensor(gguf.dequantize(tensor.data, tensor.tensor_type))
        delta = adapter[f"blk.3.{name}.weight.lora_b"] @ adapter[f"blk.3.{name}.weight.lora_a"] * (ALPHA / RANK)
        found = {(i, n): (a, b) for i, n, a, b in separate(trained)}[3, name]
        expected = pairs_to_halves(frozen, heads) + found[1] @ found[0] * (ALPHA / RANK)
        torch.testing.assert_close(pairs_to_halves(frozen + delta, heads), expected, rtol=1e-2, atol=1e-3)
        assert not torch.allclose(
            frozen + found[1] @ found[0] * (ALPHA / RANK), halves_to_pairs(expected, heads), atol=1e-3
        )


def test_the_engine_shows_a_missing_permutation(
    trained: Model, base_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strong q and k adapter whose rows are not reordered gives other probabilities; the right does not."""
    base = trained.base
    strong = Model(base, Adapter(base, RANK, ALPHA, seed=0))
    generator = torch.Generator().manual_seed(4)
    for block in strong.adapter.pairs:
        rotated = (base.shape.heads + base.shape.key_heads) * base.shape.head_width
        block["qkv"].b[:rotated].normal_(std=0.5, generator=generator)
    strong.adapter.refresh()
    tokenizer = ChatTokenizer(base.metadata)
    messages = chart_rows(1)[0]
    row = [*messages[:-1], {"role": "assistant", "content": " The"}]
    expected = torch.softmax(strong.logits(make_batch([tokenizer.example(row)]))[0], 0)
    distances = []
    for name in ("right", "wrong"):
        write(tmp_path / f"{name}.gguf", strong)
        with served(base_gguf, tmp_path / f"{name}.gguf") as ask:
            answer = ask("/completion", prompt=tokenizer.prompt(messages[:-1]), n_predict=1, n_probs=10)
        top = answer["completion_probabilities"][0]["top_logprobs"]
        found = {entry["id"]: torch.tensor(entry["logprob"]).exp() for entry in top}
        distances.append(sum(abs(float(p - expected[i])) for i, p in found.items()))
        monkeypatch.setattr(convert, "in_file_order", lambda name, b, shape: b.contiguous())
    assert distances[0] < 0.1 < 0.3 < distances[1], distances


def separate(model: Model) -> Iterator[tuple[int, str, torch.Tensor, torch.Tensor]]:
    return convert.separate(model.base.shape, model.adapter.flat_a, model.adapter.flat_b, RANK, model.adapter.first)


def with_peft(model: Model, base_gguf: Path) -> Any:
    """The same tensors in a peft adapter on the model as transformers reads it."""
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from transformers import AutoModelForCausalLM, GgufConfig

    frozen = AutoModelForCausalLM.from_pretrained(
        str(base_gguf.parent),
        gguf_file=base_gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    targets = [name.split(".")[1] for name in MODULES.values()]
    peft = get_peft_model(
        frozen, LoraConfig(r=RANK, lora_alpha=int(ALPHA), target_modules=targets, task_type="CAUSAL_LM")
    )
    state = {}
    for index, name, a, b in separate(model):
        prefix = f"base_model.model.model.layers.{index}.{MODULES[name]}"
        state[f"{prefix}.lora_A.weight"], state[f"{prefix}.lora_B.weight"] = a.clone(), b.clone()
    missing = set_peft_model_state_dict(peft, state)
    assert not missing.unexpected_keys
    return peft.eval()


@contextmanager
def served(base_gguf: Path, adapter: Path) -> Iterator[Any]:
    """The engine with an adapter on; yields a function that posts JSON to it."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.n_ctx, parameters.n_parallel, parameters.port = str(base_gguf), 1024, 1, 0
    parameters.cpuparams.n_threads, parameters.cache_ram_mib = 2, 0
    lora = xllamacpp.CommonAdapterLoraInfo()
    lora.path, lora.scale = str(adapter), 1.0
    parameters.lora_adapters = [lora]
    server = xllamacpp.Server(parameters)

    def ask(path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            server.listening_address + path,
            json.dumps({"temperature": 0} | body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    yield ask
