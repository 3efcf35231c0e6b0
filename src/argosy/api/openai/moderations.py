"""``/v1/moderations``: to whichever model of that kind the name leads to. Without one it is refused, never made up."""

from argosy.api.exchange import Exchange
from argosy.core import ArgosyError, NotFound
from argosy.gateway.moderations import DEFAULT_MODEL


class ModerationExchange(Exchange):
    """The gateway's own wire, with more to say where no model of the name is served."""

    async def fail(self, error: ArgosyError) -> None:
        """Tell of an error."""
        if isinstance(error, NotFound) and error.code == "model_not_found":
            error.message += (
                " Have a model for moderation served first: with a key of OpenAI's, 'argosy provider add openai' and "
                f"'argosy deploy {DEFAULT_MODEL}'; 'argosy alias' gives another one that name."
            )
        await super().fail(error)
