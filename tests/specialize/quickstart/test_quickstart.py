"""The quickstart's second student, which learns the same solutions without their distributions."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.config.yaml_files import recorded_recipe
from specialize.quickstart.run import Outcome, Size, quickstart, summary_table
from specialize.quickstart.world import FAMILIES, GENERAL


@pytest.mark.slow
def test_both_learn_the_same_solutions(tmp_path: Path) -> None:
    size = Size(questions=10, samples=1, steps=2, examples=2)
    outcome = quickstart(tmp_path, size)
    assert outcome.text is not None
    assert outcome.text.keys() == outcome.after.keys() == {*FAMILIES, *GENERAL}
    targets = [
        {o.target for o in recorded_recipe(run).objectives} for run in (tmp_path, tmp_path / "text")
    ]
    assert targets == [{"distribution", "answer"}, {"rationale", "answer"}]
    for path in (tmp_path / "responses").glob("*/shards/*"):  # linked, not dumped again
        assert path.samefile(tmp_path / "text" / path.relative_to(tmp_path))
    assert Path(outcome.report).is_file()
    assert outcome.comparison is not None
    assert Path(outcome.comparison).is_file()


@pytest.mark.parametrize("text", [None, {"shop": 0.5}])
def test_the_second_student_has_a_column_where_it_is(text: dict[str, float] | None) -> None:
    accuracies = {"shop": 0.1}, {"shop": 0.7}, {"shop": 0.9}, text
    comparison = None if text is None else "comparison.html"
    outcome = Outcome(*accuracies, 300, 1.0, "report.html", comparison)
    head, shop, *_, last = summary_table(outcome).splitlines()
    beside = ([], []) if text is None else (["as", "text"], ["50.0%"])
    assert head.split() == ["set", "before", "after", "change", *beside[0], "teacher"]
    assert shop.split() == ["shop", "(in)", "10.0%", "70.0%", "+60.0%", *beside[1], "90.0%"]
    assert len(head) == len(shop)
    assert last == ("report: report.html" if text is None else "comparison: comparison.html")
    assert outcome.as_json()["text"] == text
