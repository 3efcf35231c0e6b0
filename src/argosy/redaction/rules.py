"""What the built-in rules find: places in a text, by checks that a look at the digits alone would not make.

Each rule takes time in proportion to the text: no expression here can go back over what it has read.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address

Span = tuple[int, int]
Finder = Callable[[str], Iterator[Span]]

_WIDE = {0xFF01 + offset: 0x21 + offset for offset in range(0x5E)}
"""Full-width forms, as Chinese input methods write digits and signs, to ASCII; the places stay the same."""

_EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PHONE = re.compile(
    r"(?<![\d+])(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"  # a mobile phone in China
    r"|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)"  # a landline there
    r"|(?<![\w+])\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}(?!\d)"  # any with its country
    r"|(?<![\d.-])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\d.-]*\d)"  # as North America writes them
)
_ID_CARD = re.compile(r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])", re.ASCII)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_DIGITS = re.compile(r"(?<![0-9A-Za-z])\d(?:[ -]?\d)*(?![0-9A-Za-z])", re.ASCII)
_GROUP = re.compile(r"\d+", re.ASCII)
_CARD_DIGITS = range(13, 20)
_CARD_STARTS = "23456"
_IPV4 = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1\d\d|\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|\d?\d)(?!\.?\d)")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z:])")
_API_KEY = re.compile(
    r"(?<![0-9A-Za-z])(?:[spr]k[-_][0-9A-Za-z_-]{16,}"  # OpenAI, Anthropic, Stripe, Argosy
    r"|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|gh[opsu]_[0-9A-Za-z]{36,}|hf_[0-9A-Za-z]{30,}|xox[abprs]-[0-9A-Za-z-]{10,}"
    r"|eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,})"  # a JSON web token
)


def widened(text: str) -> str:
    """The text with its full-width forms in ASCII, place by place."""
    return text if text.isascii() else text.translate(_WIDE)


def _matches(expression: re.Pattern[str], needs: str = "") -> Finder:
    """All places of an expression, in texts that hold one of the characters that it cannot do without."""

    def find(text: str) -> Iterator[Span]:
        if not needs or any(character in text for character in needs):
            for match in expression.finditer(text):
                yield match.span()

    return find


def _id_cards(text: str) -> Iterator[Span]:
    """Numbers of Chinese identity cards: the last digit checks the others, and a date of birth is in the middle."""
    for match in _ID_CARD.finditer(text):
        number = match[0].upper()
        total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, number[:17], strict=True))
        if _ID_CHECKS[total % 11] == number[17] and 1 <= int(number[10:12]) <= 12 and 1 <= int(number[12:14]) <= 31:
            yield match.span()


def _bank_cards(text: str) -> Iterator[Span]:
    """13 to 19 digits that begin as cards do and pass Luhn's check, in groups or not; other numbers may be beside."""
    for run in _DIGITS.finditer(text):
        if len(run[0]) < _CARD_DIGITS.start:
            continue
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            end = _card_end(text, groups, first)
            if end is None:
                first += 1
            else:
                yield groups[first][0], groups[end][1]
                first = end + 1


def _card_end(text: str, groups: list[Span], first: int) -> int | None:
    """The last group of a card's number that begins with group ``first``: the longest one."""
    digits, found = "", None
    if text[groups[first][0]] not in _CARD_STARTS:
        return None
    for place in range(first, min(len(groups), first + _CARD_DIGITS.stop)):
        start, end = groups[place]
        if len(digits) + end - start >= _CARD_DIGITS.stop:
            break
        digits += text[start:end]
        if len(digits) in _CARD_DIGITS and _luhn(digits):
            found = place
    return found


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _addresses(text: str) -> Iterator[Span]:
    """Addresses of the internet protocol, of both versions."""
    if "." in text:
        yield from (match.span() for match in _IPV4.finditer(text))
    if ":" in text:
        for match in _IPV6.finditer(text):
            if any(character.isdigit() for character in match[0]) and _is_ipv6(match[0]):
                yield match.span()


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


FINDERS: dict[str, Finder] = {
    "api_key": _matches(_API_KEY),
    "email": _matches(_EMAIL, "@"),
    "id_card": _id_cards,
    "bank_card": _bank_cards,
    "phone": _matches(_PHONE, "0123456789"),
    "ip": _addresses,
}
"""By name; what is found is replaced by the name in brackets. Of the same place the first name counts: a number of an
identity card may pass the check of bank cards too."""
