"""A model as its publisher put it on a hub, imported from a folder, served: it answers as transformers does."""

import pytest
from tests.flows.platform import STARTER

NAME = "starter-as-published"
QUESTIONS = ("What is the capital of France?", "Name three colours.", "你好！")


@pytest.fixture(scope="module")
def published(platform, tmp_path_factory):
    """The starter model in its publisher's form, and what transformers itself makes of each question.

    Returns the folder, and per question the prompt's tokens and the likeliest first words, best first.
    """
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("published")
    (file,) = (platform.home / "models" / STARTER).glob("*.Q4_1.gguf")
    options = {"gguf_file": file.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(file.parent), **options, quantization_config=transformers.GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(folder, max_shard_size="100MB")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(file.parent), **options)
    tokenizer.save_pretrained(folder)
    model = model.float().eval()
    expected = []
    for question in QUESTIONS:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        with torch.no_grad():
            likely = model(prompt).logits[0, -1].topk(5).indices.tolist()
        expected.append((prompt.shape[1], [tokenizer.decode([token]) for token in likely]))
    return folder, expected


def test_a_published_model_serves_without_a_change_of_code(platform, published):
    client = platform.client
    folder, expected = published
    made = client.post("/catalog", body={"path": str(folder), "name": NAME, "licence": "Apache-2.0"}, cast_to=object)
    assert made["architecture"] == "llama"
    assert made["modality"] == "chat"
    assert 130e6 < made["parameters"] < 170e6
    assert len([file for file in made["parts"]["files"] if file["path"].endswith(".safetensors")]) > 1

    client.post("/deployments", body={"model": NAME, "quantisation": "BF16"}, cast_to=object)
    platform.wait_for_model(NAME)
    compared = 0
    for question, (prompt_tokens, likely) in zip(QUESTIONS, expected, strict=True):
        said = client.chat.completions.create(
            model=NAME, messages=[{"role": "user", "content": question}], max_tokens=1, temperature=0,
            logprobs=True, top_logprobs=5,
        )  # fmt: skip
        assert said.usage.prompt_tokens == prompt_tokens
        if told := said.choices[0].logprobs:  # there are none where the one token is half a character
            served = {one.token for one in told.content[0].top_logprobs}
            words = {word for word in likely if "\ufffd" not in word}  # half a character is no text for either
            assert len(words & served) >= len(words) - 1, (question, served, likely)
            compared += 1
    assert compared >= 2

    client.delete(f"/deployments/{NAME}", cast_to=object)
