"""Models, files and batches: what the SDK lists, fetches, uploads and waits for."""

import json

import openai
import pytest
from tests.conformance.asking import HELLO
from tests.conformance.conftest import EMBEDDER
from tests.flows.platform import STARTER, until

CHAT = "/v1/chat/completions"


def test_models_are_listed_and_retrieved(client):
    listed = client.models.list()
    assert {STARTER, EMBEDDER} <= {model.id for model in listed}
    one = client.models.retrieve(STARTER)
    assert (one.id, one.object, one.owned_by) == (STARTER, "model", "argosy")
    assert one in listed.data
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("gpt-none")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


async def test_models_are_listed_asynchronously(aclient):
    assert STARTER in [model.id async for model in aclient.models.list()]


def lines(*rows):
    return "\n".join(json.dumps({"method": "POST", "url": CHAT, **row}) for row in rows).encode()


def test_a_file_is_uploaded_listed_read_and_deleted(client):
    content = lines({"custom_id": "a", "body": {"model": STARTER, "messages": HELLO}})
    made = client.files.create(file=("ask.jsonl", content), purpose="batch")
    assert (made.object, made.filename, made.bytes, made.purpose) == ("file", "ask.jsonl", len(content), "batch")
    assert client.files.retrieve(made.id) == made
    assert made.id in [file.id for file in client.files.list(purpose="batch")]
    assert client.files.content(made.id).read() == content
    assert client.files.delete(made.id).deleted
    for look in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as gone:
            look(made.id)
        assert gone.value.code == "file_not_found"


def test_a_file_for_nothing_that_is_known_is_refused(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a.txt", b"x"), purpose="decoration")
    assert refused.value.param == "purpose"


def test_a_batch_gives_answers_and_errors_as_files(client):
    body = {"model": STARTER, "messages": HELLO, "max_tokens": 4}
    content = lines(
        {"custom_id": "good", "body": body},
        {"custom_id": "bad", "body": {**body, "temperature": 9}},
    )
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"run": "conformance"}
    )
    assert (batch.object, batch.endpoint, batch.metadata) == ("batch", CHAT, {"run": "conformance"})
    assert batch.id in [one.id for one in client.batches.list(limit=5)]
    batch = until(lambda: ended(client, batch.id), 60, "the batch did not end")
    counts = batch.request_counts
    assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", 2, 1, 1)
    [good] = map(json.loads, client.files.content(batch.output_file_id).text.splitlines())
    assert (good["custom_id"], good["response"]["status_code"], good["error"]) == ("good", 200, None)
    assert good["response"]["body"]["choices"][0]["message"]["content"]
    [bad] = map(json.loads, client.files.content(batch.error_file_id).text.splitlines())
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("bad", 400)
    assert bad["response"]["body"]["error"]["param"] == "temperature"
    with pytest.raises(openai.BadRequestError, match="cannot be cancelled"):
        client.batches.cancel(batch.id)


def test_a_batch_of_no_file_and_one_that_is_unknown(client):
    with pytest.raises(openai.APIStatusError) as refused:
        client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")
    assert refused.value.status_code in (400, 404)
    assert refused.value.param == "input_file_id"
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")


def ended(client, batch_id):
    batch = client.batches.retrieve(batch_id)
    return batch if batch.status in ("completed", "failed", "expired", "cancelled") else None
