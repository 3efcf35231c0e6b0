"""Cells of CSV files that people open in spreadsheets."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet run a cell. East Asian ones take the wide forms, too."""


def plain_cell(text: str) -> str:
    """The text, led by an apostrophe if a spreadsheet would run it: such programs take that for "this is text"."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) else text
