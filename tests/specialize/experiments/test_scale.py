"""The scale sweep: lines over log10 of the parameters, and students that were built alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from build_quickstart_models import load_tokenizer, student_of_width
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import ConfigurationError
from specialize.experiments import by_size
from specialize.experiments.design import Outcome
from specialize.experiments.judgement import Judgement
from specialize.experiments.x01_scale import SCALE, STUDENTS
from specialize.quickstart.run import MODELS

SIZES = {"small": 10_000, "middle": 100_000, "large": 1_000_000}


def outcomes(before: dict[str, int], after: dict[str, int]) -> list[Outcome]:
    """Two seeds; of ten questions that many are answered rightly."""
    roles = {"shop": "in-distribution"}
    return [
        Outcome(
            arm, seed, 1.0, roles, {"right": 1.0},
            {"test": {
                step: dict.fromkeys(roles, ("1" * right[arm]).ljust(10, "0"))
                for step, right in (("0", before), ("9", after))
            }},
        )
        for arm in SIZES
        for seed in (0, 1)
    ]  # fmt: skip


@given(
    st.lists(st.integers(10**4, 10**10), min_size=4, max_size=6, unique_by=lambda n: n // 10**3),
    st.integers(1, 2),
    st.randoms(use_true_random=False),
)
def test_weights_are_those_of_least_squares(sizes: list[int], degree: int, rng) -> None:
    logs = np.log10(sizes)
    if np.diff(np.sort(logs)).min() < 0.1:
        return
    accuracy = [rng.random() for _ in sizes]
    wanted = np.polyfit(logs, accuracy, degree)[0]
    assert by_size.weights(sizes, degree) @ accuracy == pytest.approx(wanted, abs=1e-6)


def test_slope_and_curvature_of_what_was_answered() -> None:
    flat, rising = dict.fromkeys(SIZES, 1), {"small": 1, "middle": 3, "large": 9}
    judged = Judgement(outcomes(flat, rising))
    after = by_size.coefficient(judged, SIZES, 1)
    assert (after.value, after.seeds, after.questions) == (pytest.approx(0.4), 2, 10)
    assert by_size.coefficient(judged, SIZES, 1, step=0).value == pytest.approx(0)
    bent = by_size.coefficient(judged, SIZES, 2)
    assert bent.value == pytest.approx(0.2)  # (9 - 2 * 3 + 1) / 2 tenths
    turned = Judgement(outcomes(rising, flat))
    less = by_size.coefficient(turned, SIZES, 1, less_before=True)
    assert less.value == pytest.approx(-0.4)


def test_the_table_and_the_curve_show_every_size() -> None:
    found = outcomes(dict.fromkeys(SIZES, 1), {"small": 1, "middle": 3, "large": 9})
    said = by_size.table(SIZES, found)
    assert "| middle | 100,000 | 10.0 | 30.0 |" in said
    assert "| slope after | **+40.0**" in said
    drawn = by_size.curve(SIZES, found)
    assert all(f">{name}<" in drawn.svg for name in SIZES)
    assert drawn == by_size.curve(SIZES, found)


def test_students_have_the_parameters_that_are_said() -> None:
    vocabulary = len(load_tokenizer(MODELS / "student"))
    for name, student in STUDENTS.items():
        found = student_of_width(student.width, vocabulary).num_parameters()
        assert (name, found) == (name, student.parameters)


def test_a_student_that_was_not_built_is_missed(tmp_path: Path) -> None:
    (tmp_path / "students" / "0.3M").mkdir(parents=True)
    (tmp_path / "students" / "0.3M" / "config.json").touch()
    with pytest.raises(ConfigurationError, match=r"has no student 0\.1M, 1M, .*build_students\.py"):
        SCALE.prepare(tmp_path, 3, 3)
