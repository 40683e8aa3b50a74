"""The banded programme inside a window against the full matrix and plain recursion."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from align.exact import edit_path
from align.exact.byte_symbols import UNKNOWN_SYMBOL
from align.exact.edit_path import (
    ABSORBED_ONE,
    ABSORBED_OTHER,
    EXCHANGED,
    MATCHED,
    OMITTED_ONE,
    OMITTED_OTHER,
    cheapest_path,
)
from align.exact.elements import GAP_ELEMENT
from tests.reference import alignment as reference
from tests.support.strategies import EXAMPLES

ELEMENTS = st.sampled_from([97, 98, 99, GAP_ELEMENT, 0xC3, UNKNOWN_SYMBOL])
LETTERS = st.sampled_from([97, 98])

Elements = list[int]


def path(one: Elements, other: Elements) -> tuple[list[int], int]:
    steps, cost = cheapest_path(np.array(one, np.uint16), np.array(other, np.uint16))
    assert steps is not None
    return steps.tolist(), cost


def cost_of(one: Elements, other: Elements, steps: list[int]) -> int:
    """What a path costs, from the prices in words; checks that it goes from corner to corner."""
    i = j = cost = 0
    for step in steps:
        if step in (MATCHED, EXCHANGED):
            cost += reference.price_together(one[i], other[j])
            i, j = i + 1, j + 1
        elif step in (OMITTED_ONE, ABSORBED_ONE):
            cost += reference.price_alone(one[i], other[j - 1] if j else None)
            i += 1
        else:
            assert step in (OMITTED_OTHER, ABSORBED_OTHER)
            cost += reference.price_alone(other[j], one[i - 1] if i else None)
            j += 1
    assert (i, j) == (len(one), len(other))
    return cost


@given(st.lists(ELEMENTS, max_size=12), st.lists(ELEMENTS, max_size=12))
@settings(max_examples=EXAMPLES)
@example([UNKNOWN_SYMBOL], [97, GAP_ELEMENT, 98])
def test_the_path_is_cheapest(one: Elements, other: Elements) -> None:
    steps, cost = path(one, other)
    assert cost == reference.cheapest_window(tuple(one), tuple(other))
    assert cost == cost_of(one, other, steps)


@given(st.data())
@settings(max_examples=EXAMPLES)
def test_p10_the_certified_band_is_the_full_matrix(data: st.DataObject) -> None:
    """Long sides, so that the first band is a part of the matrix; the path too is the same."""
    alphabet = data.draw(st.sampled_from([LETTERS, ELEMENTS]))
    one = data.draw(st.lists(alphabet, min_size=20, max_size=60))
    other = list(one)
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(other)))
        other[at : at + data.draw(st.integers(0, 6))] = data.draw(st.lists(alphabet, max_size=6))
    steps, cost = path(one, other)
    assert (steps, cost) == reference.full_window(one, other)


def test_a_drift_in_the_middle_is_found_outside_the_first_band() -> None:
    """Both sides are equally long, and the cheapest path runs 30 diagonals off."""
    common = [97 + k % 7 for k in range(60)]
    one, other = [200] * 30 + common, common + [201] * 30
    steps, cost = path(one, other)
    assert cost == 60 * edit_path.OMIT
    assert steps == [OMITTED_ONE] * 30 + [MATCHED] * 60 + [OMITTED_OTHER] * 30
    assert (steps, cost) == reference.full_window(one, other)


@given(st.lists(ELEMENTS, max_size=12), st.lists(ELEMENTS, max_size=12))
@settings(max_examples=EXAMPLES)
def test_p10_cost_is_symmetric_and_0_only_for_equal_sides(one: Elements, other: Elements) -> None:
    cost = path(one, other)[1]
    assert cost == path(other, one)[1]
    assert (cost == 0) == (one == other)


def test_a_window_beyond_the_room_has_no_path() -> None:
    size = 1 << 13
    one, other = np.full(size, 97, np.uint16), np.full(size, 98, np.uint16)
    assert cheapest_path(one, other)[0] is None
