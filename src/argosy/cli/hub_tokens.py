"""``argosy hub-token``: the project's right to read gated and private repositories of a hub."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, connect, get, put, read_secret, show

app = typer.Typer(help="Tokens for hubs: set, list, remove.", no_args_is_help=True)

HubArgument = Annotated[str, typer.Argument(help="Such as hf.")]


@app.command("set")
def set_(hub: HubArgument = "hf") -> None:
    """Store the project's token for a hub, encrypted. It comes from HF_TOKEN, a pipe or a prompt."""
    made = put(f"/hub-tokens/{hub}", {"token": read_secret("HF_TOKEN", f"Token for {hub}")})
    print(f"The token for {made['id']} is stored")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the hubs that the project has a token for."""
    show(get("/hub-tokens")["data"], ["id", "hint"], as_json=as_json)


@app.command()
def remove(hub: HubArgument = "hf") -> None:
    """Forget the project's token for a hub."""
    connect().delete(f"/hub-tokens/{hub}", cast_to=object)
    print(f"The token for {hub} is removed")
