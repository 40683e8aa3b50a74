"""Teachers of three strengths: what has to be there, and what each arm learns from."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import ConfigurationError
from specialize.experiments.x13_strengths import STRENGTH, TEACHERS
from specialize.quickstart.run import MODELS


def test_teachers_that_were_not_built_are_named(tmp_path: Path) -> None:
    (tmp_path / "teachers" / "weak").mkdir(parents=True)
    (tmp_path / "teachers" / "weak" / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"has no teacher middle, .*build_teachers\.py"):
        STRENGTH.prepare(tmp_path, 2, 1)


def test_each_arm_learns_from_its_own_teacher_in_one_of_two_ways(tmp_path: Path) -> None:
    for arm in STRENGTH.arms:
        target, drawn, strength = arm.name.split()
        recipe = STRENGTH.recipe(tmp_path, arm, 0)
        [teacher], [objective] = recipe.teachers.values(), recipe.objectives
        own = tmp_path / "teachers" / strength if strength in TEACHERS else MODELS / "teacher"
        assert teacher.model == str(own)
        wanted = {"text": "rationale", "rows": "distribution"}[target]
        kept = {"checked": (0.7, "correct"), "alike": (1.0, "all")}[drawn]
        assert (objective.target, teacher.temperature, objective.keep) == (wanted, *kept)
