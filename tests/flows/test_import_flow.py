"""A model as its publisher put it on a hub, imported from a folder, served and asked: it answers as its GGUF does."""

import pytest
from tests.flows.platform import STARTER

NAME = "starter-as-published"
QUESTIONS = ("What is the capital of France?", "Name three colours.", "你好！")


@pytest.fixture(scope="module")
def published(platform, tmp_path_factory):
    """The starter model in its publisher's form: unpacked from the file that ships, as transformers saves it."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("published")
    (file,) = (platform.home / "models" / STARTER).glob("*.Q4_1.gguf")
    options = {"gguf_file": file.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(file.parent), **options, quantization_config=transformers.GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(folder, max_shard_size="100MB")
    transformers.AutoTokenizer.from_pretrained(str(file.parent), **options).save_pretrained(folder)
    return folder


def test_a_published_model_serves_without_a_change_of_code(platform, published):
    client = platform.client
    made = client.post("/catalog", body={"path": str(published), "name": NAME, "licence": "Apache-2.0"}, cast_to=object)
    assert made["architecture"] == "llama"
    assert made["modality"] == "chat"
    assert 130e6 < made["parameters"] < 170e6
    assert len([file for file in made["parts"]["files"] if file["path"].endswith(".safetensors")]) > 1

    client.post("/deployments", body={"model": NAME, "quantisation": "BF16"}, cast_to=object)
    platform.wait_for_model(NAME)
    compared = 0
    for question in QUESTIONS:
        said = [
            client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": question}], max_tokens=1, temperature=0,
                logprobs=True, top_logprobs=5,
            )
            for model in (NAME, STARTER)
        ]  # fmt: skip
        # The same prompt, token by token; and the same first choice, up to what packing for speed changed.
        assert said[0].usage.prompt_tokens == said[1].usage.prompt_tokens
        told = [each.choices[0].logprobs for each in said]
        if all(told):  # there are none where the one token is half a character: which it is, depends on the form
            likely = [{one.token for one in each.content[0].top_logprobs} for each in told]
            assert len(likely[0] & likely[1]) >= 2
            compared += 1
    assert compared >= 2

    client.delete(f"/deployments/{NAME}", cast_to=object)
