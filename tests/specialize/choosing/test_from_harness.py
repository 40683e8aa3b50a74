"""Selection by lm-evaluation-harness: as by our own scores; what does not belong is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize.artifacts.predictions import Grade
from specialize.artifacts.selection import Selection, read_selection
from specialize.choosing import HarnessLogs, select_from_harness
from specialize.cli.stages import cli
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import record_recipe, recorded_recipe
from specialize.errors import ConfigurationError, InputError, SpecializeError
from specialize.report import write_report
from specialize.selection.paired_tests import pair
from specialize.selection.rules import RULES, rule_by_name
from specialize.selection.stage import choose
from specialize.students import checkpoints
from tests.specialize.selection.test_select import SETS, TABLE, scores_of
from tests.support.harness_logs import DATE, write_logs
from tests.support.report_toys import toy_recipe

ROLES = {spec.label: spec.role for spec in SETS}
RULE = [form.written.replace("[:DROP]", ":0.05").replace("[:SHARE]", ":0.5")
        .replace("WEIGHT", "0.7") for form in RULES]  # fmt: skip
ONE = {10: 6, 20: 7}  # right answers of 10 at each step


def answers_of(step: int, row: Sequence[int], total: int = 100) -> dict[str, list[bool]]:
    """Each step is right elsewhere."""
    return {
        name: [(i + step) % total < correct for i in range(total)]
        for name, correct in zip(ROLES, row, strict=False)
    }


def write_run(run: Path, steps: Sequence[int]) -> Recipe:
    evaluation = toy_recipe().evaluation.model_copy(update={"sets": tuple(SETS)})
    recipe = toy_recipe(evaluation=evaluation)
    run.mkdir(parents=True)
    record_recipe(recipe, run)
    for step in steps:
        folder = checkpoints.folder(run) / checkpoints.name_of(step)
        folder.mkdir(parents=True)
        (folder / checkpoints.COMPLETE).write_text("{}")
    return recipe


def model_of(run: Path, step: int) -> str:
    return str(checkpoints.folder(run) / checkpoints.name_of(step))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and in ``logs`` beside it the results of every checkpoint, with samples."""
    folder = tmp_path_factory.mktemp("table")
    write_run(folder / "run", list(TABLE))
    for step, row in TABLE.items():
        write_logs(folder / "logs", model_of(folder / "run", step), answers_of(step, row))
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """A run of two checkpoints with results of one task, changed at the second."""
    run, logs = tmp_path / "run", tmp_path / "logs"
    write_run(run, list(ONE))

    def write(steps: Sequence[int] = tuple(ONE), **changed: object) -> Path:
        for step in steps:
            of_last = changed if step == steps[-1] else {}
            answers = answers_of(3 * step // 10, [ONE[step]], 10)
            write_logs(logs, model_of(run, step), answers, **of_last)
        return logs

    return write


def chosen(logs: Path, rule: str = "in-distribution", **values: object) -> Selection:
    given = {"roles": {"near": "in-distribution"}} | values
    run = logs.parent / "run"
    return select_from_harness(recorded_recipe(run), run, HarnessLogs(logs, **given), rule)


@pytest.mark.parametrize(("rule", "smooth"), [*zip(RULE, (1, 3, 1, 3, 1, 3, 3), strict=True)])
def test_all_rules_choose_as_by_our_own_scores(table: Path, rule: str, smooth: int) -> None:
    run, graded = table / "run", {}
    for step, row in TABLE.items():
        for name, right in answers_of(step, row).items():
            grades = [Grade(f"{name}/{number}", each) for number, each in enumerate(right)]
            graded[checkpoints.name_of(step), name] = grades
    logs = HarnessLogs(table / "logs")
    found = select_from_harness(recorded_recipe(run), run, logs, rule, smooth=smooth)
    own = choose(
        scores_of(TABLE), SETS, rule_by_name(rule), format_="zero-shot-cot", smooth=smooth,
        compare=lambda a, b, set_: pair(graded[a, set_], graded[b, set_]),
    )  # fmt: skip
    assert found == replace(own, source=found.source, warnings=found.warnings)
    assert set(own.warnings) <= set(found.warnings)
    assert read_selection(run) == found


def test_where_the_scores_come_from_is_said(table: Path) -> None:
    run = table / "run"
    done = CliRunner().invoke(
        cli, ["select", str(run), "--from", "lm-eval", str(table / "logs"), "--in-distribution",
              "near", "--rule", "in-distribution", "--metric", "acc", "--metric", "exact_match",
              "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    by = f"by the results of lm-evaluation-harness 0.4.13 in {table / 'logs'}: near (exact_match, strict-match)"  # noqa: E501
    assert (found["selected_step"], found["chosen"]) == (30, by)
    assert found["warnings"][:3] == [
        "tasks without a role, which do not count: far, off, wide",
        "near: filter strict-match counts (--filter: flexible)",
        "scored on the test split of near: what the chosen checkpoint scores there is too high "
        "to be reported",
    ]
    write_report(recorded_recipe(run), run)
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    for shown in (page, text.replace("\\_", "_")):
        assert f"the highest in-distribution accuracy, {by}. 4 checkpoints were compared." in shown
        assert "Validation scores are shown instead" not in shown
        assert "Scored on the test split of near" in shown
    assert "has no scores of our own evaluation yet" in page


def test_without_samples_the_highest_value_is_chosen(small: Callable[..., Path]) -> None:
    found = chosen(small(samples=False))
    assert (found.step, found.compared) == (20, ())
    assert any(
        "not compared question by question, so that the highest value is chosen: there are no "
        "samples of near (--log_samples) (step-000020)" in warning for warning in found.warnings
    )  # fmt: skip
    assert chosen(small(samples=True)).step == 10  # 6 and 7 of 10 are not distinguished


def test_scores_between_0_and_1_are_not_paired(small: Callable[..., Path]) -> None:
    logs = small()
    path = next(logs.rglob(f"*20/samples_near_{DATE}.jsonl"))
    path.write_text(path.read_text().replace('"exact_match": 0.0', '"exact_match": 0.5', 1))
    assert any("is not 0 or 1 for every question" in w for w in chosen(logs).warnings)
    path.write_text(path.read_text().replace('"exact_match": 0.5', '"exact_match": 1.0', 1))
    assert any("is not the mean of its samples" in w for w in chosen(logs).warnings)


def test_a_group_counts_with_the_samples_of_its_tasks(tmp_path: Path) -> None:
    run, logs = tmp_path / "run", tmp_path / "logs"
    write_run(run, [10, 20])
    for step, correct in ((10, 6), (20, 9)):
        answers = {"easy": [True] * 30, "hard": [i < correct for i in range(10)]}
        write_logs(logs, model_of(run, step), answers, groups={"both": ("easy", "hard")})
    found = chosen(logs, roles={"both": "in-distribution"})
    assert found.judged[1].candidate.in_distribution == {"both": 39 / 40}
    assert [(c.examples, c.only_chosen) for c in found.compared] == [(40, 3)]
    assert not any("without a role" in warning for warning in found.warnings)


def test_results_are_matched_by_path_name_or_pattern(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_run(run, list(ONE))

    def step_of(logs: str, names: Mapping[str, int], **values: object) -> int:
        for name, correct in names.items():
            folder, _, model = name.rpartition("|")
            answers = answers_of(0, [correct], 10)
            write_logs(tmp_path / logs / folder, model, answers, samples=False)
        return chosen(tmp_path / logs, **values).step

    here = "run/checkpoints/step-0000"
    assert step_of("moved", {f"|/cluster/{here}10": 6, f"|/cluster/{here}20": 7}) == 20
    assert step_of("inside", {"|checkpoints/step-000010": 7, "|checkpoints/step-000020": 6}) == 10
    assert step_of("served", {"|step-000010": 6, "|step-000020": 7}) == 20
    assert step_of("folders", {"step-000010|student": 6, "step-000020|student": 7}) == 20
    other = {"|/x/other/checkpoints/step-000010": 6, "|/x/other/checkpoints/step-000020": 7}
    with pytest.raises(InputError, match=r"is of the model /x/other/checkpoints/step-000010, wh"):
        step_of("other", other)
    assert step_of("other2", other, pattern="step-{step}") == 20
    assert step_of("own", {"a/ckpt_10|m": 6, "b/ckpt_20|m": 7}, pattern="ckpt_{step}") == 20
    with pytest.raises(InputError, match=r"\(model step-000010\) names steps 10 and 20; give a"):
        step_of("both", {"step-000020|step-000010": 5})
    with pytest.raises(InputError, match=r"no results in .*none are of a checkpoint of .*run \(mo"):
        step_of("none", {"|gpt2": 5})
    with pytest.raises(InputError, match=r"models: gpt2; the pattern 'x-\{step\}' fits none\)"):
        step_of("none2", {"|gpt2": 5}, pattern="x-{step}")
    with pytest.raises(ConfigurationError, match=r"'ckpt' must hold \{step\} once"):
        HarnessLogs(tmp_path, pattern="ckpt")
    step_of("beside", {"|step-000010": 6, "|step-000020": 7, "|gpt2": 9})
    assert any("other models, left out: gpt2" in w for w in read_selection(run).warnings)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"change": {"versions": {"near": 2.0}}}, InputError,
         r"near was not asked alike: version 3\.0 for step-000010, 2\.0 for step-000020"),
        ({"change": {"n-shot": {"near": 0}}}, InputError,
         "number of few-shot examples 5 for step-000010, 0 for step-000020"),
        ({"change": {"n-samples": {"near": {"effective": 9}}}}, InputError,
         "number of documents 10 for step-000010, 9 for step-000020"),
        ({"prompt": "q"}, InputError, "near was not asked alike: documents and prompts "),
        ({"prompt": "q", "change": {"task_hashes": {}}}, InputError,
         "samples of step-000020 are of other questions or prompts than those of step-000010"),
        ({"change": {"results": {"far": {"acc,none": 0.5}}}}, ConfigurationError,
         r"no exact_match,strict-match of near for step-000020 in .*logs, but for step-000010"),
        ({"key": ("acc", "none")}, ConfigurationError, "no exact_match,strict-match of near for"),
        ({"change": {"config": {"model_num_parameters": 99}}}, InputError,
         "with 1,216,000 parameters, .* of one with 99; the checkpoints of a run have equally"),
        ({"change": {"results": {}}}, InputError, "has no results; expected: the results of"),
        ({"change": {"model_name": None, "config": {}}}, InputError, "does not name its model"),
    ],
)  # fmt: skip
def test_what_is_not_alike_is_refused(
    small: Callable[..., Path],
    changed: Mapping[str, object],
    error: type[SpecializeError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        chosen(small(**changed))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": ("acc",)}, r"near has no metric 'acc'; there is exact_match"),
        ({"filters": ("last", "first")}, "no filter 'last' or 'first'; there is strict-match, fle"),
        ({"roles": {"gsm8k": "general"}}, r"no results of 'gsm8k' for step-000010 in .*: near$"),
        ({"roles": {}}, r"no results of 'far' .* near \(the roles are those of the recipe; --in-"),
        ({"steps": (10, 30)}, "has no checkpoint of step 30; there are: 10, 20"),
    ],
)  # fmt: skip
def test_what_was_asked_for_and_is_not_there(
    small: Callable[..., Path], values: Mapping[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        chosen(small(), **values)


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"of_tasks": {"exact_match,strict-match": 31.5}}, "31.5"),
        ({"change": {"higher_is_better": {"near": {"exact_match": False}}}}, "0.6"),
    ],
)
def test_metrics_that_no_rule_can_read(
    small: Callable[..., Path], changed: Mapping[str, object], shown: str
) -> None:
    small(steps=[20])
    with pytest.raises(ConfigurationError, match=rf"near is no share .* \({shown}\); name"):
        chosen(small(steps=[10], **changed))


def test_mistakes_of_a_first_hour(small: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no directory .*logs; name one that lm-eval"):
        chosen(tmp_path / "logs")
    logs = small(steps=[10])
    with pytest.raises(
        ConfigurationError, match=r"no results of 1 of 2 checkpoints \(step-000020\)"
    ):
        chosen(logs)
    assert chosen(logs, steps=(10,)).step == 10
    small(steps=[20])
    with pytest.raises(InputError, match=r"run holds no results_\*\.json of lm-evaluation-harness"):
        select_from_harness(recorded_recipe(tmp_path / "run"), tmp_path / "run",
                            HarnessLogs(tmp_path / "run"))  # fmt: skip
    path = next(logs.rglob("*20/results_*.json"))
    path.with_name("results_2026-01-06T10-00-00.json").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"both hold results of near for .*step-000020; keep one"):
        chosen(logs)
    path.with_name("results_2026-01-06T10-00-00.json").unlink()
    samples = path.with_name(f"samples_near_{DATE}.jsonl")
    lines = samples.read_text().splitlines(keepends=True)
    samples.write_text("".join(lines[:7]))
    with pytest.raises(
        InputError, match="holds 7 samples, but 10 documents were scored; it is cut"
    ):
        chosen(logs)
    samples.write_text("".join(lines)[:-20])
    with pytest.raises(InputError, match=r"samples_near_.*, line 20, is not JSON"):
        chosen(logs)
    path.write_text(path.read_text()[:300])
    with pytest.raises(
        InputError, match=r"results_.*is not JSON .*expected: the results of lm-eval"
    ):
        chosen(logs)


def test_options_of_logs_go_with_them(table: Path) -> None:
    done = CliRunner().invoke(cli, ["select", str(table / "run"), "--metric", "acc"])
    assert done.exit_code == 2
    assert "--metric goes with --from lm-eval DIR" in done.output
