"""The pages in ``docs/experiments`` are what their outcomes say, and hold every arm and seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.experiments import EXPERIMENTS, outcomes
from specialize.experiments.judgement import Judgement
from specialize.experiments.page import write_page

PAGES = Path(__file__).parents[3] / "docs" / "experiments"
MADE = sorted(path.stem for path in PAGES.glob("*.json"))


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_a_page_is_made_from_its_outcomes(name: str, tmp_path: Path) -> None:
    found = outcomes.read(PAGES / f"{name}.json")
    again = write_page(EXPERIMENTS[name], found, tmp_path).read_text()
    assert again == (PAGES / f"{name}.md").read_text()


@pytest.mark.parametrize("name", MADE)
def test_a_page_holds_every_cell(name: str) -> None:
    experiment, found = EXPERIMENTS[name], outcomes.read(PAGES / f"{name}.json")
    judged = Judgement(found)
    assert experiment.minutes == round(sum(one.seconds for one in found) / 60)
    assert experiment.notes
    assert {arm: judged.seeds(arm) for arm in judged.arms} == {
        arm.name: list(experiment.seeds) for arm in experiment.arms
    }
