"""The interval of the experiments, by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.selection.crossed_interval import crossed_interval


@pytest.mark.slow
def test_a_crossed_interval_sees_what_runs_and_questions_have_in_common() -> None:
    """Questions differ, and so do whole runs: 95 % intervals still hold the true mean."""
    rng = np.random.default_rng(5)
    covered = []
    for trial in range(60):
        runs, questions = rng.normal(0, 0.1, size=(8, 1)), rng.normal(0, 0.1, size=(1, 100))
        shares = np.clip(0.5 + runs + questions, 0, 1)
        table = (rng.random(shares.shape) < shares).astype(np.int64)
        low, high = crossed_interval(table, seed=trial)
        covered.append(low <= 0.5 <= high)
    assert 0.85 <= np.mean(covered) <= 1
    # seeds that repeat one another are one seed: the interval does not shrink with their number
    one = rng.integers(-1, 2, size=(1, 200))
    low, high = crossed_interval(one)
    again = crossed_interval(np.repeat(one, 5, axis=0))
    assert (low, high) == pytest.approx(again, abs=0.01)
    assert crossed_interval(np.ones((3, 50), np.int64)) == (1, 1)
