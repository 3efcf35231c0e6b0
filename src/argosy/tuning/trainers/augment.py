"""New values in old sentences: what the answer copies from the question is exchanged in both.

A hundred rows show a hundred names. A model that has only seen those learns the names along with the task and
stumbles over the next one. So where the answer is JSON, a string in it that stands word for word in the question
is sometimes exchanged, in both, for another: one seen at the same place of another answer, a recombination (王芳 and
李娜 give 王娜, Grace Liu and Linda Zhao give Grace Zhao), or one made up in the manner of two of them (Hebei and
Sichuan give Hechuan). What is made up matters most: it is split into other tokens in the answer than in the question,
and only with words never seen before does a small model learn to spell instead of to remember. Years that both
sides share move together.

Nothing here knows a language or a task. Which strings are free to change is read from the rows: a place in the
answer is *open* when its values are nearly always copied from the question and are not listed in the system
prompt, which is where closed lists of choices are.
"""

import calendar
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Row = list[dict[str, Any]]
Path = tuple[str, ...]

COPIED_SHARE = 0.8  # of a place's values must stand in the question for it to be open
CHANGE_SHARE = 0.75  # of the presentations of a row that can be changed are changed
INVENTED_SHARE = 0.5  # of the new values are made up; of the others
RECOMBINED_SHARE = 0.5  # are recombined, where that is possible
BORROWED_SHARE = 0.5  # of the words of a made-up value are any words at all
NEW_CHARACTER_SHARE = 0.5  # of the characters of a made-up Chinese value are any common ones
YEARS = range(1990, 2050)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_FEBRUARY = re.compile(r"((?:19|20)\d\d)-02-(2[89])(?!\d)")


@dataclass(frozen=True, slots=True)
class _Slot:
    """One string of an answer that may be exchanged."""

    path: Path
    value: str


class Augmenter:
    """Makes the presentations of all rows; the same seed, epoch and row always give the same one."""

    def __init__(self, rows: Sequence[Row], seed: int, words: Sequence[str] = ()) -> None:
        """``words`` are any lower-case words that made-up values may borrow, best those of the model's vocabulary."""
        self._rows, self._seed, self._words = rows, seed, words
        pools, open_paths = _survey(rows)
        self._pools = {path: sorted(pools[path]) for path in open_paths}
        self._slots = [[_Slot(path, value) for path, value in _copied(row) if path in self._pools] for row in rows]
        self._datable = [_shared_years(row) for row in rows]

    @property
    def share(self) -> float:
        """Share of the rows that can be changed at all."""
        able = sum(bool(slots or years) for slots, years in zip(self._slots, self._datable, strict=True))
        return able / max(1, len(self._rows))

    def present(self, epoch: int) -> list[Row]:
        """All rows as they are shown in one epoch."""
        return [self._change(index, epoch) for index in range(len(self._rows))]

    def _change(self, index: int, epoch: int) -> Row:
        row = self._rows[index]
        chance = random.Random(f"{self._seed}/{epoch}/{index}")  # noqa: S311 (variety, not secrets)
        if chance.random() >= CHANGE_SHARE:
            return row
        question = row[_turn(row)]["content"]
        exchange: dict[str, str] = {}
        for slot in self._slots[index]:
            new = self._draw(slot, chance)
            taken = [*exchange, *exchange.values(), question]
            if slot.value not in exchange and not any(_overlap(new, other) for other in taken):
                exchange[slot.value] = new
        changed = exchange_values(row, exchange) if exchange else row
        if self._datable[index]:
            years = self._datable[index]
            shift = chance.choice([s for s in range(-12, 13) if all(y + s in YEARS for y in years)] or [0])
            changed = shift_years(changed, shift)
        return changed

    def _draw(self, slot: _Slot, chance: random.Random) -> str:
        pool = [value for value in self._pools[slot.path] if value != slot.value] or [slot.value]
        first, second = chance.choice(pool), chance.choice(pool)
        if chance.random() < INVENTED_SHARE:
            return invent(first, second, self._words, chance)
        if chance.random() < RECOMBINED_SHARE:
            return recombine(first, second)
        return first


def exchange_values(row: Row, exchange: dict[str, str]) -> Row:
    """Exchange strings in the question and in the answer's JSON; the row itself where they cannot agree."""
    turn = _turn(row)
    question, answer = row[turn]["content"], row[turn + 1]["content"]
    new_answer = answer
    pattern = "|".join(re.escape(json.dumps(old, ensure_ascii=False)) for old in exchange)
    new_answer = re.sub(pattern, lambda m: json.dumps(exchange[json.loads(m[0])], ensure_ascii=False), answer)
    new_question = _exchange_words(question, exchange)
    if json.loads(new_answer) != _exchanged(json.loads(answer), exchange):
        return row
    return _replaced(row, turn, new_question, new_answer)


def shift_years(row: Row, shift: int) -> Row:
    """Move all years of question and answer together; the last day of February stays the last day."""
    turn = _turn(row)

    def move(match: re.Match[str]) -> str:
        return str(int(match[0]) + shift)

    def move_february(match: re.Match[str]) -> str:
        year, day = int(match[1]), int(match[2])
        last = day == calendar.monthrange(year, 2)[1]
        return f"{match[1]}-02-{calendar.monthrange(year + shift, 2)[1] if last else day}"

    answer = _FEBRUARY.sub(move_february, row[turn + 1]["content"])
    return _replaced(row, turn, _YEAR.sub(move, row[turn]["content"]), _YEAR.sub(move, answer))


def recombine(first: str, second: str) -> str:
    """The front of one value and the back of another: by words where there are words, else by characters
    where each character is a word's worth (Chinese); other single words are left whole.
    """
    joint = " " if " " in first and " " in second else ""
    if joint:
        front, back = first.split(" "), second.split(" ")
    elif _ideographic(first) and _ideographic(second) and len(first) == len(second):
        front, back = list(first), list(second)
    else:
        return first
    return joint.join([*front[: len(front) // 2], *back[len(back) // 2 :]])


def invent(first: str, second: str, words: Sequence[str], chance: random.Random) -> str:
    """A value in the manner of two others that is most likely neither: in Chinese with other common characters,
    elsewhere word by word, any word at all or the front of one and the back of the other.
    """
    if _ideographic(first):
        return "".join(_common(chance) if chance.random() < NEW_CHARACTER_SHARE else one for one in first)
    backs = second.split(" ")
    new = []
    for index, word in enumerate(first.split(" ")):
        if words and word.isalpha() and chance.random() < BORROWED_SHARE:
            borrowed = chance.choice(words)
            new.append(borrowed.capitalize() if word[0].isupper() else borrowed)
        else:
            new.append(_blend(word, backs[index % len(backs)]))
    return " ".join(new)


def _blend(front: str, back: str) -> str:
    """Hebei, Sichuan -> Hechuan: the first word to the end of a middle vowel, the second from a middle syllable on."""
    if not (front.isalpha() and back.isalpha()):
        return front
    heads = [m.end() for m in re.finditer("[aeiouy]+", front, re.IGNORECASE)] or [(len(front) + 1) // 2]
    tails = [m.start() for m in re.finditer("[^aeiouy]+[aeiouy]", back, re.IGNORECASE) if m.start()] or [len(back) // 2]
    return front[: heads[(len(heads) - 1) // 2]] + back[tails[len(tails) // 2] :].lower()


def _common(chance: random.Random) -> str:
    """One of the 3,755 common characters: level 1 of GB 2312, rows 16 to 55, of which the last has 89."""
    place = chance.randrange(3755)
    return bytes([0xB0 + place // 94, 0xA1 + place % 94]).decode("gb2312")


def _survey(rows: Sequence[Row]) -> tuple[dict[Path, set[str]], list[Path]]:
    """All values by place, and which places are open."""
    pools: dict[Path, set[str]] = defaultdict(set)
    seen: dict[Path, int] = defaultdict(int)
    copied: dict[Path, int] = defaultdict(int)
    listed: set[Path] = set()
    for row in rows:
        turn = _turn(row)
        if turn < 0:
            continue
        system = " ".join(message["content"] for message in row[:turn] if message["role"] == "system")
        for path, value in _strings(_parsed(row[turn + 1]["content"]), ()):
            pools[path].add(value)
            seen[path] += 1
            copied[path] += _stands_in(value, row[turn]["content"])
            if value in system:
                listed.add(path)
    open_paths = [p for p in pools if copied[p] >= COPIED_SHARE * seen[p] and p not in listed and len(pools[p]) > 1]
    return pools, open_paths


def _copied(row: Row) -> Iterator[tuple[Path, str]]:
    """Places and values of the answer that stand in the question."""
    turn = _turn(row)
    if turn >= 0:
        for path, value in _strings(_parsed(row[turn + 1]["content"]), ()):
            if _stands_in(value, row[turn]["content"]):
                yield path, value


def _shared_years(row: Row) -> set[int]:
    """Years of the answer, if every one of them stands in the question and moving them is safe."""
    turn = _turn(row)
    if turn < 0:
        return set()
    question, answer = row[turn]["content"], row[turn + 1]["content"]
    if _parsed(answer) is None or (_FEBRUARY.search(answer) and re.search(r"(?<!\d)2[89](?!\d)", question)):
        return set()
    years = set(_YEAR.findall(answer))
    return {int(year) for year in years} if years == set(_YEAR.findall(question)) else set()


def _turn(row: Row) -> int:
    """Index of the user's last message before the last answer, or -1 where a row is built otherwise."""
    if len(row) >= 2 and row[-1]["role"] == "assistant" and row[-2]["role"] == "user":
        return len(row) - 2
    return -1


def _parsed(answer: str) -> Any:
    """The answer as a JSON object or list, else None."""
    try:
        value = json.loads(answer)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """All strings of a JSON value with their places; members of a list share a place."""
    if isinstance(value, str) and len(value) > 1:
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _strings(member, (*path, name))
    elif isinstance(value, list):
        for member in value:
            yield from _strings(member, (*path, "*"))


def _stands_in(value: str, text: str) -> bool:
    return value.casefold() in text.casefold() and not _YEAR.search(value)


def _overlap(one: str, other: str) -> bool:
    return one.casefold() in other.casefold() or other.casefold() in one.casefold()


def _exchanged(value: Any, exchange: dict[str, str]) -> Any:
    if isinstance(value, str):
        return exchange.get(value, value)
    if isinstance(value, dict):
        return {name: _exchanged(member, exchange) for name, member in value.items()}
    if isinstance(value, list):
        return [_exchanged(member, exchange) for member in value]
    return value


def _exchange_words(text: str, exchange: dict[str, str]) -> str:
    """Exchange whatever the case it is written in; lower case stays lower case."""
    by_fold = {old.casefold(): new for old, new in exchange.items()}
    longest_first = sorted(exchange, key=len, reverse=True)

    def swap(match: re.Match[str]) -> str:
        new = by_fold[match[0].casefold()]
        return new.lower() if match[0].islower() else new

    return re.sub("|".join(map(re.escape, longest_first)), swap, text, flags=re.IGNORECASE)


def _ideographic(text: str) -> bool:
    return all("\u3400" <= character <= "\u9fff" for character in text)


def _replaced(row: Row, turn: int, question: str, answer: str) -> Row:
    return [
        *row[:turn],
        {**row[turn], "content": question},
        {**row[turn + 1], "content": answer},
        *row[turn + 2 :],
    ]
