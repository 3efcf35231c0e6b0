"""Months of UTC, by which budgets begin anew."""

from datetime import UTC, datetime


def month_start(second: int) -> int:
    """When the month that this unix second lies in began."""
    return int(datetime.fromtimestamp(second, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp())


def next_month(second: int) -> int:
    """When the month after it begins."""
    moment = datetime.fromtimestamp(second, UTC)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
