"""Providers: companies (or machines of one's own) whose API answers for models. Known ones are data: ``providers``."""

from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from argosy.catalog.shipped import read_folder
from argosy.core import Invalid, NotFound, UpstreamFailed
from argosy.runtime import Vault, egress

Auth = Literal["bearer", "api-key", "x-api-key"]
"""How the key goes along: ``Authorization: Bearer``, or a header of that name."""

Prefill = Literal["none", "assistant", "prefix", "partial"]
"""How to ask for the rest of an answer: not at all, with the answer so far as a last message of the assistant, or with
``"prefix": true`` or ``"partial": true`` in that message too.
"""

_LIST_BYTES_MAX = 8 << 20


class KnownProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is public about a provider."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
    title: str
    base_url: Annotated[str, msgspec.Meta(pattern="^https://")] | None = None
    """Below it lie OpenAI's paths, such as ``/chat/completions``. None where every customer has an own address."""
    auth: Auth = "bearer"
    prefill: Prefill = "none"
    """What its documentation offers. Used only where the operator asks for it: not every model of a provider has it."""
    count_tokens: Annotated[str, msgspec.Meta(pattern="^/")] | None = None
    """Path below ``base_url`` that counts a prompt's tokens as Anthropic's API does; None where there is none."""


@dataclass(frozen=True)
class Provider:
    """A provider that was added here, with the key to it."""

    id: str
    project_id: str
    """Who added it. It serves all projects, as every deployment does."""
    name: str
    base_url: str
    auth: Auth
    private: bool
    """Whether its address may be inside the network: the operator said so."""
    secret: bytes | None = field(repr=False)
    """The key, sealed for `purpose`; None where none is needed."""
    hint: str
    """The end of the key, to tell one from another."""
    created_at: int
    in_flight_max: int | None = None
    """Requests that it is sent at once from one API process, more wait; None is without limit."""
    prefill: Prefill = "none"
    """How a stream that broke is carried on."""

    @property
    def purpose(self) -> str:
        """What its secret is sealed for."""
        return f"provider {self.id} {self.base_url}"

    def headers(self, vault: Vault) -> dict[str, str]:
        """What to send along with a request. Raises Unavailable if the key cannot be read."""
        if self.secret is None:
            return {}
        key = vault.open(self.secret, self.purpose)
        return {"authorization": f"Bearer {key}"} if self.auth == "bearer" else {self.auth: key}


@cache
def known_providers() -> dict[str, KnownProvider]:
    """All that ship with Argosy, by id. Raises ValueError if one is malformed."""
    return {known.id: known for known in read_folder("providers", KnownProvider)}


def settle(name: str, base_url: str | None, auth: Auth | None, private: bool) -> tuple[str, Auth]:
    """The address and the way to authenticate: what was given, or what is known. Raises Invalid."""
    known = known_providers().get(name)
    base_url = base_url or (known.base_url if known else None)
    if base_url is None:
        ids = ", ".join(known_providers())
        hint = "its customers have addresses of their own" if known else f"known by name are {ids}"
        raise Invalid(f"Give '{name}' a base_url: {hint}.", code="base_url_missing", param="base_url")
    check_base_url(base_url, private)
    return base_url.rstrip("/"), auth or (known.auth if known else "bearer")


def check_base_url(base_url: str, private: bool) -> None:
    """Refuse addresses that would send a key over the open net, or into the own one unasked. Raises Invalid."""
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _bad_url(f"it is malformed ({error})") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise _bad_url("it must be like https://api.example.com/v1, without a user, a query or a fragment")
    if parts.scheme == "http" and not private:
        raise _bad_url("keys travel over https only, unless the address is private")
    try:
        literal = ip_address(host)
    except ValueError:
        return  # a name: it is resolved and checked whenever it is connected to
    if not private and not egress.is_public(str(literal)):
        raise _bad_url("that address is inside this network; say that it is private if this is meant")


def offered_models(provider: Provider, vault: Vault) -> list[str]:
    """The names of the provider's models, by its own list. Raises UpstreamFailed with what it answered."""
    status, body = egress.fetch(
        f"{provider.base_url}/models",
        provider.headers(vault),
        _LIST_BYTES_MAX,
        [urlsplit(provider.base_url).hostname or ""] if provider.private else [],
    )
    if status in (401, 403):
        raise UpstreamFailed(f"'{provider.name}' refuses the key ({status}). Set another one.", code="provider_refused")
    try:
        listed: Any = msgspec.json.decode(body)
        names = [str(model["id"]).removeprefix("models/") for model in listed["data"]] if status == 200 else None
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        names = None
    if names is None:
        raise UpstreamFailed(
            f"'{provider.name}' answered {status} at {provider.base_url}/models, which is no list of models. "
            "Check the base_url.",
            code="provider_malformed",
        )
    return sorted(names)


def no_provider(name: str) -> NotFound:
    """What is said when a provider was not added."""
    return NotFound(
        f"There is no provider '{name}' here. Add it with 'argosy provider add {name}'.",
        code="provider_not_found",
        param="provider",
    )


def _bad_url(reason: str) -> Invalid:
    return Invalid(f"This base_url cannot be used: {reason}.", code="invalid_base_url", param="base_url")
