"""What fits is told from a card, before anything is downloaded."""

import pytest
from msgspec.structs import replace

from argosy.catalog import card
from argosy.core import Invalid
from argosy.serving import estimate, require_room
from argosy.serving.room import memory_bytes

STARTER = card("smollm2-135m-instruct")


def test_the_starter_fits():
    found = estimate(STARTER)
    assert found.fits
    assert found.weights_bytes == pytest.approx(135e6 * 4.5 / 8, rel=0.01)
    require_room(STARTER)


def test_a_model_larger_than_memory_is_refused_with_both_sizes():
    huge = replace(STARTER, parameters=memory_bytes() * 2)
    with pytest.raises(Invalid, match=r"take [\d.,]+ GiB .* and [\d.,]+ GiB are there") as refused:
        require_room(huge)
    assert refused.value.code == "model_too_large"


def test_a_card_that_does_not_say_is_neither_refused_nor_promised():
    unknown = replace(STARTER, parameters=None)
    assert estimate(unknown).fits is None
    require_room(unknown)
