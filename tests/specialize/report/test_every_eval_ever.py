"""The export in Every Eval Ever's schema: every field it requires, none it does not know."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize.artifacts.predictions import PredictionFile, write_questions
from specialize.artifacts.scores import Accuracy, CheckpointScore, read_scores, write_scores
from specialize.cli.stages import cli
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import record_recipe
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example, Message
from specialize.report.every_eval_ever import Publisher, export_evaluation
from tests.support.report_toys import toy_recipe, write_toy_run

# What the schema 0.3.0 has: a name with a mark is required, a mapping goes deeper, {} takes any
# name with a text. Types: text, number, whole, truth, or the values that are allowed.
DETAILS: Mapping[str, object] = {}
AGGREGATE: Mapping[str, object] = {
    "schema_version!": "text", "evaluation_id!": "text", "evaluation_timestamp": "text",
    "retrieved_timestamp!": "text",
    "source_metadata!": {
        "source_name": "text", "source_type!": ("documentation", "evaluation_run"),
        "source_organization_name!": "text",
        "evaluator_relationship!": ("first_party", "third_party", "collaborative", "other"),
    },
    "eval_library!": {"name!": "text", "version!": "text"},
    "model_info!": {
        "name!": "text", "id!": "text", "developer": "text", "additional_details!": DETAILS,
    },
    "evaluation_results!": [{
        "evaluation_result_id": "text", "evaluation_name!": "text",
        "source_data!": {
            "dataset_name!": "text", "source_type!": ("other",), "additional_details": DETAILS,
        },
        "metric_config!": {
            "metric_id": "text", "metric_name": "text", "metric_kind": "text",
            "metric_unit": "text", "metric_parameters": DETAILS, "lower_is_better!": "truth",
            "score_type!": ("continuous",), "min_score!": "number", "max_score!": "number",
        },
        "score_details!": {
            "score!": "number",
            "uncertainty": {
                "num_samples": "whole",
                "confidence_interval": {
                    "lower!": "number", "upper!": "number", "confidence_level": "number",
                    "method": "text",
                },
            },
        },
        "generation_config": {
            "generation_args": {
                "temperature": "number", "max_tokens": "whole", "reasoning": "truth",
            },
            "additional_details": DETAILS,
        },
    }],
    "detailed_evaluation_results": {
        "format!": ("jsonl",), "file_path!": "text", "hash_algorithm": ("sha256", "md5"),
        "checksum": "text", "total_rows": "whole",
    },
}  # fmt: skip
ATTRIBUTION = {"turn_idx!": "whole", "source!": "text", "extracted_value!": "text",
               "extraction_method!": "text", "is_terminal!": "truth"}  # fmt: skip
ROW: Mapping[str, object] = {
    "schema_version!": "text", "evaluation_id!": "text", "model_id!": "text",
    "evaluation_name!": "text", "evaluation_result_id": "text", "sample_id!": "text",
    "sample_hash": "text", "interaction_type!": ("single_turn", "multi_turn"),
    "input!": {"raw!": "text", "reference!": ["text"], "choices": ["text"]},
    "output": {"raw!": ["text"]},
    "messages": [{"turn_idx!": "whole", "role!": "text", "content": "text"}],
    "answer_attribution!": [ATTRIBUTION],
    "evaluation!": {"score!": "number", "is_correct!": "truth", "num_turns": "whole"},
    "metadata": DETAILS,
}  # fmt: skip
TYPES = {"text": str, "number": (int, float), "whole": int, "truth": bool}
PATH = re.compile(
    r"data/[^/]+/[^/]+/[^/]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    r"_samples\.jsonl"
)


def check(value: object, schema: object, where: str = "") -> None:
    """Hold a value against a description as those above."""
    if isinstance(schema, str):
        assert isinstance(value, TYPES[schema]), where
        assert (schema == "truth") == isinstance(value, bool), where
    elif isinstance(schema, tuple):
        assert value in schema, where
    elif isinstance(schema, list):
        assert isinstance(value, list), where
        for each in value:
            check(each, schema[0], f"{where}[]")
    elif schema is DETAILS:
        assert isinstance(value, dict), where
        assert all(isinstance(each, str) for each in value.values()), where
    else:
        assert isinstance(value, dict), where
        assert isinstance(schema, Mapping)
        names = {name.rstrip("!"): each for name, each in schema.items()}
        assert not value.keys() - names.keys(), where
        for name in schema:
            assert not name.endswith("!") or name[:-1] in value, f"{where}.{name}"
        for name, each in value.items():
            if each is not None:
                check(each, names[name], f"{where}.{name}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A run with two sets scored on test, one of them in tasks and one in chats."""
    recipe, run = toy_recipe(("shop", "farm")), tmp_path_factory.mktemp("made") / "toy run"
    run.mkdir()
    write_toy_run(run, recipe, count=30, steps=(0, 10, 20))
    record_recipe(recipe, run)
    scores = [
        _with_tasks(run, s) if s.set == "farm" else s for s in read_scores(run / "scores.jsonl")
    ]
    write_scores(run / "scores.jsonl", scores)
    chats = [
        Example(f"shop/test/{i:05d}", "And now?", "1", choices=("1", "2"),
                earlier=(Message("user", "Add."), Message("assistant", "1 + 0 = 1")))
        for i in range(30)
    ]  # fmt: skip
    write_questions(run, "shop", "test", chats)
    return recipe, run


def _with_tasks(run: Path, score: CheckpointScore) -> CheckpointScore:
    file = PredictionFile.of(run, score.checkpoint, score.set, score.split, score.format)
    halves = [replace(p, task="odd" if i % 2 else "even") for i, p in enumerate(file.read())]
    file.replace(halves)
    right = {task: sum(p.correct for p in halves if p.task == task) for task in ("even", "odd")}
    return replace(score, by_task={task: Accuracy(n, 15) for task, n in right.items()})


def read(out: Path) -> dict[str, tuple[dict, list[dict]]]:
    """Aggregate and rows by the model's id."""
    found = {}
    for path in sorted(out.rglob("*.json")):
        log = json.loads(path.read_text())
        samples = out / log["detailed_evaluation_results"]["file_path"]
        assert samples == path.with_name(f"{path.stem}_samples.jsonl")
        rows = [json.loads(line) for line in samples.read_text().splitlines()]
        found[log["model_info"]["id"]] = (log, rows)
    return found


def test_every_file_has_the_form_and_fits_the_other(
    made: tuple[Recipe, Path], tmp_path: Path
) -> None:
    recipe, run = made
    publisher = Publisher("a lab", "a-lab/toy-1")
    said = export_evaluation(recipe, run, tmp_path, publisher)
    found = read(tmp_path)
    assert said["models"] == ["models/student", "a-lab/toy-1", "models/teacher"]
    assert sorted(found) == sorted(said["models"])
    assert (said["split"], said["results"], said["answers"]) == ("test", 12, 180)
    for model, (log, rows) in found.items():
        check(log, AGGREGATE)
        details = log["detailed_evaluation_results"]
        assert PATH.fullmatch(details["file_path"])
        content = (tmp_path / details["file_path"]).read_bytes()
        assert details["checksum"] == hashlib.sha256(content).hexdigest()
        assert details["total_rows"] == len(rows) == 60
        linked = {result["evaluation_result_id"] for result in log["evaluation_results"]}
        for row in rows:
            check(row, ROW)
            assert (row["evaluation_id"], row["model_id"]) == (log["evaluation_id"], model)
            assert row["evaluation_result_id"] in linked
            assert ("output" in row and row["output"] is not None) == (
                row["interaction_type"] == "single_turn"
            )
    first, second = (tmp_path / f"again{i}" for i in range(2))
    for out in (first, second):
        export_evaluation(recipe, run, out, publisher)
    names = [{path.relative_to(out) for path in out.rglob("*.json*")} for out in (first, second)]
    assert names[0] == names[1]
    assert all(uuid.UUID(path.stem[:36]).version == 4 for path in names[0])


def test_the_reader_finds_what_is_missing_or_unknown(
    made: tuple[Recipe, Path], tmp_path: Path
) -> None:
    export_evaluation(*made, tmp_path, Publisher())
    log, rows = next(iter(read(tmp_path).values()))
    for value, schema in ((log, AGGREGATE), (rows[0], ROW)):
        broken = [value | {"unknown": "x"}, value | {"schema_version": 3}]
        broken += [
            {key: each for key, each in value.items() if key != name.rstrip("!")}
            for name in schema if name.endswith("!")
        ]  # fmt: skip
        for each in broken:
            with pytest.raises(AssertionError):
                check(each, schema)


def test_scores_and_answers_are_those_of_the_run(made: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, run = made
    export_evaluation(recipe, run, tmp_path, Publisher(model="a-lab/toy-1"))
    log, rows = read(tmp_path)["a-lab/toy-1"]
    chosen = log["model_info"]["additional_details"]["evaluated_as"]
    scores = {s.set: s for s in read_scores(run / "scores.jsonl")
              if (s.checkpoint, s.split) == (chosen, "test")}  # fmt: skip
    results = {each["evaluation_name"]: each for each in log["evaluation_results"]}
    assert set(results) == {"shop", "farm", "farm.even", "farm.odd"}
    shop = results["shop"]["score_details"]
    low, high = scores["shop"].accuracy.interval()
    assert shop["score"] == scores["shop"].accuracy.value
    interval = shop["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"]) == (low, high)
    assert results["farm"]["score_details"]["score"] == scores["farm"].macro_average
    assert results["farm"]["metric_config"]["metric_parameters"] == {"average": "macro"}
    for name in ("shop", "farm.even", "farm.odd"):
        linked = [row for row in rows if row["evaluation_name"] == name]
        mean = sum(row["evaluation"]["score"] for row in linked) / len(linked)
        assert mean == pytest.approx(results[name]["score_details"]["score"])
    chat = next(row for row in rows if row["evaluation_name"] == "shop")
    assert [m["role"] for m in chat["messages"]] == ["user", "assistant", "user", "assistant"]
    assert chat["evaluation"]["num_turns"] == 4
    plain = next(row for row in rows if row["evaluation_name"] == "farm.odd")
    asked = {"raw": plain["input"]["raw"], "reference": plain["input"]["reference"]}
    packed = json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()
    assert plain["sample_hash"] == hashlib.sha256(packed).hexdigest()
    assert plain["input"]["raw"].startswith("A shop sells boxes of")


def test_on_validation_every_checkpoint_has_a_name(
    made: tuple[Recipe, Path], tmp_path: Path
) -> None:
    recipe, run = made
    said = export_evaluation(recipe, run, tmp_path, Publisher(), split="validation")
    assert said["models"] == [
        "models/student", "local/toy run-step-000010", "local/toy run-step-000020"
    ]  # fmt: skip


def test_a_model_without_a_run_keeps_its_name(made: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, run = made
    teacher = recipe.model_copy(update={"student": "some-lab/teacher-big"})
    said = export_evaluation(teacher, run, tmp_path, Publisher(model="a-lab/toy-1"))
    assert said["models"][2] == "some-lab/teacher-big"


def test_the_command_and_what_it_refuses(made: tuple[Recipe, Path], tmp_path: Path) -> None:
    _, run = made
    call = ["export", str(run), str(tmp_path), "--format"]
    done = CliRunner().invoke(cli, [*call, "every-eval-ever", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["models"][1].startswith("local/toy run-step-0000")
    done = CliRunner().invoke(cli, [*call, "jsonl", "--model", "a/b"])
    assert "--model and --organization go with --format every-eval-ever" in done.output
    with pytest.raises(ConfigurationError, match="named DEVELOPER/NAME, got 'toy'"):
        Publisher(model="toy")
    with pytest.raises(InputError, match=r"scores\.jsonl: No such file"):
        export_evaluation(toy_recipe(), tmp_path / "none", tmp_path, Publisher())


def test_a_score_without_its_answers_is_refused(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop",), selection="in-distribution")
    write_toy_run(tmp_path, recipe, count=5, steps=(0, 10), test=False)
    with pytest.raises(InputError, match="has no scores of the test split; evaluate first"):
        export_evaluation(recipe, tmp_path, tmp_path / "out", Publisher(), split="test")
    PredictionFile.of(tmp_path, "step-000010", "shop", "validation", "zero-shot-cot").remove()
    with pytest.raises(InputError, match=r"has a score of step-000010 on shop \(validation\), but"):
        export_evaluation(recipe, tmp_path, tmp_path / "out", Publisher())
