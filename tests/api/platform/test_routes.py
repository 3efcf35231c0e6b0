"""``/v1/routes`` from outside: written, looked at, rolled back, and refused where it could not work."""

import openai
import pytest


@pytest.fixture
async def served(api):
    """Models "first", "second" and an embedding model are deployed."""
    for name in ("first", "second", "multilingual-e5-small"):
        await api.client().post("/deployments", body={"model": name, "engine": "echo"}, cast_to=dict)
    return api


async def write(api, *models, name="chat", secret=None, **more):
    body = {"targets": [{"model": model} for model in models], **more}
    return await api.client(secret).put(f"/routes/{name}", body=body, cast_to=dict)


async def get(api, path):
    return await api.client().get(path, cast_to=dict)


async def test_it_is_written_read_changed_and_rolled_back(served):
    made = await write(served, "first", "second", sticky="user")
    assert (made["object"], made["version"], made["sticky"]) == ("route", 1, "user")
    assert await get(served, "/routes/chat") == made
    assert (await write(served, "first", "second", sticky="user"))["version"] == 1
    assert (await write(served, "second"))["version"] == 2
    assert (await get(served, "/routes"))["data"][0]["targets"] == [{"model": "second"}]
    back = await served.client().post("/routes/chat/rollback", body={"version": 1}, cast_to=dict)
    assert (back["version"], back["targets"]) == (3, made["targets"])
    await served.client().delete("/routes/chat", cast_to=object)
    with pytest.raises(openai.NotFoundError):
        await get(served, "/routes/chat")
    history = (await get(served, "/routes/chat/versions"))["data"]
    assert [one["deleted"] for one in history] == [False, False, False, True]
    with pytest.raises(openai.NotFoundError):
        await served.client().delete("/routes/chat", cast_to=object)


async def test_a_name_may_have_a_slash(served):
    await write(served, "first", name="team/chat")
    assert (await get(served, "/routes/team/chat"))["id"] == "team/chat"


@pytest.mark.parametrize(
    ("models", "code"),
    [
        (["first", "nowhere"], "target_not_served"),
        (["ft:tiny:argosy:theirs:2"], "target_not_served"),
        (["first", "multilingual-e5-small"], "targets_differ"),
        ([], "invalid_route"),
    ],
)
async def test_what_could_not_work_is_refused(served, models, code):
    with pytest.raises(openai.BadRequestError) as error:
        await write(served, *models)
    assert error.value.code == code
    assert (await get(served, "/routes"))["data"] == []


async def test_only_administrators_write_and_read_them(served):
    key = served.key("inference")
    with pytest.raises(openai.PermissionDeniedError):
        await write(served, "first", secret=key)
    with pytest.raises(openai.PermissionDeniedError):
        await served.client(key).get("/routes", cast_to=dict)


async def test_the_usage_row_says_how_it_was_routed(served):
    await served.client().post("/deployments", body={"model": "tiny", "engine": "echo"}, cast_to=dict)
    await write(served, "tiny")
    served.gateway.refresh()
    answer = await served.ask(model="chat")
    assert answer.model == "tiny"
    [event] = await served.settled()
    assert (event.route, event.model, event.attempts) == ("chat", "tiny", 1)
