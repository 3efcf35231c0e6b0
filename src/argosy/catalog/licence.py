"""Licences as objects: the terms of a model that can be checked, as data. Each is one TOML file in ``licences``.

A licence whose ``acceptance`` is true must be accepted by a project before it tunes, deploys or exports a model under
it. This is an aid to keep the terms, not legal advice: ``url`` leads to the text, which alone binds.
"""

import difflib
from functools import cache
from typing import Annotated, Literal

import msgspec

from argosy.catalog.shipped import read_folder, read_text
from argosy.core import NotFound

Use = Literal["deploy", "tune", "export", "commercial"]

_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{1,62}$")]
_Url = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s]+$")]
_Positive = Annotated[int, msgspec.Meta(gt=0)]


class Licence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The terms under which a model may be used."""

    id: _Id
    """SPDX's identifier where there is one."""
    title: str
    url: _Url
    """Where the text is, or a page of the owner that leads to it."""
    kind: Literal["open-source", "community", "research", "service"]
    """Open-source: OSI's or its like for data. Community: weights for anyone, with conditions. Research: not for
    business. Service: a company's terms for calls to its API; there are no weights."""
    uses: list[Use]
    """What the terms allow to anyone who keeps them; what is not listed needs the owner's word."""
    summary: str
    """The conditions that matter most, in a sentence or two of our own."""
    version: str | None = None
    """Number or date that the text carries."""
    acceptance: bool = False
    """Whether a project must accept the terms first."""
    users_max: _Positive | None = None
    """Monthly active users above which the owner's own permission is needed."""
    attribution: str | None = None
    """Words that must be shown with the model or its outputs."""
    derived_name: str | None = None
    """What names of derived models must begin with."""

    def allows(self, use: Use) -> bool:
        """Whether the terms allow this use without asking the owner."""
        return use in self.uses


def parse_licence(text: str) -> Licence:
    """A licence from its TOML. Raises ValueError that names the field at fault."""
    return read_text(text, Licence)


@cache
def licences() -> dict[str, Licence]:
    """All licences by id. Raises ValueError if one is malformed."""
    return {found.id: found for found in read_folder("licences", Licence)}


def licence(licence_id: str) -> Licence:
    """The licence of this id. Raises NotFound with ids that are close to it."""
    found = licences().get(licence_id)
    if found is None:
        near = difflib.get_close_matches(licence_id, licences(), n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else "'argosy licences' lists what there is."
        raise NotFound(f"There is no licence '{licence_id}'. {hint}", code="licence_not_found")
    return found
