"""``argosy pull``, ``import``, ``fit``, ``models``, ``alias``: what can run here, and by which name."""

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from argosy.cli.client import JsonOption, connect, get, post, put, show
from argosy.cli.platform import HomeOption, read_settings
from argosy.core import Invalid, format_money

ModelArgument = Annotated[str, typer.Argument(help="A name from 'argosy models'.")]


def pull(name: ModelArgument, home: HomeOption = None) -> None:
    """Get a model's weights, checked against the digest on its card."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from argosy.catalog import Progress as Step
    from argosy.catalog import card, pull

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(f"pull {name}", total=None)

        def show_step(step: Step) -> None:
            bar.update(task, description=step.message, completed=step.done_bytes, total=step.total_bytes)

        path = pull(card(name), read_settings(home, None).home, show_step)
    print(path)


def fit(name: ModelArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Pull a model if need be, and measure which form of its weights serves best on this machine."""
    from rich.console import Console

    from argosy.catalog import card
    from argosy.serving import fit_document, ready_file, require_room
    from argosy.serving.fit import fit

    settings, wanted = read_settings(home, None), card(name)
    require_room(wanted)
    with Console(stderr=True).status(f"Getting {name}") as status:
        source = ready_file(wanted, settings.home, os.environ, lambda _, line: status.update(line))
        (settings.home / "run").mkdir(parents=True, exist_ok=True)
        fitted = fit(source, settings.home / "run", status.update, thorough=True)
    found = fit_document(wanted, settings, fitted)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    rows = [
        {
            "form": form + (" (shipped)" if form == found["shipped"] else ""),
            "MB": round(one["size_bytes"] / 1e6),
            "write 1": round(one["one_stream"]),
            "write 16": round(one["sixteen_streams"]),
            "read 1": round(one["read_one"]),
            "read 16": round(one["read_sixteen"]),
            "ppl": f"x{one['perplexity']:.2f}",
            "same": f"{one['agreement']:.0%}",
            "": "chosen" if form == found["chosen"] else "",
        }
        for form, one in found["measured"].items()
    ]
    show(rows, list(rows[0]) if rows else [], as_json=False)
    print("write, read: tokens a second of 1 and of 16 streams. ppl, same: perplexity and likeliest tokens beside the")
    print(f"shipped file's. {found['rule']}")
    print(f"{found['streams']} requests side by side get {found['context_length']:,} tokens each.")
    if cost := found["cost"]:
        say = [format_money(cost[field], cost["currency"]) for field in ("input_per_million", "output_per_million")]
        print(f"At full load a million tokens cost {say[0]} read and {say[1]} written.")
        if (characters := cost["output_per_60000_characters"]) is not None:
            print(f"60,000 characters written cost {format_money(characters, cost['currency'])}.")
    else:
        print("Set ARGOSY_MACHINE_PRICE, such as '0.25 USD' an hour, to see what a million tokens cost.")


def import_(
    path: Annotated[
        str, typer.Argument(help="A GGUF file or a folder of safetensors on the platform's machine, or hf:ORG/NAME.")
    ],
    licence: Annotated[
        str | None,
        typer.Option(help="An id from 'argosy licences': what its owner allows; by default as the hub says."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What callers will send; by default from the file's name.")] = None,
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    publisher: Annotated[str, typer.Option(help="Who made it.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Import a model: a card is written from its headers, and 'argosy deploy' then serves it."""
    from rich.console import Console

    place = path if path.startswith("hf:") else str(Path(path).expanduser().absolute())
    body = {"path": place, "name": name, "licence": licence, "title": title, "publisher": publisher}
    with Console(stderr=True).status(f"Reading {path}"):
        made = post("/catalog", {field: value for field, value in body.items() if value is not None})
    if as_json:
        show([made], [], as_json=True)
        return
    form, size, cost = (
        (made["file"] or {}).get("quantisation") or made["parts"]["form"],
        _size(made["parameters"]),
        made["cost"],
    )
    weights, per_token = cost["weights_bytes"] / 2**20, cost["bytes_per_token"] / 2**10
    print(f"{made['name']}: {made['architecture']}, {size} parameters, {form}, {made['licence']}")
    print(f"In memory: {weights:,.0f} MiB of weights, and {per_token:,.0f} KiB for each token of each request")
    print(f"Serve it with: argosy deploy {made['name']}")


def models(
    words: Annotated[list[str] | None, typer.Argument(help="Words of the name, title, publisher or family.")] = None,
    family: Annotated[str | None, typer.Option(help="Such as qwen3.")] = None,
    modality: Annotated[
        str | None, typer.Option(help="chat, completion, embedding, rerank, moderation, vision or image.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639, such as zh.")] = None,
    licence: Annotated[str | None, typer.Option(help="An id from 'argosy licences'.")] = None,
    provider: Annotated[str | None, typer.Option(help="A company whose API offers it.")] = None,
    hosted: Annotated[
        bool | None, typer.Option("--hosted/--weights", help="Offered by a company, or weights to run here.")
    ] = None,
    commercial: Annotated[
        bool | None, typer.Option("--commercial/--research", help="Whether the licence allows commercial use.")
    ] = None,
    fits: Annotated[bool | None, typer.Option("--fits/--too-large", help="Whether it can fit this machine.")] = None,
    max_parameters: Annotated[str | None, typer.Option(help="At most, such as 7B or 500M.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List models: those that this key may call first, then all cards that pass the filters."""
    callable_ = {model.id: model for model in connect().models.list().data}
    filters = {
        "q": " ".join(words or []) or None,
        "family": family,
        "modality": modality,
        "language": language,
        "licence": licence,
        "provider": provider,
        "hosted": hosted,
        "commercial": commercial,
        "fits": fits,
        "parameters_max": max_parameters and parse_count(max_parameters),
    }
    found = get("/catalog", **filters)["data"]
    filtered = any(value is not None for value in filters.values())
    answering = callable_.keys() & {card["name"] for card in found} if filtered else callable_.keys()
    cards: dict[str, dict[str, Any]] = {card["name"]: card for card in found}
    rows: list[dict[str, Any]] = [
        {"model": name, "state": "answers", "owned_by": callable_[name].owned_by, **cards.get(name, {})}
        for name in sorted(answering)
    ]
    rows += [{"model": name, "state": _offered(card), **card} for name, card in cards.items() if name not in callable_]
    if not as_json:
        rows = [row | {"size": _size(row.get("parameters")), "context": row.get("context_length")} for row in rows]
    show(rows, ["model", "state", "modality", "family", "size", "context", "licence"], as_json=as_json)


def parse_count(text: str) -> int:
    """``500M``, ``7B``, ``1.5b`` or a plain number. Raises Invalid."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmb]?)", text.strip().lower())
    if match is None:
        raise Invalid(f"'{text}' is not a number of parameters. Write 500M, 7B or 135000000.", code="invalid_count")
    return round(float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}[match[2]])


def _offered(card: dict[str, Any]) -> str:
    if card["fit"] is None:
        return "hosted"
    return {True: "fits", False: "too large", None: "in the catalog"}[card["fit"]["fits"]]


def _size(parameters: int | None) -> str | None:
    """As people write it: 135M, 7.6B, 1.0T."""
    if parameters is None:
        return None
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if parameters >= unit:
            number = parameters / unit
            return f"{number:.1f}{letter}" if number < 100 else f"{number:.0f}{letter}"
    return str(parameters)


def alias(
    name: Annotated[str, typer.Argument(help="The name that callers use, such as chat-default.")],
    target: Annotated[str | None, typer.Argument(help="The model it is to stand for.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the name back.")] = False,
) -> None:
    """Point a name at a model; every request is answered by the old one or by the new one, none is lost."""
    if remove:
        connect().delete(f"/aliases/{name}", cast_to=object)
        print(f"{name} is removed")
        return
    if target is None:
        raise Invalid("Name the model that the alias is to stand for.", code="target_missing")
    put(f"/aliases/{name}", {"target": target})
    print(f"{name} -> {target}")


def aliases(as_json: JsonOption = False) -> None:
    """List the project's aliases."""
    show(get("/aliases")["data"], ["id", "target", "moved_at"], as_json=as_json)
