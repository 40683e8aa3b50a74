"""``evaluate --model``: a checkpoint that is asked alone answers as it does within its run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from specialize.artifacts.predictions import PredictionFile
from specialize.artifacts.results import RunResults
from specialize.choosing import select
from specialize.cli.console import run_command
from specialize.cli.stages import cli
from specialize.compare import compare
from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.evaluate import asking, evaluate
from specialize.evaluate.standing import label_of
from specialize.pipeline import report_runs
from specialize.report.gather import gather
from tests.support.evaluation_toys import tiny_gpt2, write_checkpoint, write_model, write_world

FORMATS = ("zero-shot-cot", "in-context-answer")
QUESTIONS = 6


@pytest.fixture
def world(tmp_path: Path) -> Recipe:
    """A recipe that asks one set in two formats."""
    recipe = write_world(tmp_path, count=QUESTIONS)
    asked = recipe.evaluation.model_copy(
        update={"formats": FORMATS, "sets": recipe.evaluation.sets[:1]}
    )
    return recipe.model_copy(update={"evaluation": asked})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Runs ``specialize evaluate`` in this process; the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPECIALIZE_TRUST", str(tmp_path / "trust.json"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["specialize", "evaluate", *arguments])
        code = run_command(cli)
        return code, *capsys.readouterr()

    return run


def alone(model: Path | str, *further: str) -> list[str]:
    """The arguments that ask a model the run's questions, without the run."""
    return [
        "--model", str(model), "--set", "jsonl", "--path", "data/near-validation.jsonl",
        "--set", "evaluation.max_new_tokens=7", "--out", "alone", *further,
    ]  # fmt: skip


def answers(folder: Path, model: str, set_: str, form: str) -> Path:
    return PredictionFile.of(folder, model, set_, "validation", form).path


def test_a_checkpoint_alone_answers_as_in_its_run(tmp_path: Path, command, world: Recipe) -> None:
    checkpoint = write_checkpoint(tmp_path / "run", 20)
    evaluate(world, tmp_path / "run", checkpoints=[checkpoint])
    formats = [word for form in FORMATS for word in ("--format", form)]
    shown = ["--demonstrations", "data/train.jsonl", "--set", "evaluation.num_fewshot=2"]
    code, out, err = command(*alone(checkpoint.path, *formats, *shown, "--json"))
    assert code == 0, err
    [folder] = {Path(json.loads(out)["predictions"])}
    for form in FORMATS:
        within = answers(tmp_path / "run", "step-000020", "near", form).read_bytes()
        assert within.count(b"\n") == QUESTIONS
        assert answers(tmp_path / "alone", folder.name, "jsonl", form).read_bytes() == within


def test_goes_on_with_what_is_missing(
    tmp_path: Path, command, world: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world.student
    assert command(*alone(model))[0] == 0
    file = answers(tmp_path / "alone", "student", "jsonl", "zero-shot-cot")
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:9])  # as a kill leaves it
    asked: list[int] = []
    generate = asking.generate

    def counted(own, prompts, *rest, **named):
        asked.append(len(prompts))
        return generate(own, prompts, *rest, **named)

    monkeypatch.setattr(asking, "generate", counted)
    assert command(*alone(model))[0] == 0
    assert asked == [QUESTIONS - 2]
    assert file.read_bytes() == whole
    assert command(*alone(model))[0] == 0
    assert asked == [QUESTIONS - 2]  # nothing is asked again


def test_another_format_joins_the_same_directory(tmp_path: Path, command, world: Recipe) -> None:
    assert command(*alone(world.student))[0] == 0
    code, _, err = command(*alone(world.student, "--format", "zero-shot-answer"))
    assert code == 0, err
    assert answers(tmp_path / "alone", "student", "jsonl", "zero-shot-cot").is_file()


def test_limit_takes_the_first(tmp_path: Path, command, world: Recipe) -> None:
    code, out, err = command(*alone(world.student, "--limit", "2", "--json"))
    assert code == 0, err
    [found] = json.loads(out)["results"].values()
    assert found["total"] == 2
    low, high = found["interval"]
    assert 0 <= low <= found["accuracy"] <= high <= 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"--model": "nowhere/at/all"}, "there is no model directory or GGUF file"),
        ({"--path": "none.jsonl"}, "none.jsonl"),
        ({"--set": "gsm9k"}, "unknown set 'gsm9k'"),
        ({"--set": "own.py"}, "there is no file own.py"),
        ({"--format": "chit-chat"}, "format 'chit-chat' is not known"),
        ({"--format": "in-context-cot"}, "--demonstrations"),
        ({"--demonstrations": "data/near-validation.jsonl", "--format": "in-context-cot"}, "held"),
        ({"--limit": "0"}, "limit"),
        ({"--shard": "0/0"}, "--shard"),
        ({"--set ": "student=other"}, "student=other"),
        ({"--format": "chat"}, "chat template"),
    ],
)
def test_refuses_in_one_line(command, world: Recipe, changed: dict[str, str], says: str) -> None:
    given = {"--model": world.student, "--set": "jsonl", "--path": "data/near-validation.jsonl"}
    words = [word for pair in (given | changed).items() for word in pair]
    code, _, err = command(*(word.strip() for word in words))
    assert code in (2, 3), err
    assert "Traceback" not in err
    assert says in err
    assert len([line for line in err.splitlines() if line.lower().startswith("error: ")]) == 1


def test_a_run_s_own_checkpoint_is_not_asked_as_a_foreign_model(
    tmp_path: Path, command, world: Recipe
) -> None:
    """By another name it would be scored on test, unselected, and never be put on record."""
    checkpoint = write_checkpoint(tmp_path / "run", 20)
    (tmp_path / "run" / "recipe.yaml").write_text(world.to_yaml())
    code, _, err = command("run", "--model", str(checkpoint.path), "--split", "test")
    assert code == 2
    assert "is a checkpoint of run itself" in err
    assert not (tmp_path / "run" / "predictions").exists()


def test_two_sets_of_one_model_go_to_places_of_their_own(command, world: Recipe) -> None:
    words = ["--model", world.student, "--set", "jsonl", "--limit", "1", "--json"]
    code, out, err = command(*words, "--path", "data/near-validation.jsonl")
    assert code == 0, err
    assert Path(json.loads(out)["predictions"]) == Path(
        "standing/student/jsonl/predictions/student"
    )


@pytest.mark.parametrize("name", ["teacher-own", "step-000200", "questions"])
def test_names_that_a_run_uses_itself_are_not_taken(name: str) -> None:
    assert label_of(f"models/{name}") == f"model-{name}"


def test_is_compared_with_a_run_that_calls_the_set_otherwise(
    tmp_path: Path, command, world: Recipe
) -> None:
    evaluate(world, tmp_path / "run", checkpoints=[write_checkpoint(tmp_path / "run", 20)])
    named = ["--set", "evaluation.sets.0.name=near", "--format", FORMATS[0]]
    assert command(*alone(world.student, *named))[0] == 0
    within = tmp_path / "run" / "predictions" / "step-000020"
    (within / f"near.validation.{FORMATS[1]}.jsonl").unlink()  # one format, as the model was asked
    (within / f"near.validation.{FORMATS[1]}.json").unlink()
    [found] = compare([within, tmp_path / "alone"]).compared
    assert (found.task, found.difference.answers) == ("near", QUESTIONS)


def test_stands_beside_the_run_in_its_report(tmp_path: Path, command, world: Recipe) -> None:
    run = tmp_path / "run"
    write_checkpoint(run, 20)
    (run / "recipe.yaml").write_text(world.to_yaml())
    evaluate(world, run)
    chosen = select(world, run)
    write_model(tiny_gpt2(seed=3), tmp_path / "other")
    code, _, err = command("run", "--model", "other")
    assert code == 0, err
    assert select(world, run) == chosen  # it is no candidate
    found = gather(world, RunResults(run)).outcome
    assert found is not None
    assert found.teachers == ("other",)
    scores = RunResults(run).scores
    [score] = [s for s in scores if (s.checkpoint, s.format) == ("other", FORMATS[0])]
    assert found.lines[0].teachers["other"].value == score.accuracy.value


def test_a_report_sends_an_evaluation_without_a_selection_to_compare(
    tmp_path: Path, command, world: Recipe
) -> None:
    assert command(*alone(world.student, "--limit", "1"))[0] == 0
    alone_here = tmp_path / "alone"
    with pytest.raises(ConfigurationError, match=r"alone has no selection.*specialize compare"):
        report_runs([alone_here, alone_here], tmp_path / "out", None)
