"""Checkpoints of a small run scored by lm-evaluation-harness itself (extra ``lm-eval``)."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from specialize import datasets
from specialize.artifacts.scores import read_scores
from specialize.choosing import HarnessLogs, select_from_harness
from specialize.config.yaml_files import recorded_recipe
from specialize.quickstart.run import Size, quickstart
from specialize.students import checkpoints
from tests.specialize.compare.test_lm_eval_itself import run_lm_eval, write_task

SETS = ("shop", "farm")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs the extra lm-eval")
def test_lm_eval_chooses_as_our_own_scores_do(tmp_path: Path) -> None:
    """The same questions in the same words: the same scores, set by set and step by step."""
    run, logs, tasks = tmp_path / "run", tmp_path / "logs", tmp_path / "tasks"
    quickstart(run, Size(questions=120, samples=1, steps=40, examples=30), both=False)
    tasks.mkdir()
    for name in SETS:
        questions = datasets.load("jsonl", str(run / "data" / f"{name}.validation.jsonl"))
        write_task(tasks, name, questions)
    for checkpoint in checkpoints.candidates(run):
        run_lm_eval(checkpoint.path, SETS, tasks, logs)
    recipe = recorded_recipe(run)
    found = select_from_harness(
        recipe, run,
        HarnessLogs(logs, {"shop": "in-distribution", "farm": "out-of-distribution"},
                    filters=("last-number",)),
    )  # fmt: skip
    own = {(s.step, s.set): s.macro_average for s in read_scores(run / "scores.jsonl")
           if s.split == "validation"}  # fmt: skip
    theirs = {
        (each.step, name): value
        for each in [*(j.candidate for j in found.judged), found.before]
        for name, value in {**each.in_distribution, **each.out_of_distribution}.items()
    }
    assert theirs == {key: pytest.approx(own[key], abs=0.04) for key in theirs}
    assert len(theirs) == 2 * len(checkpoints.candidates(run))
    assert len(found.compared) == len(found.judged) - 1
    assert found.source.endswith("shop (exact_match, last-number); farm (exact_match, last-number)")
    assert json.loads((run / "selection.json").read_text())["source"] == found.source
