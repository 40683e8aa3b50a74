"""Cells are runs: resumed, sharing responses, finished once; a flattened teacher is a flat one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from specialize import datasets
from specialize.config.recipe import Recipe, Teacher
from specialize.errors import StoreError
from specialize.experiments import cells, outcomes, world, x04_start
from specialize.experiments.design import Arm, Experiment
from specialize.experiments.x02_samples import SAMPLES
from specialize.experiments.x04_start import START
from specialize.imports.text_store import write_texts
from specialize.quickstart.run import MODELS
from specialize.records import Response
from specialize.rollouts import rounds
from specialize.rollouts.rounds import Round, folder
from specialize.students import checkpoints
from specialize.teacher import opening
from specialize.train import session
from tests.support import toys
from tests.support.scripted_teacher import ScriptedTeacher

TEACHER = {"model": "scripted", "samples": 2, "top_logprobs": 4}
FORMATS = ["zero-shot-cot", "zero-shot-answer"]
SCHEDULE = {"steps": 2, "batch_rows": 3, "accumulation": 1, "warmup_steps": 1}


def says(prompt: str, _turn: int) -> tuple[str, str]:
    return "It is 7. The answer is 7.", "eos"


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """Two arms over a toy world, whose teacher is opened once."""
    tokenizer = toys.write_world(tmp_path / "toy", count=6)
    recipe = toys.toy_recipe(
        tmp_path / "toy", teachers={"toy": TEACHER}, optimization=SCHEDULE,
        training={"checkpoint_every": 2}, evaluation={"max_new_tokens": 4, "formats": FORMATS},
    )  # fmt: skip
    arms = (Arm("rows", ("objectives.0.keep=all",)), Arm("text", (
        "objectives.0.keep=all", "objectives.0.target=rationale",
    )))  # fmt: skip
    made = replace(
        SAMPLES,
        prepare=lambda *_: None,
        base=lambda _: recipe,
        arms=arms,
        contrasts=(),
        curves=(),
        measures=("label",),
    )
    teachers = [nullcontext(ScriptedTeacher(tokenizer, says))]
    monkeypatch.setattr(opening, "open_teacher", lambda *_: teachers.pop())
    monkeypatch.setattr(cells, "find_experiment", lambda _: made)
    return made


def test_a_killed_cell_goes_on_and_others_take_over(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cells.cells_of(experiment, tmp_path, seeds=(0,))
    with monkeypatch.context() as patch:
        patch.setattr(cells, "evaluate", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cells.perform("X02", tmp_path, "rows", 0, None)
    assert (first.run / "checkpoints").is_dir()
    assert not first.finished
    with monkeypatch.context() as patch:  # what was trained is not trained again
        patch.setattr(session, "train_prepared", None)
        cells.perform("X02", tmp_path, "rows", 0, None)
    assert first.finished
    assert not (first.run / "checkpoints").exists()
    cells.perform("X02", tmp_path, "text", 0, first.run)  # a second dump would find no teacher
    found = outcomes.gather(cell.run for cell in (first, second))
    assert [one.arm for one in found] == ["rows", "text"]
    answered = [sets for one in found for sets in one.right["test"].values()]
    assert {(len(sets["toy"]), len(sets["toy, label"])) for sets in answered} == {(3, 3)}
    assert found[0].roles["toy, label"] == f"{found[0].roles['toy']}, label"
    assert found[0].teacher == found[1].teacher


def test_of_rounds_the_last_is_measured(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every round goes on from the one before; no weights stay."""
    before: list[tuple[str, str]] = []

    def rounds_of(recipe: Recipe, run: Path) -> Iterator[Round]:
        for number in (1, 2):
            last = checkpoints.complete(run)[-1].path
            ahead = recipe.model_copy(update={"student": str(last)})
            before.append((run.name, last.name))
            yield Round(ahead, folder(run if number == 1 else run.parent, number), run)
            run = folder(run if number == 1 else run.parent, number)

    monkeypatch.setattr(rounds, "rounds_of", rounds_of)
    run = cells.perform("X02", tmp_path, "rows", 0, None)
    assert before == [("seed-0", "step-000002"), ("round-1", "step-000002")]
    assert [path.parent.name for path in run.rglob("predictions")] == ["round-2"]
    assert not list(run.rglob("checkpoints"))
    [found] = outcomes.gather([run])
    assert found.right["test"].keys() == {"2"}
    assert found.seconds > 0


def test_the_student_before_training_is_scored_where_asked(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "find_experiment", lambda _: replace(experiment, before=True))
    run = cells.perform("X02", tmp_path, "rows", 0, None)
    assert outcomes.gather([run])[0].right["test"].keys() == {"0", "2"}


def test_followers_wait_for_the_first(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, Path | None]] = []

    def perform(_name: str, out: Path, arm: str, seed: int, source: Path | None) -> Path:
        asked.append((arm, seed, source))
        run = out / "runs" / arm / f"seed-{seed}"
        run.mkdir(parents=True)
        (run / outcomes.OUTCOME).touch()
        return run

    monkeypatch.setattr(cells, "perform", perform)
    grouped = cells.groups(cells.cells_of(experiment, tmp_path, seeds=(0, 1)))
    with ThreadPoolExecutor(1) as pool:
        assert len(list(cells.finishing(grouped, pool))) == 4
        assert list(cells.finishing(grouped, pool)) == []  # nothing is missing any more
    source = {seed: tmp_path / "runs" / "rows" / f"seed-{seed}" for seed in (0, 1)}
    wanted = {("rows", s, None) for s in (0, 1)} | {("text", s, source[s]) for s in (0, 1)}
    assert set(asked) == wanted
    for seed in (0, 1):
        assert asked.index(("rows", seed, None)) < asked.index(("text", seed, source[seed]))


def test_stores_of_teachers_without_a_model_are_given(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the same for every seed, and so are the targets; quantities are kept."""
    asked: list[tuple[str, Path, int]] = []

    def quantify(recipe: Recipe, inputs: Path, checkpoint: Path) -> dict[str, list[float]]:
        asked.append((recipe.name, inputs, int(checkpoint.name.removeprefix("step-"))))
        return {"nats": [0.5, 1.5]}

    imported = experiment.base(tmp_path).model_copy(update={"teachers": {"toy": Teacher()}})
    given = replace(experiment, base=lambda _: imported, quantify=quantify)
    monkeypatch.setattr(cells, "find_experiment", lambda _: given)
    [grouped] = cells.groups(cells.cells_of(given, tmp_path, seeds=(0, 1)))
    assert len(grouped) == 4
    with pytest.raises(StoreError, match="stores/toy"):
        cells.perform("X02", tmp_path, "rows", 0, None)
    answers = [
        Response(e.id, 0, e.question, e.rationale, e.answer, correct=True)
        for e in datasets.load("jsonl", str(imported.train_on.path))
    ]
    write_texts(
        tmp_path / "inputs" / "stores" / "toy", answers,
        teacher="somebody", asked="", sources=(), summary={},
    )  # fmt: skip
    cells.perform("X02", tmp_path, "rows", 0, None)
    [found] = outcomes.gather([grouped[0].run])
    assert found.quantities == {"nats": [0.5, 1.5]}
    assert found.teacher == {"right": 1.0}  # texts have no rows
    assert asked == [("X02 rows", tmp_path / "inputs", 2)]


def test_a_tuned_start_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On other families' questions, up to the checkpoint that the arm begins from."""
    made: list[tuple[int, set[str]]] = []

    def train_from(recipe: Recipe, run: Path, _source: None) -> None:
        asked = {each.task for each in datasets.load("jsonl", str(recipe.train_on.path))}
        made.append((recipe.optimization.steps, asked))
        last = checkpoints.folder(run) / checkpoints.name_of(recipe.optimization.steps)
        last.mkdir(parents=True)

    monkeypatch.setattr(x04_start, "train_from", train_from)
    for _ in range(2):
        x04_start.prepare(tmp_path, 6, 9)
    assert made == [(100, {"farm_step", "depot_step"})]
    tuned = START.recipe(tmp_path, START.arm("tuned"), 0)
    assert Path(tuned.student).is_dir()
    assert {s.label for s in tuned.evaluation.sets} == {"shop", "errands"}
    assert len(datasets.load("jsonl", str(tmp_path / "data" / "errands.test.jsonl"))) == 3


def test_a_flattened_teacher_divides_its_logits(tmp_path: Path) -> None:
    for name in ("teacher", "second_teacher"):
        world.flatten_teacher(MODELS / name, tmp_path / name, 2.0)
        ids = torch.arange(3, 11)[None]
        plain, flat = (
            AutoModelForCausalLM.from_pretrained(folder / name)(input_ids=ids).logits
            for folder in (MODELS, tmp_path)
        )
        torch.testing.assert_close(flat, plain / 2, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"student has none of transformer\.ln_f\.weight"):
        world.flatten_teacher(MODELS / "student", tmp_path / "student", 2.0)
