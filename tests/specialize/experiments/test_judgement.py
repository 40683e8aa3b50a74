"""Outcomes made by hand -> differences, verdicts and a page that says them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specialize.errors import InputError
from specialize.experiments import outcomes as outcomes_file
from specialize.experiments.design import Arm, Contrast, Experiment, Outcome, Quantity
from specialize.experiments.judgement import Judgement
from specialize.experiments.page import write_page
from specialize.experiments.stage import write_pages
from specialize.experiments.x02_samples import SAMPLES
from specialize.experiments.x07_selection import costs

ROLES = {"shop": "in-distribution", "farm": "out-of-distribution", "sums": "general"}
TEACHER = {"entropy": 0.1, "tail": 0.01, "right": 0.9}


def outcome(
    arm: str, seed: int, share: float, *, early: float = 0.2, questions: int = 40
) -> Outcome:
    """``share`` of the questions right at step 20, ``early`` at step 10."""

    def answers(right: float, turn: int) -> str:
        drawn = np.random.default_rng([seed, turn]).permutation(40)
        return "".join("1" if place < right * 40 else "0" for place in drawn)

    by_step = {
        str(step): {name: answers(at, turn) for turn, name in enumerate(ROLES)}
        for step, at in ((10, early), (20, share))
    }
    right = {"validation": by_step, "test": by_step}
    rules = {"in-distribution": 20, "out-of-distribution": 10}
    return Outcome(arm, seed, 12.0, ROLES, TEACHER, right, rules)


FOUND = [
    outcome(arm, seed, share)
    for arm, share in (("text", 0.3), ("rows", 0.9), ("late", 0.3), ("later", 0.8))
    for seed in (0, 1, 2)
]


def test_verdicts() -> None:
    judged = Judgement([*FOUND, outcome("rows", 7, 0.1)])  # text has no seed 7
    assert judged.accuracy("text", "in-distribution").by_seed == (0.3, 0.3, 0.3)
    better = judged.difference(("rows",), ("text",))
    assert (better.value, better.seeds, better.questions) == (pytest.approx(0.6), 3, 40)
    assert (better.low > 0, better.verdict) == (True, "confirmed")
    assert judged.difference(("text",), ("rows",)).verdict == "contrary"
    same = judged.difference(("text",), ("late",))
    assert same.verdict == "not separable (3 seeds, 40 questions)"
    gaps = judged.difference(("rows", "late"), ("text", "later"))
    assert gaps.value == pytest.approx(0.6 - 0.5)
    assert judged.difference(("rows",), ("text",), step=10).value == 0
    assert judged.judge(Contrast("?", ("rows",), ("nobody",))) is None
    with pytest.raises(InputError, match="no seed has an outcome of each of rows, nobody"):
        judged.difference(("rows",), ("nobody",))


def test_step_0_is_before_training_and_not_the_last_one() -> None:
    found = [outcome(arm, 0, share) for arm, share in (("text", 0.1), ("rows", 0.9))]
    for one in found:
        one.right["test"]["0"] = one.right["test"].pop("10")
    judged = Judgement(found)
    assert judged.accuracy("rows", "in-distribution", step=0).mean == pytest.approx(0.2)
    assert judged.difference(("rows",), ("text",), step=0).value == 0


def test_a_page_says_what_the_outcomes_show(tmp_path: Path) -> None:
    arms = (Arm("text"), Arm("rows", ("seed=1",), against="text"))
    contrasts = (Contrast("rows beat text", ("rows",), ("text",)),)
    experiment: Experiment = replace(
        SAMPLES,
        arms=arms,
        contrasts=contrasts,
        curves=(("rows", "text"),),
        notes="Use rows.",
        figure=None,
    )
    page = write_page(experiment, FOUND, tmp_path / "pages").read_text()
    assert "| rows beat text | **+60.0** (" in page
    assert "| confirmed |" in page
    assert "| rows | 90.0 | 90.0 90.0 90.0 | **+60.0** (" in page
    assert "**For a user.** Use rows." in page
    names = {path.name for path in (tmp_path / "pages").iterdir()}
    assert names == {"X02.md", "X02.json", "X02-differences.svg", "X02-steps.svg"}
    kept = outcomes_file.read(tmp_path / "pages" / "X02.json")
    assert kept == FOUND
    write_page(experiment, kept, tmp_path / "again")
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "pages" / name).read_bytes()


def test_costs_of_rules() -> None:
    said = costs([outcome("rows", seed, 0.9, early=0.5) for seed in (0, 1, 2)])
    assert "| rows | out-of-distribution | 10 10 10 | 50.0 (40.0) |" in said
    assert "| rows | in-distribution | 20 20 20 | 90.0 (0.0) |" in said
    assert "| rows | in-distribution less out-of-distribution | +40.0 (" in said


def test_costs_are_said_in_words() -> None:
    found = [outcome("rows", seed, 0.9, early=0.5) for seed in (0, 1, 2)]
    said = costs(found).splitlines()[2]
    assert "in 3 of 3 runs in-distribution and out-of-distribution selection choose" in said
    assert "the former's steps 20, 20, 20 cost 0.0 (0.0 to 0.0) points in-distribution" in said
    assert "the latter's steps 10, 10, 10 cost 40.0 (" in said


def test_measures_are_roles_of_their_own(tmp_path: Path) -> None:
    """A second format of evaluation is a column, a figure's colour and a claim's role."""
    again = "in-distribution, asked again"
    found = [
        replace(
            one,
            roles=ROLES | {"shop, asked again": again},
            right={"test": {"20": {"shop": "1100", "shop, asked again": digits}}},
        )
        for arm, digits in (("text", "1000"), ("rows", "1111"))
        for one in (outcome(arm, seed, 0.5) for seed in (0, 1, 2))
    ]
    experiment = replace(
        SAMPLES, arms=(Arm("text"), Arm("rows", against="text")), curves=(),
        contrasts=(Contrast("rows are better", ("rows",), ("text",), again),),
        measures=("asked again",), columns=("in-distribution", again),
    )  # fmt: skip
    page = write_page(experiment, found, tmp_path).read_text()
    assert f"| rows are better ({again}) | **+75.0** (" in page
    assert f"| arm | in-distribution | seeds | less its partner | {again} |" in page
    assert "| rows | 50.0 | 50.0 50.0 50.0 | +0.0 (0.0 to 0.0) | 100.0 | **+75.0** (" in page
    assert again in (tmp_path / "X02-differences.svg").read_text()


def test_quantities_have_their_own_units_and_not_every_arm_has_them(tmp_path: Path) -> None:
    nats, kl = Quantity("nats, held out", "nats a byte"), Quantity("KL, held out", "nats", 2)
    of_each = {
        "text": {nats.role: [0.4, 0.6]},
        "rows": {nats.role: [0.3, 0.4], kl.role: [1.0, 2.0]},
    }
    found = [
        replace(outcome(arm, seed, 0.5), quantities=values)
        for arm, values in of_each.items()
        for seed in (0, 1, 2)
    ]
    judged = Judgement(found)
    assert judged.difference(("rows",), ("text",), nats.role).value == pytest.approx(-0.15)
    assert (judged.has("rows", kl.role), judged.has("text", kl.role)) == (True, False)
    experiment = replace(
        SAMPLES, arms=(Arm("text"), Arm("rows", against="text")), curves=(),
        contrasts=(Contrast("rows leave fewer", ("text",), ("rows",), nats.role),),
        quantities=(nats, kl), columns=(nats.role, kl.role, "in-distribution"),
    )  # fmt: skip
    page = write_page(experiment, found, tmp_path).read_text()
    assert "| claim | difference | verdict |" in page
    assert "| rows leave fewer (nats, held out) | **+0.150** (0.100 to 0.200) | confirmed |" in page
    assert "| text | 0.500 | 0.500 0.500 0.500 |  |  |  | 50.0 |  |" in page
    assert "| rows | 0.350 | 0.350 0.350 0.350 | **-0.150** (-0.200 to -0.100) | 1.50 |  |" in page
    figure = (tmp_path / "X02-differences.svg").read_text()
    assert "nats a byte, less the partner" in figure
    assert "in-distribution" not in figure  # another unit


def test_an_arm_joins_a_page_whose_runs_are_gone(tmp_path: Path) -> None:
    arms = (Arm("text"), Arm("rows", against="text"), Arm("late", against="text"))
    experiment = replace(SAMPLES, arms=arms, contrasts=(), curves=(), seeds=(0, 1))
    folder = tmp_path / "pages"
    outcomes_file.write([outcome(n, s, 0.3) for n in ("late", "text") for s in (0, 1)],
                        folder / "X02.json")  # fmt: skip
    for arm, share in (("late", 0.9), ("rows", 0.5)):
        run = tmp_path / "runs" / arm / "seed-0"
        outcomes_file.write([outcome(arm, 0, share)], run / outcomes_file.OUTCOME)
    assert write_pages(experiment, tmp_path, folder)["runs"] == 5
    judged = Judgement(outcomes_file.read(folder / "X02.json"))
    assert judged.arms == ["text", "rows", "late"]
    assert judged.accuracy("late", "in-distribution").by_seed == (0.9, 0.3)  # the run's, the page's
    assert judged.seeds("rows") == [0]


@pytest.mark.parametrize("content", ["{}", '[{"arm": 1}]', "no JSON"])
def test_outcomes_that_are_none_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "X02.json").write_text(content)
    with pytest.raises(InputError, match=r"X02\.json holds no outcomes: "):
        outcomes_file.read(tmp_path / "X02.json")
