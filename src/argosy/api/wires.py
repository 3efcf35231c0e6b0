"""Every wire that a model can be asked over."""

from functools import partial

from argosy.api.anthropic.count_tokens import CountExchange
from argosy.api.anthropic.messages import MessagesExchange
from argosy.api.exchange import Exchange, Wire
from argosy.api.openai.input_tokens import InputTokensExchange
from argosy.api.openai.moderations import ModerationExchange
from argosy.api.openai.responses import ResponsesExchange
from argosy.gateway import Gateway, Kind
from argosy.gateway.wires import COUNT_TOKENS_PATH, INPUT_TOKENS_PATH, MESSAGES_PATH, RESPONSES_PATH
from argosy.gateway.wires.responses import Archive
from argosy.runtime import Database

_OWN = {Kind.MODERATION: ModerationExchange}


def all_wires(database: Database, gateway: Gateway) -> list[Wire]:
    """The gateway's own wires, and those that are translated."""
    own = [Wire(kind.path, partial(_OWN.get(kind, Exchange), kind)) for kind in Kind]
    archive = Archive(database)
    return [
        *own,
        Wire(RESPONSES_PATH, partial(ResponsesExchange, archive)),
        Wire(INPUT_TOKENS_PATH, partial(InputTokensExchange, gateway, archive)),
        Wire(MESSAGES_PATH, MessagesExchange),
        Wire(COUNT_TOKENS_PATH, partial(CountExchange, gateway)),
    ]
