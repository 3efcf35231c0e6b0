"""What the soak takes for a near tie: only a way along the engine's first choices and ones that are close enough."""

import pytest
from bench.near_ties import Engine, Option, unrest

TREE = {
    "": [("Good", -0.5), ("Go", -0.52), ("Hi", -2.0)],
    "Good": [(" day", -0.1), (" night", -3.0)],
    "Good day": [("", -0.2), ("!", -0.21)],
    "Good day!": [("", -0.1), ("!", -4.0)],
    "Go": [("od", -0.3), (" on", -0.31)],
    "Good|": [(" night", -0.1), (" day", -2.0)],
    "Good night": [("", -0.1), ("!", -4.0)],
    "Hi": [("", -0.1), ("!", -3.0)],
}
"""What may come after what was said; how it was said tells apart two ways to the same text."""


class Told(Engine):
    """An engine that goes by the tree. A token's number is its place among all texts."""

    def __init__(self, shift: float = 0.0) -> None:
        self._texts = sorted({text for options in TREE.values() for text, _ in options})
        self._shift = shift
        self.looks = 0

    def prompt(self, ask):
        return [99]

    def steps(self, prompt, count, cached=True):
        self.looks += 1
        words = [self._texts[number] for number in prompt[1:]]
        found = []
        for _ in range(count):
            said = "".join(words) + ("|" if words == ["Go", "od"] else "")
            step = [Option(self._texts.index(text), text.encode(), logprob) for text, logprob in TREE.get(said, [])]
            if not step:
                break
            moved = self._shift if len(prompt) > 1 else 0.0
            found.append([step[0], Option(step[1].id, step[1].text, step[1].logprob + moved), *step[2:]])
            if not step[0].text:
                break
            words.append(step[0].text.decode())
        return found


@pytest.mark.parametrize(
    ("said", "bound", "gaps"),
    [
        ("Good day", 0.0, []),
        ("Good day!", 0.05, [0.01]),
        ("Good day!", 0.005, None),
        ("Good night", 0.05, [0.02]),  # by another first token, whose text is the beginning of the first choice's
        ("Good night", 0.01, None),
        ("Good", 0.05, None),  # it ended too early
        ("Good day!!", 0.05, None),
        ("Hi", 0.05, None),
        ("Hi", 2.0, [1.5]),
        ("Nonsense", 9.0, None),
    ],
)
def test_only_what_is_close_enough_is_explained(said, bound, gaps):
    engine = Told()
    ties = engine.ties("?", said, 4, bound)
    assert (None if ties is None else [tie["gap"] for tie in ties]) == gaps
    assert engine.looks <= 50


def test_unrest_is_how_far_a_gap_moved():
    assert unrest(Told(), ["?"], 4) == 0.0
    assert unrest(Told(shift=0.03), ["?"], 4) == pytest.approx(0.03)
