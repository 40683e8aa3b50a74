"""Signal and noise of a set, against the definitions and a published table of normal ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.selection.signal import chance_ratio, signal_and_noise
from tests.reference import scores as reference

shares = st.integers(1, 100).map(lambda correct: correct / 100)


@pytest.mark.parametrize(
    ("scores", "signal", "last", "noise"),
    [
        ((0.20, 0.40, 0.60, 0.66, 0.60, 0.66), 0.46 / 0.52, 3, 0.0283 / 0.64),
        ((0.5, 0.5, 0.5, 0.5, 0.5), 0.0, 3, 0.0),
        ((0.1, 0.3, 0.2, 0.2), 1.0, 0, None),  # two late checkpoints are too few for noise
        ((0.4,), None, 0, None),
        ((0.0, 0.0, 0.0, 0.0, 0.0), None, 0, None),  # relative to a mean of nothing
        (tuple(0.3 + 0.01 * (i % 2) for i in range(20)), 0.01 / 0.305, 5, None),
    ],
)
def test_hand_made_sets(
    scores: tuple[float, ...], signal: float | None, last: int, noise: float | None
) -> None:
    found = signal_and_noise("near", "in-distribution", scores)
    assert (found.set, found.role, found.checkpoints) == ("near", "in-distribution", len(scores))
    assert found.signal == (None if signal is None else pytest.approx(signal))
    assert found.last == last
    if noise is not None:
        assert found.noise == pytest.approx(noise, rel=1e-3)


@given(st.lists(shares, min_size=5, max_size=12))
def test_as_defined(scores: list[float]) -> None:
    found = signal_and_noise("near", "general", scores)
    assert found.signal == pytest.approx(reference.signal(scores), abs=1e-12)
    assert found.noise == pytest.approx(reference.noise(scores[-found.last :]), abs=1e-12)
    assert found.last == min(5, -(-len(scores) // 2))
    if found.noise:
        assert found.ratio == pytest.approx(found.signal / found.noise)
    else:
        assert found.ratio is None


@pytest.mark.parametrize(
    ("draws", "ratio"), [(1, 0.0), (2, 1.12838), (3, 1.69257), (5, 2.32593), (10, 3.07751)]
)
def test_the_mean_range_of_normal_draws(draws: int, ratio: float) -> None:
    assert chance_ratio(draws) == pytest.approx(ratio, abs=2e-5)
