"""Words and number formats on charts, in the language of the request."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from argosy.assistants.charts.spec import ChartSpec
from argosy.assistants.charts.table import Cell

# A column without a word here is shown under its own name.
_WORDS = {
    "en": {
        "sales": "Sales", "profit": "Profit", "orders": "Orders", "region": "Region", "province": "Province",
        "category": "Category", "salesperson": "Salesperson", "month": "Month", "quarter": "Quarter", "year": "Year",
        "sum": "{}", "avg": "Average {}", "max": "Highest {}", "min": "Lowest {}",
        "by": "{} by {}", "no_rows": "No rows match this request", "other": "Other", "more": "… and {} more rows",
        "as_bars": "A pie cannot show negative values, so these are bars", "all_time": "All dates", "missing": "(none)",
    },
    "zh": {
        "sales": "销售额", "profit": "利润", "orders": "订单数", "region": "大区", "province": "省份",
        "category": "品类", "salesperson": "销售员", "month": "月", "quarter": "季度", "year": "年",
        "sum": "{}", "avg": "平均{}", "max": "最高{}", "min": "最低{}",
        "by": "{}（按{}）", "no_rows": "没有符合条件的数据", "other": "其他", "more": "……另有 {} 行",
        "as_bars": "饼图无法表示负值，改用条形图", "all_time": "全部时间", "missing": "（空）",
    },
}  # fmt: skip

_ZH_UNITS: tuple[tuple[int, str], ...] = ((100_000_000, "亿"), (10_000, "万"))
_EN_UNITS: tuple[tuple[int, str], ...] = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))


def word(name: str, language: str) -> str:
    """Return the word for a column, period, aggregate or message; the name itself when there is none."""
    return _WORDS[language].get(name, name)


def measure_name(spec: ChartSpec, language: str) -> str:
    """Return what the value axis shows, e.g. "Average profit" or 平均利润."""
    measure = word(spec.measure, language)
    if spec.aggregate != "sum" and language == "en":
        measure = measure.lower()
    return word(spec.aggregate, language).format(measure)


def title_of(spec: ChartSpec, language: str) -> str:
    """Return a title for a chart that was given none, e.g. "Sales by month"."""
    group = word(spec.group_by, language)
    return word("by", language).format(measure_name(spec, language), group.lower() if language == "en" else group)


def subtitle_of(spec: ChartSpec, language: str) -> str:
    """Return the filters and the period, e.g. "North China · 2019-03-01 – 2019-05-31"."""
    period = f"{spec.start or '…'} – {spec.end or '…'}" if spec.start or spec.end else word("all_time", language)
    return " · ".join([*spec.filters.values(), period])


def period_parts(day: date, period: str, language: str) -> tuple[str, str]:
    """Return a period's short label and its year, e.g. ("Mar", "2019"); the first is empty for a year."""
    year = f"{day.year}" if language == "en" else f"{day.year}年"
    if period == "year":
        return "", year
    if period == "quarter":
        return f"Q{(day.month + 2) // 3}", year
    return (f"{day:%b}" if language == "en" else f"{day.month}月"), year


def period_name(day: date, period: str, language: str) -> str:
    """Return the name of the month, quarter or year that begins on this day."""
    if period == "quarter" and language == "zh":
        return f"{day.year}年{(day.month + 2) // 3}季度"
    short, year = period_parts(day, period, language)
    return f"{short} {year}".strip() if language == "en" else f"{year}{short}"


def group_name(cell: Cell, spec: ChartSpec, language: str) -> str:
    """Return a group's label: a period's name, or the cell's own text."""
    if isinstance(cell, date):
        return period_name(cell, spec.group_by, language)
    return word("missing", language) if cell is None else str(cell)


def short_number(value: Decimal | int | float, language: str) -> str:
    """Write a number for a label in at most four digits: 1.23M, 456K; 123.4万, 1.2亿."""
    units = _ZH_UNITS if language == "zh" else _EN_UNITS
    for size, unit in units:
        scaled = float(value) / size
        if abs(scaled) >= 1:
            digits = f"{scaled:,.{2 if abs(scaled) < 10 else 1 if abs(scaled) < 1000 else 0}f}"
            whole = digits.rstrip("0").rstrip(".") if "." in digits else digits
            return whole.replace("-", "−") + unit
    return full_number(value)


def full_number(value: Decimal | int | float) -> str:
    """Write a number exactly: grouped, two decimals unless it is whole, with a true minus sign."""
    return (f"{value:,.0f}" if value == int(value) else f"{value:,.2f}").replace("-", "−")
