"""The sample retail table: invented sales with seasons, growth, regional differences and a few losses.

The same rows are written twice, with English and with Chinese names. Money is in yuan with two decimals.
"""

from __future__ import annotations

import calendar
import math
import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from argosy.samples.names import CATEGORIES, PROVINCES, REGIONS, SALESPEOPLE, Name
from argosy.samples.wording import YEARS

COLUMNS = ("date", "region", "province", "category", "salesperson", "sales", "profit", "orders")

# Relative size of each province's market.
_MARKET = {
    "Guangdong": 2.6, "Jiangsu": 2.3, "Shandong": 2.0, "Zhejiang": 2.0, "Shanghai": 2.1, "Beijing": 2.2, "Henan": 1.5,
    "Sichuan": 1.5, "Hubei": 1.3, "Fujian": 1.3, "Hunan": 1.2, "Anhui": 1.1, "Hebei": 1.1, "Chongqing": 1.1,
    "Shaanxi": 1.0, "Liaoning": 1.0, "Tianjin": 0.9, "Jiangxi": 0.9, "Yunnan": 0.8, "Guangxi": 0.8,
}  # fmt: skip

# Category: price of one order in yuan, margin, month of the season's peak, strength of the season.
_GOODS = {
    "Phones": (2600, 0.10, 11, 0.35), "Clothing": (260, 0.28, 12, 0.40), "Furniture": (1900, 0.18, 9, 0.25),
    "Groceries": (120, 0.09, 1, 0.30), "Toys": (150, 0.22, 6, 0.40), "Books": (70, 0.14, 9, 0.35),
    "Cosmetics": (320, 0.34, 11, 0.40), "Office Supplies": (210, 0.16, 3, 0.15), "Baby Care": (280, 0.20, 6, 0.10),
    "Jewelry": (1500, 0.30, 2, 0.45), "Garden Tools": (330, 0.19, 4, 0.50), "Laptops": (4800, 0.08, 8, 0.35),
    "Home Appliances": (2100, 0.13, 6, 0.35), "Kitchenware": (240, 0.24, 1, 0.20),
    "Sports Gear": (380, 0.21, 5, 0.30), "Pet Supplies": (160, 0.23, 10, 0.10),
}  # fmt: skip

_GROWTH = {2018: 1.0, 2019: 1.12, 2020: 1.08, 2021: 1.31}
_ROWS_PER_MARKET_MONTH = 3.6


@dataclass(frozen=True)
class Sale:
    """One row of the table. `sales` and `profit` are yuan."""

    day: date
    region: Name
    province: Name
    category: Name
    salesperson: Name
    sales: Decimal
    profit: Decimal
    orders: int

    def cells(self, language: str) -> list[str]:
        """Return the row's cells in the order of COLUMNS."""
        names = (self.region, self.province, self.category, self.salesperson)
        numbers = (self.sales, self.profit, self.orders)
        return [self.day.isoformat(), *(n.spelled(language) for n in names), *(str(n) for n in numbers)]


def make_table(seed: int = 20190301) -> list[Sale]:
    """Return every sale of 2018-2021, in order of time; the same for the same seed on every machine."""
    rng = random.Random(seed)  # noqa: S311 - invented data, not a secret
    sales = [
        _sale(rng, province, year, month)
        for year in YEARS
        for month in range(1, 13)
        for province in PROVINCES
        for _ in range(_count(rng, province, year))
    ]
    return sorted(sales, key=lambda s: (s.day, s.province.en, s.category.en, s.salesperson.en, s.sales))


def _count(rng: random.Random, province: Name, year: int) -> int:
    expected = _ROWS_PER_MARKET_MONTH * math.sqrt(_MARKET.get(province.en, 0.6)) * _GROWTH[year]
    return max(1, round(rng.gauss(expected, 0.8)))


def _staff(region: str) -> list[Name]:
    """Return who sells in a region: about three at home there, and about three who also travel to it."""
    n = [r.en for r in REGIONS].index(region)
    home = [p for i, p in enumerate(SALESPEOPLE) if i % len(REGIONS) == n]
    visitors = [p for i, p in enumerate(SALESPEOPLE) if (i + 1 + i // len(REGIONS)) % len(REGIONS) == n]
    return home * 3 + visitors


def _sale(rng: random.Random, province: Name, year: int, month: int) -> Sale:
    region = next(r for r in REGIONS if r.en == province.region)
    category = rng.choice(CATEGORIES)
    price, margin, peak, strength = _GOODS[category.en]
    season = 1 + strength * math.cos((month - peak) * math.pi / 6)
    slump = 0.62 if (year, month) in {(2020, 2), (2020, 3)} else 1.0
    size = _MARKET.get(province.en, 0.6) * season * slump * _GROWTH[year] * rng.lognormvariate(0, 0.35)
    orders = max(1, round(900 / math.sqrt(price) * size))
    sales = Decimal(round(orders * price * rng.uniform(0.88, 1.12) * 100)) / 100
    return Sale(
        day=date(year, month, rng.randint(1, calendar.monthrange(year, month)[1])),
        region=region,
        province=province,
        category=category,
        salesperson=rng.choice(_staff(region.en)),
        sales=sales.quantize(Decimal("0.01")),
        profit=(sales * Decimal(round(rng.gauss(margin, 0.11), 4))).quantize(Decimal("0.01")),
        orders=orders,
    )
