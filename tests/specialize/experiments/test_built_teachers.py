"""Teachers that are trained for an experiment: what has to be there, what arms learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from build_quickstart_rows import reworded
from build_teachers import BUILDS

from specialize.errors import ConfigurationError
from specialize.experiments.x13_strengths import STRENGTH, TEACHERS
from specialize.experiments.x15_several_right import OPENINGS, SEVERAL_RIGHT
from specialize.quickstart.run import MODELS
from specialize.records import Example


def test_teachers_that_were_not_built_are_named(tmp_path: Path) -> None:
    (tmp_path / "teachers" / "weak").mkdir(parents=True)
    (tmp_path / "teachers" / "weak" / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"has no teacher middle, .*build_teachers\.py"):
        STRENGTH.prepare(tmp_path, 2, 1)


def test_teachers_of_one_way_and_many_that_were_not_built_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no teacher one way, many .*teachers\.py X15"):
        SEVERAL_RIGHT.prepare(tmp_path, 2, 1)
    assert {name: list(builds) for name, builds in BUILDS.items()} == {
        "X13": ["weak", "middle"],
        "X15": ["one way", "many ways"],
    }


def test_reworded_solutions_are_right() -> None:
    """Lines begin otherwise, terms change places, and every number stays what it was."""
    rng = np.random.default_rng(0)
    line = "Tom has 3 * 4 = 12 pens.\nThen 12 - 5 = 7 pens are left.\nThat makes 7 + 2 = 9."
    example = Example("a", "?", "9", rationale=line)
    found = {reworded(example, OPENINGS, rng).rationale for _ in range(400)}
    lines = [{text.split("\n")[n] for text in found} for n in range(3)]
    assert lines[0] == {f"{o}Tom has {p} = 12 pens." for o in OPENINGS for p in ("3 * 4", "4 * 3")}
    assert lines[1] == {f"{o}Then 12 - 5 = 7 pens are left." for o in OPENINGS}
    assert len(lines[2]) == 2 * len(OPENINGS)


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
