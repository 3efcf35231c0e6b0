"""``argosy keys``: made and revoked on the machine that holds the home, so that nobody is ever locked out."""

from typing import Annotated

import typer

from argosy.cli.client import JsonOption, show
from argosy.cli.platform import HomeOption, read_settings

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="inference, tuning, billing or admin; repeatable.")] = None,
    home: HomeOption = None,
) -> None:
    """Make a key. It is shown this once: only its hash is stored."""
    from argosy.app import create_local_key

    secret = create_local_key(read_settings(home, None), name, scope or ["inference", "tuning", "billing"])
    print(secret)


@app.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List keys, without their secrets."""
    from argosy.app import list_local_keys

    show(list_local_keys(read_settings(home, None)), ["id", "name", "hint", "scopes", "revoked_at"], as_json=as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="An id that 'argosy keys list' shows.")], home: HomeOption = None
) -> None:
    """Revoke a key: it stops working within a second, everywhere."""
    from argosy.app import revoke_local_key

    revoke_local_key(read_settings(home, None), key_id)
    print(f"{key_id} revoked")
