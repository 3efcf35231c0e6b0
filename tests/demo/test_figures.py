"""Figures drawn by hand: well-formed, and true to their numbers."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.demo.figures import loss_curves, running_mean, timeline, whisker

POINTS = st.lists(st.floats(0, 50), min_size=1, max_size=40).map(lambda losses: list(enumerate(losses, 1)))


@given(POINTS, POINTS)
def test_curves_are_well_formed_whatever_the_losses(
    one: list[tuple[float, float]], other: list[tuple[float, float]]
) -> None:
    drawn = ET.fromstring(loss_curves({"en": one, "zh": other}, {"en": "<English>", "zh": "中文"}))
    lines = [node.get("points", "").split() for node in drawn.iter("polyline")]
    assert sorted({len(line) for line in lines}) == sorted({len(one), len(other)})
    heights = [float(point.split(",")[1]) for line in lines for point in line]
    assert all(0 <= height <= 300 for height in heights)


def test_no_points_make_no_figure() -> None:
    assert loss_curves({"en": []}, {}) == ""


@given(POINTS)
def test_the_running_mean_stays_within_the_losses(points: list[tuple[float, float]]) -> None:
    losses = [loss for _, loss in points]
    assert all(min(losses) - 1e-9 <= mean <= max(losses) + 1e-9 for _, mean in running_mean(points))


def test_pieces_of_the_timeline_are_as_long_as_the_steps() -> None:
    pieces = list(ET.fromstring(timeline([("a", 30.0), ("b & c", 90.0)])).iter("rect"))
    assert [float(piece.get("width", 0)) for piece in pieces] == pytest.approx([238.5, 718.5])
    assert "b & c: 90.0 s" in "".join(ET.fromstring(timeline([("a", 30.0), ("b & c", 90.0)])).itertext())


def test_a_whisker_spans_its_interval() -> None:
    bar = [node for node in ET.fromstring(whisker(0.25, 0.5, 0.75, "#000")).iter("line") if node.get("class") == "bar"]
    assert (bar[0].get("x1"), bar[0].get("x2")) == ("37.0", "103.0")
