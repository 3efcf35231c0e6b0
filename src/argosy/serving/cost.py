"""What tokens cost on a machine that costs so much an hour, told from its measured speed."""

from dataclasses import dataclass

from argosy.serving.fit import Fitted

CHARACTERS = 60_000
"""Chinese model clouds quote prices for this many characters beside those for a million tokens."""


@dataclass(frozen=True)
class Cost:
    """Micro-units of the currency, at full load: sixteen streams, all day."""

    currency: str
    input_per_million: int
    output_per_million: int
    output_per_60000_characters: int | None
    """By the characters that a token of the model's own answers had; None if none were seen."""


def cost_of_use(fitted: Fitted, per_hour: int, currency: str) -> Cost | None:
    """What one token costs when the machine costs ``per_hour`` micro-units. None where nothing was measured."""
    measured = fitted.measured.get(fitted.quantisation)
    if measured is None:
        return None

    def per_million(tokens_per_second: float) -> int:
        return round(per_hour * 1_000_000 / (3600 * tokens_per_second))

    written = per_million(measured.sixteen_streams)
    per_token = fitted.characters_per_token
    characters = round(CHARACTERS / per_token * written / 1_000_000) if per_token else None
    return Cost(currency, per_million(measured.read_sixteen), written, characters)
