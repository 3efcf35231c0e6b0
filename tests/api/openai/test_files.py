"""OpenAI's SDK as the client of ``/v1/files``, and bodies that no well-behaved client would send."""

import json
import resource

import httpx
import openai
import pytest

from argosy.datasets import UPLOAD_LIMIT_BYTES
from argosy.identity import create_key, create_project

ROWS = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"Q{n}"}, {"role": "assistant", "content": f"销售额 {n}"}]},
               ensure_ascii=False) + "\n" for n in range(12)
).encode()  # fmt: skip


async def upload(api, content=ROWS, name="rows.jsonl", purpose="fine-tune"):
    return await api.client().files.create(file=(name, content), purpose=purpose)


async def test_a_file_comes_back_as_it_went_in(api):
    made = await upload(api)
    assert made.id.startswith("file-")
    assert (made.object, made.bytes, made.purpose, made.filename) == ("file", len(ROWS), "fine-tune", "rows.jsonl")
    assert await api.client().files.retrieve(made.id) == made
    content = await api.client().files.content(made.id)
    assert content.content == ROWS
    assert content.response.headers["x-content-type-options"] == "nosniff"
    assert content.response.headers["content-disposition"].startswith("attachment")


async def test_files_are_listed_newest_first_page_by_page(api):
    made = [(await upload(api, name=f"{number}.jsonl")).id for number in range(5)]
    await upload(api, b"notes", "notes.txt", "user_data")

    page = await api.client().files.list(limit=2, purpose="fine-tune")
    assert [file.id for file in page.data] == made[:2:-1]
    assert page.has_more
    assert [file.id async for file in api.client().files.list(limit=2, purpose="fine-tune")] == made[::-1]
    assert [file.id async for file in api.client().files.list(limit=2, order="asc")][:5] == made


async def test_a_deleted_file_is_gone(api):
    made = await upload(api)
    assert (await api.client().files.delete(made.id)).deleted
    for gone in (api.client().files.retrieve, api.client().files.content, api.client().files.delete):
        with pytest.raises(openai.NotFoundError, match="no file"):
            await gone(made.id)
    assert [file async for file in api.client().files.list()] == []


async def test_another_projects_file_looks_like_none(api):
    made = await upload(api)
    with api.database.write() as tx:
        _, stranger = create_key(tx, create_project(tx, api.project_id, "rivals").id, "key", ["tuning"])
    api.gateway.refresh()
    files = api.client(stranger).files
    with pytest.raises(openai.NotFoundError):
        await files.retrieve(made.id)
    assert [file async for file in files.list()] == []


async def test_a_key_without_the_scope_is_refused(api):
    with pytest.raises(openai.PermissionDeniedError, match="scope 'tuning'"):
        await api.client(api.key("billing")).files.list()


async def test_a_key_that_may_only_ask_models_has_the_files_of_batches_and_sees_no_others(api):
    training = await upload(api)
    files = api.client(api.key("inference")).files
    made = await files.create(file=("lines.jsonl", ROWS), purpose="batch")
    assert [file.id async for file in files.list()] == [made.id]
    assert [file.id async for file in files.list(purpose="fine-tune")] == []
    assert (await files.content(made.id)).content == ROWS
    for hidden in (files.retrieve, files.content, files.delete):
        with pytest.raises(openai.NotFoundError, match="no file"):
            await hidden(training.id)
    with pytest.raises(openai.PermissionDeniedError, match="scope 'tuning'"):
        await files.create(file=("rows.jsonl", ROWS), purpose="fine-tune")
    await files.delete(made.id)


async def test_the_report_tells_all_that_is_wrong_before_a_job_is_made(api):
    made = await upload(api, ROWS + b"oops\n" + b'{"messages": []}\n')
    report = await api.client().get(f"/files/{made.id}/report", cast_to=dict)
    assert not report["valid"]
    assert [(problem["line"], problem["code"]) for problem in report["problems"]] == [
        (13, "malformed_json"),
        (14, "invalid_messages"),
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b" \n", "empty_file"),
        (ROWS.decode().encode("utf-16"), "not_utf8"),
        (b"PK\x03\x04" + bytes(100), "binary_file"),
    ],
)
async def test_a_training_file_that_is_not_text_is_refused_at_the_door(api, content, code):
    with pytest.raises(openai.BadRequestError) as refused:
        await upload(api, content)
    assert refused.value.code == code
    assert "Save it as UTF-8" in refused.value.message


async def test_other_purposes_may_hold_any_bytes(api):
    assert (await upload(api, b"\x00\x01", "a.bin", "user_data")).bytes == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"purpose": "assistants"}, "invalid_purpose"),
        ({}, "invalid_purpose"),
        ({"purpose": "fine-tune", "expires_after[anchor]": "created_at"}, "unsupported_parameter"),
    ],
)
async def test_fields_that_would_be_ignored_are_refused(api, fields, code):
    answer = await post(api, data=fields, files={"file": ("a.jsonl", ROWS)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_a_body_without_a_file(api):
    answer = await post(api, files={"purpose": (None, "fine-tune")})
    assert answer.json()["error"]["code"] == "missing_file"
    answer = await post(api, json={"purpose": "fine-tune"})
    assert answer.json()["error"]["code"] == "not_multipart"
    answer = await post(api, content=b"nonsense", headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.json()["error"]["code"] in ("invalid_multipart", "missing_file")
    answer = await post(api, content=b"nonsense", headers={"content-type": "multipart/form-data"})
    assert answer.json()["error"]["code"] == "invalid_multipart"


@pytest.mark.parametrize(
    ("given", "kept"), [("../../etc/passwd", "passwd"), ("C:\\data\\a.jsonl", "a.jsonl"), ("训练.jsonl", "训练.jsonl")]
)
async def test_a_file_name_is_only_a_name(api, given, kept):
    made = await upload(api, name=given)
    assert made.filename == kept
    assert (await api.client().files.content(made.id)).content == ROWS


async def test_an_upload_of_200_mb_is_refused_without_filling_the_memory(api):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await post(api, content=large(200), headers={"content-type": "multipart/form-data; boundary=x"})
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "file_too_large"
    assert f"{UPLOAD_LIMIT_BYTES // 1_000_000} MB" in answer.json()["error"]["message"]
    assert grown_kb < 60_000
    assert [file async for file in api.client().files.list()] == []


async def test_an_upload_that_announces_its_length_is_refused_too(api):
    size = sum([len(part) async for part in large(200)])
    answer = await post(
        api,
        content=large(200),
        headers={"content-type": "multipart/form-data; boundary=x", "content-length": str(size)},
    )
    assert answer.status_code == 413


async def large(megabytes):
    """A multipart body of this size, in pieces."""
    yield b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    for _ in range(megabytes):
        yield b"x" * 1_000_000
    yield b"\r\n--x--\r\n"


async def post(api, headers=None, **body):
    async with httpx.AsyncClient(timeout=60) as client:
        authorization = {"authorization": f"Bearer {api.secret}"}
        return await client.post(f"{api.url}/v1/files", headers=authorization | (headers or {}), **body)
