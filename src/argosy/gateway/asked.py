"""What a route may want to know of a request. Read from it only when a route asks, since most requests have none."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import msgspec
from msgspec import Raw

from argosy.gateway.requests import Request
from argosy.identity import Caller

Language = Literal["zh", "ja", "ko", "other"]
_HEAD = 4096
"""Characters of the prompt's end that tell its language."""
_SHARE = 0.2
"""Of the letters, that are in a script, for the prompt to be in it: Chinese sentences hold many Latin names."""


class _Message(msgspec.Struct):
    role: str = ""
    content: Raw = Raw(b"null")


class _Form(msgspec.Struct):
    type: str = ""


class _Body(msgspec.Struct):
    messages: list[_Message] | None = None
    prompt: Raw = Raw(b"null")
    user: str | None = None
    response_format: _Form | None = None


_BODY = msgspec.json.Decoder(_Body)
_ANY = msgspec.json.Decoder()


@dataclass(frozen=True)
class Asked:
    """A request as seen by the conditions of a route."""

    request: Request
    caller: Caller

    @property
    def project_id(self) -> str:
        """Who asks."""
        return self.caller.project_id

    @property
    def key_id(self) -> str:
        """With which key."""
        return self.caller.key_id

    @property
    def prompt_tokens(self) -> int:
        """By our own estimate."""
        return self.request.prompt_estimate

    @property
    def tools(self) -> bool:
        """Whether tools may be called."""
        return self.request.call is not None

    @cached_property
    def _body(self) -> _Body:
        try:
            return _BODY.decode(self.request.body)
        except msgspec.DecodeError:  # of another shape than a completion's
            return _Body()

    @cached_property
    def schema(self) -> bool:
        """Whether the answer is held to a JSON schema."""
        form = self._body.response_format
        return form is not None and form.type == "json_schema"

    @cached_property
    def language(self) -> Language:
        """By the script of the end of the prompt: the last message of the user, or the prompt's text."""
        said = [message.content for message in self._body.messages or () if message.role == "user"]
        return language_of(_text(_ANY.decode(said[-1] if said else self._body.prompt))[-_HEAD:])

    def sticky_value(self, kind: str) -> str | None:
        """What callers are told apart by; None where nothing is to keep them to a target."""
        match kind:
            case "user":
                return self._body.user
            case "key":
                return self.key_id
            case "project":
                return self.project_id
        return None


def language_of(text: str) -> Language:
    """By script: kana is Japanese, hangul Korean, Han without either Chinese, all else ``other``."""
    counts = {"ja": 0, "ko": 0, "zh": 0}
    letters = 0
    for character in text:
        if not character.isalpha():
            continue
        letters += 1
        point = ord(character)
        if 0x3040 <= point <= 0x30FF:
            counts["ja"] += 1
        elif 0xAC00 <= point <= 0xD7AF:
            counts["ko"] += 1
        elif 0x3400 <= point <= 0x9FFF or 0x20000 <= point <= 0x323AF:
            counts["zh"] += 1
    # Japanese is written with Han too, so its kana are asked first and counted together with them.
    if counts["ja"] and counts["ja"] + counts["zh"] >= _SHARE * letters:
        return "ja"
    if counts["ko"] >= _SHARE * letters and counts["ko"]:
        return "ko"
    return "zh" if counts["zh"] and counts["zh"] >= _SHARE * letters else "other"


def _text(content: object) -> str:
    """All text of a message's content or a prompt, whichever of their shapes it has."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(map(_text, content))
    if isinstance(content, dict):
        return _text(content.get("text"))
    return ""
