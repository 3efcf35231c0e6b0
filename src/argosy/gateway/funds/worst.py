"""The most that a request can cost: pure arithmetic over its size and the prices of whoever may answer it."""

from collections.abc import Iterable

from argosy.billing import CHARACTERS, Price
from argosy.billing.prices import Tier
from argosy.core import charge
from argosy.gateway.pieces import brought
from argosy.gateway.requests import Request
from argosy.gateway.routing import Offer
from argosy.serving import Route

TEMPLATE_TOKENS = 256
"""What a chat template adds at most beyond the body's own bytes: names of roles, a default system prompt, a date."""
IMAGE_TOKENS = 16_384
"""What one image that is only named by its address may be read as."""
ANSWER_TOKENS_MAX = 16_384
"""Taken for the longest answer of a provider whose bounds are not known, where the client set none."""
TOKEN_CHARACTERS_MAX = 128
"""Characters of the longest tokens of the vocabularies in use: runs of spaces."""
SLACK = 2
"""Micro-units: prompt and cached prompt are rounded each on its own."""


def worst_charge(request: Request, offers: Iterable[tuple[Offer, Price]], counted: int | None = None) -> int:
    """Micro-units. No tokenizer makes more tokens than there are bytes, so the body's length bounds the prompt.

    Where its tokens were ``counted`` by an engine of ours, that is what all of them make of it.
    No discount is counted on, and of a price with tiers the dearest: which one it will be is not known yet.
    """
    bound = prompt_bound(request)
    ours = bound if counted is None else min(counted, bound)
    found = (_at(request, bound if offer.route.provider else ours, offer, price) for offer, price in offers)
    return max(found, default=0)


def prompt_bound(request: Request) -> int:
    """Tokens that the prompt has at most, of all parts together."""
    tools = len(request.call) if request.call else 0
    return len(request.body) + tools + TEMPLATE_TOKENS + IMAGE_TOKENS * request.body.count(b'"image_url"')


def answer_bound(request: Request, route: Route) -> int:
    """Tokens that all parts of the answer have at most, together."""
    if not request.kind.completes:
        return 0
    longest = route.context_length or route.answer_length or ANSWER_TOKENS_MAX
    return (request.max_tokens or longest) * request.parts


def _at(request: Request, prompt: int, offer: Offer, price: Price) -> int:
    rates: list[Price | Tier] = [price, *price.tiers]
    read = charge(prompt, max(max(each.input, each.cached_input) for each in rates))
    written = charge(answer_bound(request, offer.route), max(each.output for each in rates))
    pieces = _pieces(request, offer, price)
    return read + written + pieces + SLACK if read or written or pieces else 0


def _pieces(request: Request, offer: Offer, price: Price) -> int:
    """What is counted besides tokens, where the price says so."""
    if not price.per_request:
        return 0
    units = brought(request, price.per_request)
    if price.per_request == CHARACTERS:
        units += TOKEN_CHARACTERS_MAX * answer_bound(request, offer.route)
    return charge(units, price.measured[price.per_request])
