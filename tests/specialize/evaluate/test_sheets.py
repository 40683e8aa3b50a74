"""Each file of predictions is read once a command, and graded again only where rules changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from specialize import datasets, pipeline
from specialize.artifacts.predictions import PredictionFile, prediction_files
from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import read_scores
from specialize.choosing import select_run
from specialize.config.recipe import Recipe, Teacher
from specialize.config.yaml_files import record_recipe
from specialize.errors import InputError
from specialize.evaluate import evaluate, grading, sheets
from specialize.report import write_report
from tests.support.evaluation_toys import tiny_gpt2, write_checkpoint, write_model, write_world
from tests.support.fresh import Run
from tests.support.opened_files import counted_opens


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path, Path]:
    """The recipe of a finished run, its folder, and a copy of all that is there."""
    folder = tmp_path_factory.mktemp("sheets")
    world, copy = folder / "world", folder / "copy"
    world.mkdir()
    recipe, run = write_world(world), world / "run"
    teacher = write_model(tiny_gpt2(seed=1), world / "big")
    recipe = recipe.model_copy(update={"teachers": {"big": Teacher(model=str(teacher))}})
    for step in (0, 10, 20):
        write_checkpoint(run, step)
    record_recipe(recipe, run)
    pipeline.evaluate_run(run, "validation")
    select_run(run, None)
    pipeline.evaluate_run(run, "test")
    shutil.copytree(world, copy)
    return recipe, world, copy


@pytest.fixture
def finished(made: tuple[Recipe, Path, Path]) -> tuple[Recipe, Path]:
    """A run that is evaluated, selected and tested; nothing is left to generate."""
    recipe, world, copy = made
    shutil.rmtree(world)
    shutil.copytree(copy, world)
    return recipe, world / "run"


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the predictions that are graded from here on."""
    ids: list[str] = []
    real = sheets.grade
    monkeypatch.setattr(
        sheets,
        "grade",
        lambda prediction, *how: ids.append(prediction.id) or real(prediction, *how),
    )
    return ids


def _evaluate_validation(recipe: Recipe, run: Path) -> None:
    pipeline.evaluate_run(run, "validation")


def _evaluate_test(recipe: Recipe, run: Path) -> None:
    pipeline.evaluate_run(run, "test")


def _select(recipe: Recipe, run: Path) -> None:
    select_run(run, None)


def _report(recipe: Recipe, run: Path) -> None:
    write_report(recipe, run)


@pytest.mark.parametrize("command", [_evaluate_validation, _evaluate_test, _select, _report])
def test_a_command_reads_each_file_once_and_grades_nothing(
    finished: tuple[Recipe, Path], graded: list[str], command: Callable[[Recipe, Path], None]
) -> None:
    recipe, run = finished
    with counted_opens(run / "predictions") as opened:
        command(recipe, run)
    assert opened, "the command reads predictions"
    assert {path: count for path, count in opened.items() if count > 1} == {}
    assert graded == []
    if command in (_evaluate_validation, _evaluate_test):
        assert {file.path for file in prediction_files(run)} <= opened.keys()


def test_sets_are_read_once_an_evaluation(
    finished: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = finished
    several = recipe.evaluation.model_copy(
        update={"formats": ("zero-shot-cot", "in-context-cot", "in-context-answer")}
    )
    recipe = recipe.model_copy(update={"evaluation": several})
    loaded: list[str] = []
    real = datasets.load
    monkeypatch.setattr(
        datasets,
        "load",
        lambda name, path, **how: loaded.append(str(path)) or real(name, path, **how),
    )
    evaluate(recipe, run)
    assert sorted(loaded) == sorted(set(loaded))
    assert len(loaded) == 7, "validation and test of three sets, and the training examples"


def test_stages_of_one_process_share_what_was_read(finished: tuple[Recipe, Path]) -> None:
    recipe, run = finished
    results = RunResults(run)
    evaluate(recipe, run, results=results)
    with counted_opens(run / "predictions") as opened:
        chosen = select_run(run, None, results=results)
    assert opened == {}
    assert chosen == select_run(run, None)


def test_changed_rules_grade_every_answer_once_again(
    finished: tuple[Recipe, Path], graded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = finished
    before = read_scores(run / "scores.jsonl")
    answers = sum(len(file.read()) for file in prediction_files(run))
    monkeypatch.setattr(sheets, "rules_digest", lambda: "of other rules")
    monkeypatch.setattr(grading, "is_correct", lambda *_, **how: True)
    evaluate(recipe, run)
    assert len(graded) == answers
    after = read_scores(run / "scores.jsonl")
    assert all(score.accuracy.value == 1 for score in after)
    assert [s.accuracy.total for s in after] == [s.accuracy.total for s in before]
    graded.clear()
    evaluate(recipe, run)
    assert graded == [], "what is graded by the present rules stays"


@pytest.mark.parametrize("change", ["correct", "answer", "order", "last"])
def test_a_file_edited_by_hand_is_put_right(
    finished: tuple[Recipe, Path], graded: list[str], change: str
) -> None:
    recipe, run = finished
    file = PredictionFile.of(run, "step-000010", "near", "validation", "zero-shot-cot")
    content = file.path.read_bytes()
    lines = [json.loads(line) for line in content.splitlines()]
    if change == "order":
        lines.reverse()
    else:
        edited = {"correct": not lines[0]["correct"], "answer": "77", "last": None}[change]
        lines[-1 if change == "last" else 0] |= {"correct" if change == "last" else change: edited}
    file.path.write_text(
        "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines)
    )
    evaluate(recipe, run)
    assert graded == [line["id"] for line in lines], "this file, once, and no other"
    assert file.path.read_bytes() == content


def test_another_gold_answer_is_graded_again(
    finished: tuple[Recipe, Path], graded: list[str]
) -> None:
    recipe, run = finished
    path = Path((recipe.evaluation.sets[0].path or "").replace("{split}", "validation"))
    path.write_text(path.read_text().replace('"answer": "', '"answer": "1', 1))
    evaluate(recipe, run)
    assert len(graded) == 3 * 6, "three models answered the six examples of the set"


def test_a_damaged_line_is_named_by_every_command(finished: tuple[Recipe, Path]) -> None:
    recipe, run = finished
    chosen = select_run(run, None)["checkpoint"]
    for split, commands in (("validation", (_evaluate_validation, _select)), ("test", (_report,))):
        file = PredictionFile.of(run, str(chosen), "near", split, "zero-shot-cot")
        whole = file.path.read_bytes()
        lines = whole.splitlines(keepends=True)
        file.path.write_bytes(lines[0] + b"{}\n" + lines[1])
        for command in commands:
            with pytest.raises(InputError, match=r"jsonl:2 is no prediction"):
                command(recipe, run)
        file.path.write_bytes(whole)


@pytest.mark.parametrize("command", [["evaluate"], ["evaluate", "--split", "test"], ["select"]])
def test_nothing_to_generate_needs_no_torch(
    python: Run, finished: tuple[Recipe, Path], command: list[str]
) -> None:
    _, run = finished
    without = (
        "import sys\n"
        "from specialize.cli.stages import main\n"
        "for name in ('torch', 'transformers', 'numba'):\n"
        "    sys.modules[name] = None  # an import of it fails\n"
        "main()"
    )
    done = python(without, *command, str(run))
    assert done.returncode == 0, done.stderr
