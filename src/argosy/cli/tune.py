"""``argosy tune``: from a file of examples to a name that answers; ``argosy jobs`` lists what ran."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.client import JsonOption, connect, show

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import SupervisedHyperparametersParam

_ENDED = {"succeeded", "failed", "cancelled"}
_POLL_S = 0.5


def tune(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSONL of chat examples.")],
    model: Annotated[str, typer.Option(help="Base model.")] = "smollm2-135m-instruct",
    suffix: Annotated[str, typer.Option(help="Your word in the new model's name.")] = "",
    epochs: Annotated[int | None, typer.Option(min=1, max=50, help="Default: chosen from the data.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same rows: same model.")] = None,
) -> None:
    """Upload the examples, start a fine-tuning job, follow it, print the new model's name."""
    client = connect()
    uploaded = client.files.create(file=file, purpose="fine-tune")
    settings: SupervisedHyperparametersParam = {"n_epochs": epochs} if epochs else {}
    job = client.fine_tuning.jobs.create(
        model=model,
        training_file=uploaded.id,
        suffix=suffix or None,
        seed=seed,
        method={"type": "supervised", "supervised": {"hyperparameters": settings}},
    )
    print(f"{job.id} created")
    name = _follow(client, job.id)
    print(f"\n{name} answers now. Try: argosy chat {name} '...'")


def jobs(as_json: JsonOption = False) -> None:
    """List fine-tuning jobs, newest first."""
    page = connect().fine_tuning.jobs.list(limit=50)
    show([job.model_dump() for job in page.data], ["id", "status", "model", "fine_tuned_model"], as_json=as_json)


def _follow(client: "OpenAI", job_id: str) -> str:
    """Print events as they come until the job ends; returns the new model's name, or exits with the job's error."""
    import time

    seen: set[str] = set()
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        fresh = [event for event in client.fine_tuning.jobs.list_events(job_id, limit=100).data if event.id not in seen]
        for event in reversed(fresh):
            seen.add(event.id)
            print(event.message)
        if job.status in _ENDED:
            break
        time.sleep(_POLL_S)
    if job.status != "succeeded" or job.fine_tuned_model is None:
        reason = job.error.message if job.error else "no reason was given"
        print(f"{job_id} {job.status}: {reason}")
        raise typer.Exit(1)
    return job.fine_tuned_model
