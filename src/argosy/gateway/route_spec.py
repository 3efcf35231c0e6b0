"""A route as it is written: a name, its targets in order of preference, and how long each thing may take.

Invariants: a spec that `read_spec` returned is whole and well-formed; ordering targets never changes it, and the same
sticky value leads to the same order as long as the targets and their weights stay.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from random import random
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.core import Invalid
from argosy.gateway.asked import Asked

TARGETS_MAX = 16
_Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][\w.:/@+-]*$")]
_Seconds = Annotated[float, Meta(gt=0, le=3600)]
_Tokens = Annotated[int, Meta(ge=0)]
_Ids = Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a request must be for a target to take it. What is left out does not matter."""

    projects: _Ids | None = None
    keys: _Ids | None = None
    """Ids of API keys."""
    languages: Annotated[tuple[Literal["zh", "ja", "ko", "other"], ...], Meta(min_length=1)] | None = None
    """By the script of the prompt."""
    prompt_tokens_min: _Tokens | None = None
    """By the gateway's own estimate: a quarter of the body's bytes."""
    prompt_tokens_max: _Tokens | None = None
    tools: bool | None = None
    """Whether the request offers tools that the model may call."""
    schema: bool | None = None
    """Whether the answer is to be held to a JSON schema."""

    def takes(self, asked: Asked) -> bool:
        """Whether a request fulfils all conditions."""
        return (
            (self.projects is None or asked.project_id in self.projects)
            and (self.keys is None or asked.key_id in self.keys)
            and (self.prompt_tokens_min is None or asked.prompt_tokens >= self.prompt_tokens_min)
            and (self.prompt_tokens_max is None or asked.prompt_tokens <= self.prompt_tokens_max)
            and (self.tools is None or asked.tools is self.tools)
            and (self.schema is None or asked.schema is self.schema)
            and (self.languages is None or asked.language in self.languages)
        )


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model that may answer."""

    model: _Name
    """A deployed model or an adapter, by its own name."""
    weight: Annotated[int, Meta(ge=0, le=1000)] = 1
    """Its share of the traffic among the targets of its priority; 0 is used only when all others have failed."""
    priority: Annotated[int, Meta(ge=0, le=100)] = 0
    """0 goes first; a higher number is asked only when all before it failed or do not take the request."""
    when: When | None = None


class Patience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Deadlines of a route, in seconds. That for connecting is the platform's own, see `Deadlines`."""

    first_token: _Seconds = 30.0
    """Until its first token, where the answer is streamed; a whole answer has `total` only."""
    stall: _Seconds = 30.0
    """Without a byte, once it has begun."""
    total: _Seconds = 600.0
    """For the whole request, all attempts together."""


class RouteSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a route says."""

    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=TARGETS_MAX)]
    sticky: Literal["none", "user", "key", "project"] = "none"
    """What keeps to one target while that is well: the request's ``user``, the API key, or the project."""
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    """Targets' replicas that one request may be sent to, at most."""
    deadlines: Patience = Patience()


def read_spec(members: object) -> RouteSpec:
    """Check and read. Raises Invalid, with ``param`` naming the member at fault."""
    try:
        spec = msgspec.convert(members, RouteSpec, strict=True)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        param = place.strip("`.") or None
        raise Invalid(
            f"This route cannot be used: {reason}" + (f" (at '{param}')." if param else "."),
            code="invalid_route",
            param=param,
        ) from None
    models = [target.model for target in spec.targets if target.when is None]
    if twice := sorted({model for model in models if models.count(model) > 1}):
        raise Invalid(f"The target '{twice[0]}' is there twice without a condition.", code="invalid_route")
    return spec


def written(spec: RouteSpec) -> dict[str, Any]:
    """As JSON; what has its usual value is left out."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(spec))
    return found


def ordered(name: str, spec: RouteSpec, asked: Asked) -> Sequence[Target]:
    """The targets that take a request, in the order in which they are to be tried.

    Within a priority that is a weighted shuffle (Efraimidis and Spirakis, 2006: descending u^(1/w)). With a sticky
    value u comes from a hash of it instead of chance, which makes it weighted rendezvous hashing: when a target goes
    away, only its own callers move.
    """
    taking = [target for target in spec.targets if target.when is None or target.when.takes(asked)]
    if len(taking) < 2:
        return taking
    value = asked.sticky_value(spec.sticky)
    return sorted(taking, key=lambda target: (target.priority, _rank(name, target, value)))


def _rank(name: str, target: Target, value: str | None) -> float:
    if not target.weight:
        return math.inf
    # 1 - random() lies in (0, 1], as a logarithm wants it.
    share = 1.0 - random() if value is None else _share(name, target.model, value)  # noqa: S311
    return -math.log(share) / target.weight


def _share(*parts: str) -> float:
    """A number in (0, 1] that depends on nothing but the parts."""
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest) + 1) / 2**64


Routes = Mapping[tuple[str, str], RouteSpec]
"""By organization and name."""
