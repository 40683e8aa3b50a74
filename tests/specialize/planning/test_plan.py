"""The plan of a recipe: what is counted is what the run does, and nothing asks the network."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path

import pytest

from specialize.cli.json_schemas import schema
from specialize.config.recipe import Recipe
from specialize.datasets.recipe_sets import training_examples
from specialize.errors import ConfigurationError, InputError
from specialize.evaluate.planning import EvaluationPlan
from specialize.planning.assumed import parameters_of
from specialize.planning.counting import count
from specialize.planning.figures import Divided, Figures, Rate, TeacherFigures, read_figures
from specialize.planning.short_runs import Size, short
from specialize.planning.stage import announced, make_pilot, plan, speed_digest
from specialize.planning.table import table
from specialize.planning.texts import Texts
from specialize.quickstart.run import MODELS
from specialize.recipes import find_recipe
from tests.support import toys
from tests.support.commands import specialize


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("plan")
    toys.write_world(folder, count=12)
    teacher = {"model": str(MODELS / "teacher"), "samples": 3, "max_new_tokens": 8}
    objectives = [
        {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "toy",
         "keep": "all"},
        {"name": "answer", "format": "zero-shot-answer", "target": "answer"},
    ]  # fmt: skip
    changes: dict[str, object] = {"teachers": {"toy": teacher}, "objectives": objectives}
    changes["evaluation"] = {"max_new_tokens": 4}
    return toys.toy_recipe(folder, **changes)  # type: ignore[arg-type]


def test_counts_are_those_of_the_run(world: Recipe) -> None:
    counted, training = count(world), training_examples(world)
    assert (counted.questions, counted.dropped) == (len(training.questions), training.dropped)
    assert counted.teachers["toy"].responses == 3 * len(training.questions)
    asked = EvaluationPlan(world).of("validation")[0]
    (found,) = [each for each in counted.sets if each.split == "validation"]
    assert (found.examples, found.key) == (len(asked.examples), "toy/zero-shot-cot")
    tokens = Texts(world.student).mean(asked.prompts)
    assert found.prompt_tokens == tokens > 0
    assert not counted.notes


def test_every_checkpoint_answers_and_the_teacher_on_test(world: Recipe) -> None:
    stages = {each.stage: each for each in plan(world, None).stages}
    asked = len(EvaluationPlan(world).of("validation")[0].examples)
    assert stages["evaluate"].items == 4 * asked  # steps 0, 3, 6 and 8
    assert stages["test"].items == 3 * len(EvaluationPlan(world).of("test")[0].examples)
    assert stages["train"].items == 8
    assert stages["dump toy"].tokens <= 8 * stages["dump toy"].items


def test_measured_lengths_take_the_place_of_assumed_ones(world: Recipe) -> None:
    own = Figures(
        teachers={"toy": TeacherFigures(response_tokens=5, rate=Rate(per_second=10))},
        rows_per_question={"cot": 0.5, "answer": 1}, row_tokens=7,
    )  # fmt: skip
    made = {each.stage: each for each in plan(world, own).stages}
    questions = len(training_examples(world).questions)
    assert made["dump toy"].tokens == 3 * questions * 5
    assert made["dump toy"].seconds == pytest.approx(3 * questions * 5 / 10, abs=1e-3)
    assert (made["dump toy"].speed, made["train"].speed) == ("given", "assumed")
    assert made["rows"].items == round(0.5 * 3 * questions + questions)
    assert made["rows"].tokens == made["rows"].items * 7


def test_answers_are_divided_as_responses_are(world: Recipe) -> None:
    own = Figures(evaluate=Rate(seconds=1))
    one, two = (plan(world, own.model_copy(update={"devices": n}), workers=2) for n in (1, 2))
    seconds = [{each.stage: each.seconds or 0.0 for each in made.stages} for made in (one, two)]
    for name, split in (("evaluate", "validation"), ("test", "test")):
        asked = len(EvaluationPlan(world).of(split)[0].examples)
        share = -(-asked // 2) / asked
        assert seconds[1][name] == pytest.approx(seconds[0][name] * share)
    assert seconds[1]["train"] == seconds[0]["train"]
    assert [each.stage for each in one.cluster] == ["dump toy", "align toy", "evaluate", "test"]


def test_no_network_for_what_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    made = plan(find_recipe(Path("specialization")), None)
    rows = {each.stage: each for each in made.stages}
    assert made.questions == 7473
    assert rows["align codex"].items == 7473 * 40
    assert rows["train"].seconds > 3600  # type: ignore[operator]
    assert any("4 bytes of text" in note for note in made.notes)
    assert any("assumed speed" in note for note in made.notes)


def test_a_set_of_unknown_size() -> None:
    recipe = find_recipe(Path("specialization"), ["train_on.set=piqa"])
    with pytest.raises(ConfigurationError, match="size of set 'piqa' is not known"):
        count(recipe)


def test_sizes_of_models(tmp_path: Path) -> None:
    assert parameters_of("org/SmolLM2-360M-Instruct") == 360e6
    assert parameters_of("google/flan-t5-base") == 248e6
    assert parameters_of("mine") is None
    assert parameters_of(None) is None
    here = parameters_of(str(MODELS / "teacher"))
    assert here is not None
    assert 1e5 < here < 1e7
    (tmp_path / "model.safetensors").write_bytes(b"no header")
    assert parameters_of(str(tmp_path)) is None


def test_the_table_reads_at_80_columns(world: Recipe) -> None:
    own = Figures(price_per_device_hour=2e6)
    for text in (table(plan(world, own)), table(plan(find_recipe(Path("specialization")), None))):
        assert max(map(len, text.splitlines())) <= 80, text
    assert "limits" in text
    assert "money" in table(plan(world, own))


def test_figures_of_others_are_named(world: Recipe) -> None:
    own = Figures(recipe="another", machine="elsewhere")
    notes = " ".join(plan(world, own).notes)
    assert "of another recipe" in notes
    assert "of another machine: elsewhere" in notes
    assert "not used" not in notes
    strange = Figures(teachers={"tiny": {}, "toy": {}}, rows_per_question={"cto": 1})
    assert "figures of cto, tiny" in " ".join(plan(world, strange).notes)


def test_a_start_that_was_not_measured_is_noted(world: Recipe) -> None:
    rate = Rate(seconds=1)
    own = Figures(recipe=speed_digest(world), evaluate=rate)
    note = "what processes take to start was not measured; --pilot --processes 2 does"
    assert note in plan(world, own, processes=2).notes
    assert note not in plan(world, own).notes
    divided = Divided(processes=2, seconds=1, processor_seconds=2)
    known = own.model_copy(update={"evaluate": rate.model_copy(update={"divided": divided})})
    assert note not in plan(world, known, processes=2).notes


def test_size_does_not_change_the_digest_but_speed_does(world: Recipe) -> None:
    assert speed_digest(short(world, Size())) == speed_digest(world)
    for size in ({"steps": 90}, {}):
        larger = world.model_copy(
            update={"optimization": world.optimization.model_copy(update=size), "seed": 3}
        )
        assert speed_digest(larger) == speed_digest(world)
    other = world.model_copy(update={"alignment": world.alignment.model_copy(update={"top_k": 9})})
    assert speed_digest(other) != speed_digest(world)


def test_a_short_run_is_a_part_of_the_run(world: Recipe) -> None:
    few = short(world, Size())
    inside = {example.id for example in training_examples(world).questions}
    asked = training_examples(few).questions
    assert {example.id for example in asked} <= inside
    assert few.optimization.steps == few.training.checkpoint_every == 4
    assert few.evaluation.sets[0].limit == 4
    assert few.rounds is None
    longer = short(world, Size(16, 16, 16))
    assert longer.optimization.steps == world.optimization.steps


def test_what_a_pilot_says_and_refuses(world: Recipe, tmp_path: Path) -> None:
    served = {"model": "m", "server": {"kind": "vllm", "urls": ["http://h:1"]}}
    asked = toys.toy_recipe(Path("w"), teachers={"toy": served})
    prices = {"toy": TeacherFigures(price_per_million_output_tokens=10)}
    said = announced(asked, 20, Figures(teachers=prices))
    assert "at most 576 responses, 147,456 tokens, 1.47 of money" in said[1]
    assert "processes" not in said[0]
    said = announced(asked, 20, Figures(teachers=prices), 4)
    assert "as at first in 4 processes" in said[0]
    assert "at most 608 responses" in said[1]
    imported = world.model_copy(update={"teachers": {"toy": world.teachers["toy"].model_copy(
        update={"model": None})}})  # fmt: skip
    with pytest.raises(ConfigurationError, match="'toy' has no model: it was imported"):
        make_pilot(imported, tmp_path / "f.yaml", seconds=1)


def test_a_run_without_times(world: Recipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no times of its stages"):
        plan(world, None, against=tmp_path)


def test_the_schema_is_that_of_the_plan(world: Recipe) -> None:
    made = asdict(plan(world, None))
    described = schema("plan")
    assert made.keys() == described["properties"].keys()  # type: ignore[union-attr]
    stage = described["$defs"]["PlannedStage"]["properties"]  # type: ignore[index,call-overload]
    assert made["stages"][0].keys() == stage.keys()  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_pilot_then_a_run_beside_its_forecast(world: Recipe, tmp_path: Path) -> None:
    """The command, whole: the pilot's file serves the second call, and the run is held against."""
    (tmp_path / "toy.yaml").write_text(world.to_yaml())
    words = ("plan", "toy.yaml", "--processes", "2", "--json")
    done = specialize(tmp_path, *words, "--pilot", "--pilot-seconds", "0.1")
    assert done.returncode == 0, done.stderr
    assert "pilot: twice 32 responses" in done.stderr
    assert "as at first in 2 processes" in done.stderr
    figures = read_figures(tmp_path / "toy.figures.yaml")
    for rate in (figures.teachers["toy"].rate, figures.align, figures.evaluate, figures.train):
        assert rate is not None
        assert rate.divided is not None
        assert rate.divided.processes == 2
        assert rate.divided.processor_seconds > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.figures.yaml", "toy.yaml"]
    first = json.loads(done.stdout)
    assert {each["speed"] for each in first["stages"]} == {"measured"}
    again = json.loads(specialize(tmp_path, *words).stdout)
    assert again["stages"] == first["stages"]
    assert not any("not measured" in note for note in again["notes"])
    assert specialize(tmp_path, "run", "toy.yaml", "--out", "run").returncode == 0
    text = specialize(tmp_path, "plan", "toy.yaml", "--against", "run").stdout
    assert "took" in text
    assert "another recipe" not in text
    other = specialize(tmp_path, "plan", "toy.yaml", "--against", "run", "--set", "seed=7").stdout
    assert "run is a run of another recipe" in " ".join(other.split())
    assert all(len(line) <= 80 for line in text.splitlines()), text
