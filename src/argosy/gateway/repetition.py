"""What a provider repeats of the answer so far, when it is to carry it on: taken away again.

Some say only what is new, some begin with the text that they were given, and some pass requests on to others that do
either. So what comes first is held back until it is clear. Where it cannot become clear, since a text may
really go on by saying the same once more, the answer stays broken: no word is to be told twice, or lost.
"""

from typing import Any

from argosy.core import UpstreamFailed
from argosy.gateway.health import Health

_TELLING = 24
"""Characters that hardly come twice by chance."""


class Repetition:
    """Watches the events of one run that carries an answer on."""

    def __init__(self, said: str, health: Health) -> None:
        """``said`` is the answer so far, more than white space. ``health`` remembers what the provider did before."""
        self._health = health
        self._core = said.strip()
        self._tail = said[len(said.rstrip()) :]
        self._held = ""
        self._over = False
        self.found = False
        """Whether it was repeated."""
        self.tokens = 0
        """Events with something new, if it was."""

    @property
    def holding(self) -> bool:
        """Whether it is still unknown what the words so far are."""
        return bool(self._held)

    def without(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event with what is new in it, without choices if that is nothing.

        Raises UpstreamFailed if nobody can say what is new.
        """
        choices = event.get("choices")
        if not choices:
            return event
        choice = choices[0]
        chat = "text" not in choice
        said = (choice.get("delta") or {}).get("content") if chat else choice["text"]
        new = self._new(said or "", final=bool(choice.get("finish_reason"))) if not self._over else said
        self.tokens += bool(self.found and new)
        if not new and not choice.get("finish_reason"):
            return {**event, "choices": []}
        if new == said:
            return event
        shown = {"delta": {**(choice.get("delta") or {}), "content": new}} if chat else {"text": new}
        if chat and not new:
            shown = {"delta": {}}
        return {**event, "choices": [{**choice, **shown}]}

    def _new(self, text: str, final: bool) -> str:
        heard = self._held + text
        start = heard.lstrip()
        if len(start) < len(self._core) and self._core.startswith(start) and not final:
            self._held = heard
            return ""
        if not start.startswith(self._core):
            self._check_other(start)
            return self._end(heard, repeats=False if start else None)
        rest = start[len(self._core) :]
        if len(rest) < len(self._tail) and self._tail.startswith(rest) and not final:
            self._held = heard
            return ""
        # A text whose first half comes again in it may be one that goes round.
        telling = len(self._core) >= _TELLING and self._core.find(self._core[: len(self._core) // 2], 1) < 0
        repeats = True if telling else self._health.repeats
        if repeats is None:
            raise _unclear()
        return self._end(rest.removeprefix(self._tail) if repeats else heard, repeats)

    def _check_other(self, start: str) -> None:
        """Raises UpstreamFailed for words that are others than what was said, but nearly are not."""
        if start and (self._core.startswith(start) or start[:_TELLING] == self._core[:_TELLING]):
            raise _unclear()

    def _end(self, new: str, repeats: bool | None) -> str:
        self._held, self._over, self.found = "", True, bool(repeats)
        if repeats is not None:
            self._health.repeats = repeats
        return new


def _unclear() -> UpstreamFailed:
    return UpstreamFailed(
        "The provider went away in the middle of this answer, and how it goes on cannot be told from what was said "
        "already. Please try again.",
        code="upstream_cut",
    )
