"""Every wire that a model can be asked over."""

from functools import partial

from argosy.api.anthropic.messages import MessagesExchange
from argosy.api.exchange import Exchange, Wire
from argosy.api.openai.moderations import ModerationExchange
from argosy.api.openai.responses import ResponsesExchange
from argosy.gateway import Kind
from argosy.gateway.wires import MESSAGES_PATH, RESPONSES_PATH
from argosy.gateway.wires.responses import Archive
from argosy.runtime import Database

_OWN = {Kind.MODERATION: ModerationExchange}


def all_wires(database: Database) -> list[Wire]:
    """The gateway's own wires, and those that are translated."""
    own = [Wire(kind.path, partial(_OWN.get(kind, Exchange), kind)) for kind in Kind]
    archive = Archive(database)
    return [
        *own,
        Wire(RESPONSES_PATH, partial(ResponsesExchange, archive)),
        Wire(MESSAGES_PATH, MessagesExchange),
    ]
