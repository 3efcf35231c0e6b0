"""``argosy chat``: one question to a model, the answer as it comes."""

from typing import TYPE_CHECKING, Annotated

import typer

from argosy.cli.client import connect

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam


def chat(
    model: Annotated[str, typer.Argument(help="A name that 'argosy models' lists, ft: names too.")],
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Small models may not stop by themselves.")] = 512,
) -> None:
    """Ask a model and stream its answer."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    stream = connect().chat.completions.create(
        model=model,
        messages=messages,
        temperature=temperature,
        max_tokens=max_tokens,
        stream=True,
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()
