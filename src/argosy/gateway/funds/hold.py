"""What one request holds of its funds."""

from collections.abc import Callable, Sequence

from argosy.gateway.funds.purse import Purse


class Hold:
    """What one request holds. Settled once, however the request ends."""

    __slots__ = ("_settle", "amount", "fund", "purses")

    def __init__(
        self, purses: Sequence[Purse], amount: int, fund: str, settle: Callable[[Sequence[Purse], int, int], None]
    ) -> None:
        self.purses, self.amount, self._settle = purses, amount, settle
        self.fund = fund
        """The prepaid fund that pays; empty if it is owed."""

    @property
    def held(self) -> str:
        """The ids of all funds that it is held from, with spaces between."""
        return " ".join(purse.fund.id for purse in self.purses)

    def settle(self, charged: int) -> None:
        """Give back what was not charged, in micro-units. Only the first call does anything."""
        purses, self.purses = self.purses, ()
        if purses:
            self._settle(purses, self.amount, charged)
