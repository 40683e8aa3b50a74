"""A model as it stands: asked without a run, as a run asks it; beside a run; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize.artifacts.predictions import prediction_files
from specialize.artifacts.scores import read_scores
from specialize.cli.stages import cli
from specialize.compare.stage import compare
from specialize.config.recipe import Recipe
from specialize.datasets import write_jsonl
from specialize.errors import ConfigurationError, InputError
from specialize.evaluate import evaluate_model
from specialize.evaluate.standing import Asked, evaluate_beside, evaluate_standing, label_of
from specialize.records import Example
from tests.support.evaluation_toys import tiny_gpt2, write_model, write_world

LENGTH = ("evaluation.max_new_tokens=6",)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "small"
    write_model(tiny_gpt2(seed=3), folder)
    return str(folder)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sets") / "sums.jsonl"
    write_jsonl(path, [Example(f"sums/{n}", f"{n} + 1?", str(n + 1)) for n in range(5)])
    return str(path)


def test_the_same_call_asks_nothing_again(model: str, questions: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = Asked("jsonl", questions, ("zero-shot-cot", "zero-shot-answer"), limit=4)
    found = evaluate_standing(model, asked, out, overrides=LENGTH)
    results = found["results"]
    assert isinstance(results, dict)
    assert list(results) == ["jsonl/zero-shot-cot", "jsonl/zero-shot-answer"]
    assert [each["total"] for each in results.values()] == [4, 4]
    files = [file.path for file in prediction_files(out)]
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in files]
    assert evaluate_standing(model, asked, out, overrides=LENGTH) == found
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in files] == before
    files[0].write_bytes(b"".join(before[0][1].splitlines(keepends=True)[:2]))  # interrupted
    assert evaluate_standing(model, asked, out, overrides=LENGTH) == found
    assert files[0].read_bytes() == before[0][1]


def test_answers_are_those_that_a_run_gets(tmp_path: Path, model: str) -> None:
    """The same model on a run's own set, line for line; then compared question by question."""
    recipe: Recipe = write_world(tmp_path)
    run = tmp_path / "run"
    evaluate_model(recipe, run, model, label="own", step=-1, split="validation")
    spec = recipe.evaluation.sets[0]
    [file, *_] = [f for f in prediction_files(run) if f.settings().set == spec.label]
    settings, lines = file.settings(), file.read()
    path = spec.path.replace("{split}", "validation")
    asked = Asked(spec.set, path, (settings.format,))
    overrides = (f"evaluation.max_new_tokens={settings.max_new_tokens}",)
    evaluate_standing(model, asked, tmp_path / "out", overrides=overrides)
    alone = {each.id.rpartition("/")[2]: each for f in prediction_files(tmp_path / "out")
             for each in f.read()}  # fmt: skip
    assert lines
    for line in lines:
        other = alone[line.id.rpartition("/")[2]]
        assert (line.text, line.prompt, line.correct) == (other.text, other.prompt, other.correct)


def test_beside_a_run_it_is_scored_on_the_run_s_sets(tmp_path: Path, model: str) -> None:
    recipe: Recipe = write_world(tmp_path)
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    (run / "recipe.yaml").write_text(recipe.to_yaml())
    found = evaluate_beside(run, model, split="test")
    results = found["results"]
    assert isinstance(results, dict)
    assert len(results) == len(recipe.evaluation.sets) * len(recipe.evaluation.formats)
    assert {score.checkpoint for score in read_scores(run / "scores.jsonl")} == {"small"}


def test_two_models_alone_are_compared(tmp_path: Path, model: str, questions: str) -> None:
    write_model(tiny_gpt2(seed=4), tmp_path / "models" / "step-000001")
    paths = [tmp_path / "a", tmp_path / "b"]
    for path, of in zip(paths, (model, str(tmp_path / "models" / "step-000001")), strict=True):
        evaluate_standing(of, Asked("jsonl", questions), path, overrides=LENGTH)
    [found] = compare(paths).compared
    assert (found.task, found.difference.answers) == ("jsonl", 5)


@pytest.mark.parametrize(
    ("name", "label"),
    [("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct"), ("m/x.gguf", "x"),
     ("runs/a/checkpoints/step-000200", "model-step-000200"), ("./", "model")],
)  # fmt: skip
def test_what_its_predictions_are_called(name: str, label: str) -> None:
    assert label_of(name) == label


@pytest.mark.parametrize(
    ("asked", "overrides", "error", "says"),
    [
        (("jsonl", None, ("chatty",)), (), ConfigurationError, "format 'chatty' is not known"),
        (("jsonl", None, ("in-context-cot",)), (), ConfigurationError, "--demonstrations"),
        (("jsonl", None), ("optimization.steps=3",), ConfigurationError, "says nothing of how"),
        (("nonsense", None), (), ConfigurationError, "nonsense"),
        (("jsonl", "absent.jsonl"), (), InputError, "absent.jsonl"),
    ],
)
def test_what_cannot_be_asked_is_said(
    model: str, tmp_path: Path, asked: tuple, overrides: tuple[str, ...], error: type, says: str
) -> None:
    with pytest.raises(error, match=says):
        evaluate_standing(model, Asked(*asked), tmp_path / "out", overrides=overrides)


def test_another_model_is_refused_in_the_same_place(
    model: str, questions: str, tmp_path: Path
) -> None:
    asked = Asked("jsonl", questions, limit=1)
    evaluate_standing(model, asked, tmp_path / "out", overrides=LENGTH)
    write_model(tiny_gpt2(seed=5), tmp_path / "other")
    with pytest.raises(ConfigurationError, match=r"begun with another recipe \(student: "):
        evaluate_standing(str(tmp_path / "other"), asked, tmp_path / "out", overrides=LENGTH)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a RUN, or a model with --model"),
        (["--model", "m"], "without a RUN, --set names exactly one set; got 0"),
        (["--model", "m", "--set", "svamp", "--set", "gsm8k"], "got 2"),
        (["--model", "m", "--set", "svamp", "--step", "3"], "--steps is for the checkpoints"),
        (["--model", "m", "--set", "svamp", "--split", "test"], "--split is for the checkpoints"),
        (["run", "--set", "svamp"], "svamp: the sets of a run are those of its recipe"),
        (["run", "--model", "m", "--limit", "3"], "limit: the sets of a run are those"),
    ],
)
def test_misplaced_options_are_mistakes(arguments: list[str], says: str) -> None:
    shown = CliRunner().invoke(cli, ["evaluate", *arguments])
    assert shown.exit_code == 2
    assert says in shown.output


def test_the_command_prints_a_table_or_json(model: str, questions: str, tmp_path: Path) -> None:
    arguments = ["evaluate", "--model", model, "--set", "jsonl", "--path", questions,
                 "--limit", "2", "--set", *LENGTH, "--out", str(tmp_path / "out")]  # fmt: skip
    shown = CliRunner().invoke(cli, arguments)
    assert shown.exit_code == 0, shown.output
    assert " of 2 " in shown.stdout
    assert "predictions: " in shown.stdout
    values = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)
    assert values["results"]["jsonl/zero-shot-cot"]["total"] == 2
