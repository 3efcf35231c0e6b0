"""How many items a comparison needs, or what it can see with the items it has.

Connor, R. J. (1987), Biometrics 43:207-211: McNemar's test one-sided, in the normal approximation.
"""

from math import ceil, sqrt
from statistics import NormalDist


def items_needed(difference: float, discordant: float, *, level: float = 0.05, power: float = 0.8) -> int:
    """Items needed to see a paired ``difference`` when a share ``discordant`` of items changes outcome, one-sided.

    Raises ValueError unless 0 < difference <= discordant <= 1.
    """
    if not 0 < difference <= discordant <= 1:
        raise ValueError(
            "the difference cannot exceed the share of items whose outcome changes, and both lie in (0, 1]"
        )
    normal = NormalDist()
    noise = normal.inv_cdf(1 - level) * sqrt(discordant)
    signal = normal.inv_cdf(power) * sqrt(discordant - difference * difference)
    return ceil((noise + signal) ** 2 / (difference * difference))


def detectable_difference(items: int, discordant: float, *, level: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest difference that ``items`` items show with this power; None when even the largest one is missed."""
    if items < 1 or items_needed(discordant, discordant, level=level, power=power) > items:
        return None
    low, high = 0.0, discordant
    # More items are needed the smaller the difference, so halving finds the edge; 40 halvings reach 1e-12.
    for _ in range(40):
        middle = (low + high) / 2
        if items_needed(middle, discordant, level=level, power=power) > items:
            low = middle
        else:
            high = middle
    return high
