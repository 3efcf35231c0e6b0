"""``argosy provider``: companies whose API answers for models, with this platform's keys to them."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, connect, get, post, read_secret, show

app = typer.Typer(help="Providers of hosted models: add, test, list, remove.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Such as openai; 'argosy provider known' lists them.")]


@app.command()
def add(
    name: NameArgument,
    base_url: Annotated[
        str | None, typer.Option(help="Where OpenAI's paths lie, if the name is not a known one.")
    ] = None,
    auth: Annotated[str | None, typer.Option(help="bearer, api-key or x-api-key.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Its address may be inside this network.")] = False,
    in_flight: Annotated[
        int | None, typer.Option(help="Requests that it is sent at once; more wait their turn.")
    ] = None,
    prefill: Annotated[
        str | None, typer.Option(help="How to carry on a stream that broke: none, assistant, prefix or partial.")
    ] = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="It asks for no key.")] = False,
) -> None:
    """Add a provider, or give it a new key, and try it. The key comes from ARGOSY_PROVIDER_KEY, a pipe or a prompt."""
    key = None if no_key else read_secret("ARGOSY_PROVIDER_KEY", f"Key for {name}")
    body = {
        "name": name,
        "key": key,
        "base_url": base_url,
        "auth": auth,
        "private": private,
        "in_flight_max": in_flight,
        "prefill": prefill,
    }
    made = post("/providers", {field: value for field, value in body.items() if value is not None})
    print(f"{made['name']} is added at {made['base_url']}")
    found = post(f"/providers/{name}/test", {})
    print(f"It answers, and offers {found['models']} models. 'argosy provider models {name}' lists them.")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the providers that were added."""
    show(get("/providers")["data"], ["name", "base_url", "key_hint", "private", "prefill"], as_json=as_json)


@app.command()
def known(as_json: JsonOption = False) -> None:
    """List the providers that need nothing but a key."""
    show(get("/providers/known")["data"], ["id", "title", "base_url", "prefill"], as_json=as_json)


@app.command()
def models(name: NameArgument, as_json: JsonOption = False) -> None:
    """List the models that a provider offers to this platform's key."""
    show(get(f"/providers/{name}/models")["data"], ["id"], as_json=as_json)


@app.command()
def test(name: NameArgument) -> None:
    """Reach a provider with its key."""
    print(f"{name} answers, and offers {post(f'/providers/{name}/test', {})['models']} models")


@app.command()
def remove(name: NameArgument) -> None:
    """Forget a provider and its key."""
    connect().delete(f"/providers/{name}", cast_to=object)
    print(f"{name} is removed")
