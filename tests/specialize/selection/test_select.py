"""Selection: rules by hand-made tables, properties over random scores, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specialize.artifacts.predictions import Prediction, PredictionFile, Settings
from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import Accuracy, CheckpointScore, write_scores
from specialize.artifacts.selection import (
    Candidate,
    ScoredOnTest,
    Selection,
    read_selection,
    read_tested,
    record_test,
)
from specialize.config.recipe import EvaluationSet
from specialize.errors import ConfigurationError, InputError, NothingPassedError
from specialize.selection.paired_tests import Paired, holm
from specialize.selection.rules import (
    BEST_IN_DISTRIBUTION,
    BEST_MEAN,
    BEST_OUT_OF_DISTRIBUTION,
    RULES,
    GeneralFloor,
    Knee,
    WithinDrop,
    pareto_front,
    rule_by_name,
)
from specialize.selection.stage import choose, select
from tests.support.opened_files import counted_opens

ROLES = {
    "near": "in-distribution",
    "far": "out-of-distribution",
    "off": "out-of-distribution",
    "wide": "general",
}
SETS = [EvaluationSet(set="jsonl", name=name, role=role) for name, role in ROLES.items()]
FORMAT = "zero-shot-cot"
PLAIN_RULES = (BEST_IN_DISTRIBUTION, BEST_OUT_OF_DISTRIBUTION, BEST_MEAN)


def score(step: int, set_: str, correct: int, *, total: int = 100, **other) -> CheckpointScore:
    values = {"checkpoint": f"step-{step:06d}", "split": "validation", "format": FORMAT} | other
    return CheckpointScore(
        step=step, set=set_, role=ROLES[set_], accuracy=Accuracy(correct, total), **values
    )


def scores_of(table: dict[int, tuple[int, int, int, int]]) -> list[CheckpointScore]:
    return [
        score(step, name, correct)
        for step, row in table.items()
        for name, correct in zip(ROLES, row, strict=True)
    ]


# step: near, far, off, wide (of 100)
TABLE = {
    0: (5, 10, 12, 60),
    10: (30, 40, 38, 55),
    20: (50, 44, 46, 40),
    30: (60, 30, 34, 20),
    40: (58, 28, 30, 10),
}

rows = st.tuples(*[st.integers(0, 100)] * 4)
tables = st.dictionaries(st.integers(0, 12).map(lambda i: 10 * i), rows, min_size=1).filter(
    lambda table: any(step > 0 for step in table)
)


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ("in-distribution", 30),
        ("out-of-distribution", 20),
        ("mean", 20),
        ("mean:0.9", 30),
        ("within-drop:0.05", 20),
        ("within-drop:0.2", 30),
        ("general-floor:0.9", 10),
        ("general-floor:0.5", 20),
        ("knee", 20),
    ],
)
def test_rules_choose(rule: str, step: int) -> None:
    found = choose(scores_of(TABLE), SETS, rule_by_name(rule), format_=FORMAT)
    assert found.step == step
    assert found.rule == rule
    assert [j.candidate.step for j in found.judged] == [10, 20, 30, 40]
    assert [j.on_front for j in found.judged] == [False, True, True, False]


def test_refusals_say_why() -> None:
    found = choose(scores_of(TABLE), SETS, GeneralFloor(0.9), format_=FORMAT)
    refused = {j.candidate.step: j.refused for j in found.judged}
    assert refused == {
        10: None,
        20: "general accuracy 40.0 % is below 54.0 %",
        30: "general accuracy 20.0 % is below 54.0 %",
        40: "general accuracy 10.0 % is below 54.0 %",
    }
    with pytest.raises(NothingPassedError, match=r"refuses all 4 checkpoints .*is below 60\.0 %"):
        choose(scores_of(TABLE), SETS, GeneralFloor(1.0), format_=FORMAT)


def test_equal_values_give_the_earlier() -> None:
    table = {30: (50, 40, 40, 9), 10: (50, 40, 40, 9), 20: (50, 40, 40, 9), 40: (49, 40, 40, 9)}
    for rule in (*PLAIN_RULES, WithinDrop(0.02), Knee()):
        assert choose(scores_of(table), SETS, rule, format_=FORMAT).step == 10


def _counts(gain: int) -> Paired:
    return Paired(20 + gain, 20, 100)


def test_inseparable_ones_give_the_earlier_and_say_so() -> None:
    def compare(first: str, second: str, set_: str) -> Paired:
        steps = int(first[5:]), int(second[5:])
        counts = _counts(1 if set(steps) == {20, 30} else 20)
        return counts if steps[0] > steps[1] else Paired(counts.only_second, counts.only_first, 100)

    table = {10: (20, 20, 20, 0), 20: (59, 50, 50, 0), 30: (60, 51, 51, 0), 40: (10, 9, 9, 0)}
    found = choose(scores_of(table), SETS, BEST_MEAN, format_=FORMAT, compare=compare)
    assert found.step == 20
    assert found.passed_over is not None
    assert found.passed_over.step == 30
    assert found.passed_over.p_value > 0.6
    assert found.passed_over.difference == pytest.approx(-0.01)
    assert found.passed_over.needed > 1000
    strict = choose(scores_of(table), SETS, BEST_MEAN, format_=FORMAT, compare=compare, errors=0)
    assert (strict.step, strict.runner_up.step, strict.passed_over) == (30, 20, None)
    assert strict.runner_up.examples == 300
    assert strict.runner_up.interval[0] < 0 < strict.runner_up.interval[1]


@given(tables, st.randoms(use_true_random=False), st.sampled_from(PLAIN_RULES))
def test_order_does_not_matter(table, random, rule) -> None:
    scores = scores_of(table)
    shuffled = list(scores)
    random.shuffle(shuffled)
    assert choose(scores, SETS, rule, format_=FORMAT) == choose(
        shuffled, SETS, rule, format_=FORMAT
    )


@given(tables, st.sampled_from(PLAIN_RULES))
@example({10: (0, 57, 100, 0), 20: (0, 64, 93, 0)}, BEST_OUT_OF_DISTRIBUTION)
def test_the_chosen_has_the_highest_value_and_the_earliest_step(table, rule) -> None:
    found = choose(scores_of(table), SETS, rule, format_=FORMAT)
    weights = {"in-distribution": [0], "out-of-distribution": [1, 2]}
    value = {
        step: sum(
            w * sum(row[i] for i in weights[role]) / len(weights[role]) / 100
            for role, w in rule.weights.items()
        )
        for step, row in table.items()
        if step > 0
    }
    best = max(value.values())
    assert found.value == pytest.approx(best)
    assert found.step == min(step for step, v in value.items() if abs(v - best) < 1e-9)


@given(tables, st.sampled_from(PLAIN_RULES), st.integers(1, 20))
def test_a_better_winner_stays_the_winner(table, rule, gain) -> None:
    step = choose(scores_of(table), SETS, rule, format_=FORMAT).step
    better = table | {step: tuple(min(100, value + gain) for value in table[step])}
    assert choose(scores_of(better), SETS, rule, format_=FORMAT).step == step


@given(tables, st.integers(0, 3), st.sampled_from(PLAIN_RULES))
def test_a_test_score_is_refused_wherever_it_is(table, place, rule) -> None:
    scores = scores_of(table)
    scores.insert(place, score(10, "near", 99, split="test"))
    with pytest.raises(ConfigurationError, match="chosen by validation scores only"):
        choose(scores, SETS, rule, format_=FORMAT)


@given(tables)
def test_the_front_holds_what_nothing_dominates(table) -> None:
    candidates = [
        Candidate(str(step), step, {"n": row[0]}, {"f": row[1]}) for step, row in table.items()
    ]
    front = pareto_front(candidates)
    for one in candidates:
        x, y = one.in_distribution["n"], one.out_of_distribution["f"]
        beaten = any(
            o.in_distribution["n"] >= x
            and o.out_of_distribution["f"] >= y
            and (o.in_distribution["n"] > x or o.out_of_distribution["f"] > y)
            for o in candidates
        )
        assert (one in front) != beaten


def test_the_student_before_is_never_chosen_but_compared() -> None:
    table = {0: (90, 90, 90, 90), 10: (20, 20, 20, 20), 20: (10, 10, 10, 10)}
    found = choose(scores_of(table), SETS, BEST_MEAN, format_=FORMAT)
    assert found.step == 10
    assert any("higher than the student before" in warning for warning in found.warnings)
    with pytest.raises(NothingPassedError, match="no trained checkpoint has validation scores"):
        choose(scores_of({0: (90, 90, 90, 90)}), SETS, BEST_MEAN, format_=FORMAT)


def test_warnings() -> None:
    table = {0: (0, 0, 0, 0), 10: (1, 0, 0, 0), 20: (2, 1, 0, 0)}
    found = choose(scores_of(table), SETS, BEST_MEAN, format_=FORMAT)
    assert [w.split(";")[0] for w in found.warnings] == [
        "no checkpoint reaches 2 %",
        "the last checkpoint was chosen",
    ]
    scores = [*scores_of({10: (30, 30, 30, 30)}), score(20, "near", 99)]
    found = choose(scores, SETS, BEST_MEAN, format_=FORMAT)
    assert found.warnings == (
        "not considered, because a set has no score: step-000020",
        "the student before training was not evaluated, so gains are unknown",
    )


def test_teachers_and_other_formats_do_not_count() -> None:
    scores = scores_of(TABLE)
    scores += [score(20, name, 0, format="in-context-cot") for name in ROLES]
    scores += [replace(score(1, name, 100), checkpoint="teacher-big", step=-1) for name in ROLES]
    assert choose(scores, SETS, BEST_MEAN, format_=FORMAT) == choose(
        scores_of(TABLE), SETS, BEST_MEAN, format_=FORMAT
    )


def test_a_set_of_tasks_counts_by_its_macro_average() -> None:
    scores = scores_of({0: (9, 9, 9, 60), 10: (30, 30, 30, 0), 20: (40, 40, 40, 0)})
    tasks = {"easy": Accuracy(54, 90), "hard": Accuracy(6, 10)}
    wide = CheckpointScore(
        checkpoint="step-000010", step=10, set="wide", split="validation", role="general",
        format=FORMAT, accuracy=Accuracy(60, 100), by_task=tasks,
    )  # fmt: skip
    scores = [wide if (s.step, s.set) == (10, "wide") else s for s in scores]
    found = choose(scores, SETS, GeneralFloor(1.0), format_=FORMAT)
    assert found.step == 10
    assert found.judged[0].candidate.general_mean == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best", "unknown rule 'best'; known rules: in-distribution"),
        ("kneee", "unknown rule 'kneee'; did you mean 'knee'"),
        ("within_drop:0.1", "did you mean 'within-drop'"),
        ("knee:3", "unknown rule 'knee:3'; known rules"),
        ("in-distribution:1", "unknown rule"),
        ("mean:x", "rule 'mean:x': 'x' is not a number"),
        ("mean:", "'' is not a number"),
        ("mean:nan", "a weight lies between 0 and 1"),
        ("mean:2", "a weight lies between 0 and 1"),
        ("within-drop:-1", "a drop lies between 0 and 1"),
        ("general-floor:9", "a share to keep lies between 0 and 1"),
    ],
)
def test_rules_that_are_none(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rule_by_name(name)


def test_the_table_holds_seven_rules_that_all_choose() -> None:
    written = {
        form.written: form.written.replace("[:DROP]", ":0.03").replace("[:SHARE]", ":0.8")
        for form in RULES
    } | {"mean:WEIGHT": "mean:0.7"}
    assert len(written) == 7
    for form in RULES:
        rule = rule_by_name(written[form.written])
        assert rule.name == written[form.written]
        assert choose(scores_of(TABLE), SETS, rule, format_=FORMAT).rule == rule.name
        if form.number == "optional":
            assert rule_by_name(form.name).name.startswith(f"{form.name}:")


# ---- the stage: files in a run ------------------------------------------------------------------


def _select(run: Path, rule: str = "mean", *, sets=SETS, errors: float = 1.0) -> Selection:
    return select(RunResults(run), sets, rule, format_=FORMAT, errors=errors)


def _write_run(run: Path, table: dict[int, tuple[int, int, int, int]]) -> None:
    """Scores and the predictions they come from: each step is right elsewhere."""
    scores = scores_of(table)
    for one in scores:
        file = PredictionFile.of(run, one.checkpoint, one.set, one.split, one.format)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.remove()
        file.write_settings(
            Settings(
                checkpoint=one.checkpoint,
                step=one.step,
                model="m",
                set=one.set,
                split=one.split,
                role=one.role,
                format=one.format,
                kind="number",
                examples=100,
                limited=False,
                max_new_tokens=9,
            )
        )
        right = one.accuracy.correct
        file.append(
            Prediction(f"{one.set}/{i}", "", "", "1", "1", (i + one.step) % 100 < right, True, 1)
            for i in range(100)
        )
    write_scores(run / "scores.jsonl", scores)


def test_select_writes_what_it_says(tmp_path: Path) -> None:
    _write_run(tmp_path, TABLE)
    made = _select(tmp_path)
    assert made.checkpoint == "step-000020"
    assert made.runner_up is not None
    assert made.runner_up.p_value < 0.1
    assert read_selection(tmp_path) == made
    first = (tmp_path / "selection.json").read_bytes()
    assert _select(tmp_path) == made
    assert (tmp_path / "selection.json").read_bytes() == first
    assert json.loads(first)["step"] == 20


def test_select_passes_over_what_the_examples_can_not_tell_apart(tmp_path: Path) -> None:
    _write_run(tmp_path, TABLE | {15: (50, 44, 45, 50)})
    made = _select(tmp_path)
    assert (made.step, made.passed_over.step) == (15, 20)
    assert _select(tmp_path, errors=0).step == 20


def test_every_other_is_compared_with_holm_s_correction(tmp_path: Path) -> None:
    _write_run(tmp_path, TABLE)
    made = _select(tmp_path)
    assert [c.step for c in made.compared] == [30, 40, 10]
    assert made.compared[0] == made.runner_up
    assert [c.p_adjusted for c in made.compared] == holm([c.p_value for c in made.compared])
    assert all(c.p_adjusted >= c.p_value for c in made.compared)
    _write_run(tmp_path, {10: (10, 9, 9, 9), 20: (90, 90, 90, 90), 30: (15, 15, 15, 0)})
    made = _select(tmp_path)
    assert not any("do not separate" in warning for warning in made.warnings)


def test_what_the_examples_can_not_separate_is_said(tmp_path: Path) -> None:
    _write_run(tmp_path, TABLE | {15: (50, 44, 44, 50), 16: (50, 43, 46, 50)})
    made = _select(tmp_path)
    (said,) = [warning for warning in made.warnings if "do not separate" in warning]
    assert said.startswith(f"the 300 validation examples do not separate {made.checkpoint} from ")
    close = [c for c in made.compared if c.p_adjusted >= 0.05]
    assert {c.step for c in close} >= {15, 16, 20} - {made.step}
    assert all(c.checkpoint in said for c in close[:3])
    most = max(c.needed for c in close if c.needed is not None and c.needed <= 50_000)
    assert f"about {most:,} would tell" in said


def test_a_test_is_put_on_record(tmp_path: Path) -> None:
    _write_run(tmp_path, TABLE)
    first = _select(tmp_path)
    assert read_tested(tmp_path) == []
    assert record_test(tmp_path, first) == record_test(tmp_path, first)
    second = _select(tmp_path, "in-distribution")
    assert [t.step for t in record_test(tmp_path, second)] == [20, 30]
    assert read_tested(tmp_path)[0] == ScoredOnTest("step-000020", 20, "mean", first.value)
    (tmp_path / "tested.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="is no record of test scores"):
        read_tested(tmp_path)


def test_select_reads_every_file_once(tmp_path: Path) -> None:
    _write_run(tmp_path, TABLE)
    with counted_opens(tmp_path) as opened:
        _select(tmp_path)
    assert set(opened.values()) == {1}
    read = {path.parent.name for path in opened if path.suffix == ".jsonl"} - {tmp_path.name}
    assert read == {"step-000010", "step-000020", "step-000030", "step-000040"}


def test_select_ignores_test_scores_in_the_file(tmp_path: Path) -> None:
    _write_run(tmp_path, TABLE)
    before = _select(tmp_path)
    tested = [score(40, name, 100, split="test") for name in ROLES]
    write_scores(tmp_path / "scores.jsonl", [*scores_of(TABLE), *tested])
    assert _select(tmp_path) == before


def test_select_without_what_it_needs(tmp_path: Path) -> None:
    assert read_selection(tmp_path) is None
    with pytest.raises(InputError, match=r"scores\.jsonl"):
        _select(tmp_path)
    near = tuple(SETS[:1])
    _write_run(tmp_path, TABLE)
    with pytest.raises(ConfigurationError, match="needs out-of-distribution sets, of which there"):
        _select(tmp_path, "within-drop", sets=near)
    used = _select(tmp_path, sets=near)
    assert used.rule == "in-distribution"
    assert used.warnings[0] == (
        "rule 'mean' is replaced by 'in-distribution': there is no out-of-distribution set"
    )
    (tmp_path / "selection.json").write_text("{}")
    with pytest.raises(InputError, match="is no selection"):
        read_selection(tmp_path)
