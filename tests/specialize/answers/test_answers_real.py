"""Answers on the published data: every gold against itself, published accuracies, distinctness."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from specialize import datasets
from specialize.answers import canonical, find_answer, is_correct
from specialize.records import Example

pytestmark = pytest.mark.realdata
TEMPLATES = ("{}", "So the answer is {}.", "#### {}", r"Thus $\boxed{{{}}}$.")


@pytest.fixture(scope="module")
def golds(data_dir: Path) -> dict[str, list[Example]]:
    """Every example of every set, GSM8K train and test apart."""
    sets = {name: datasets.load(name, data_dir / name) for name in ("svamp", "asdiv", "multiarith")}
    sets["bbh"] = datasets.load("bbh", data_dir / "bbh")
    for split in ("train", "test"):
        sets[f"gsm8k {split}"] = datasets.load("gsm8k", data_dir / "gsm8k", split=split)
    return sets


@pytest.mark.parametrize(
    ("name", "count"),
    [("gsm8k train", 7473), ("gsm8k test", 1319), ("svamp", 1000), ("multiarith", 600),
     ("asdiv", 2305)],
)  # fmt: skip
def test_every_gold_is_read_back(golds: dict[str, list[Example]], name: str, count: int) -> None:
    assert len(golds[name]) == count
    for example in golds[name]:
        for template in TEMPLATES:
            text = template.format(example.answer)
            found = find_answer(text, mode="strict")
            assert is_correct(text, example.answer, mode="strict"), example
            assert found is not None, example
            assert is_correct(found, example.answer), example


def test_every_target_of_big_bench_hard_is_read_back(golds: dict[str, list[Example]]) -> None:
    assert len(golds["bbh"]) == 6511
    for example in golds["bbh"]:
        for text in (example.answer, f"First.\nSo the answer is {example.answer}."):
            assert is_correct(text, example.answer, kind="bbh", choices=example.choices), example
            assert is_correct(text, example.answer, kind="bbh", mode="strict"), example


def test_a_worked_solution_is_right(golds: dict[str, list[Example]]) -> None:
    for example in golds["gsm8k test"]:
        assert is_correct(f"{example.rationale}\n#### {example.answer}", example.answer)
        last_line = example.rationale.splitlines()[-1]
        assert is_correct(f"{last_line}\nThe answer is {example.answer}", example.answer)


# golds that are equal as numbers though they are written differently
SAME_NUMBERS = {
    "asdiv": [{"1", "1st"}, {"6", "6th"}, {"2.5", "5/2"}, {"65", "65.0"}],
}


@pytest.mark.parametrize("name", ["gsm8k train", "gsm8k test", "svamp", "multiarith", "asdiv"])
def test_different_golds_differ(golds: dict[str, list[Example]], name: str) -> None:
    written: dict[str, set[str]] = {}
    for example in golds[name]:
        bare = re.sub(r"\s*\([^()]*[A-Za-z][^()]*\)", "", example.answer).replace(",", "")
        written.setdefault(canonical(example.answer), set()).add(bare)
    merged = [texts for texts in written.values() if len(texts) > 1]
    assert sorted(map(sorted, merged)) == sorted(map(sorted, SAME_NUMBERS.get(name, [])))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gsm8k train", "gsm8k test", "svamp", "multiarith", "asdiv"])
def test_no_two_golds_are_called_equal(golds: dict[str, list[Example]], name: str) -> None:
    one_each = {canonical(example.answer): example.answer for example in golds[name]}
    for key, answer in one_each.items():
        for other_key, other in one_each.items():
            if key != other_key:
                assert not is_correct(f"The answer is {answer}.", other), (answer, other)


def test_different_targets_of_a_task_differ(golds: dict[str, list[Example]]) -> None:
    by_task: dict[str, set[str]] = {}
    for example in golds["bbh"]:
        by_task.setdefault(example.task, set()).add(example.answer)
    for task, targets in by_task.items():
        few = sorted(targets)[:60]
        for given in few:
            for gold in few:
                right = is_correct(f"So the answer is {given}.", gold, kind="bbh")
                assert right == (given == gold), (task, given, gold)


@pytest.mark.parametrize(
    ("task", "accuracy"),
    [("boolean_expressions", 92.8), ("multistep_arithmetic_two", 47.6), ("object_counting", 93.2)],
)
def test_published_codex_accuracies(data_dir: Path, task: str, accuracy: float) -> None:
    path = data_dir / "bbh" / "codex_outputs" / f"{task}_few_shot_template_0-255000.json"
    outputs = json.loads(path.read_text())["outputs"]
    assert len(outputs) == 250
    for mode in ("strict", "flexible"):
        right = sum(
            is_correct(output["prediction"], output["target"], kind="bbh", mode=mode)
            for output in outputs
        )
        assert 100 * right / len(outputs) == pytest.approx(accuracy)


def test_published_solutions_are_graded_as_published(data_dir: Path) -> None:
    path = data_dir / "gsm8k" / "example_model_solutions.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    models = ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"]
    unanswered = 0
    for record in records:
        for model in models:
            solution = record[model]["solution"]
            unanswered += find_answer(solution, mode="strict") is None
            right = is_correct(solution, record["ground_truth"], mode="strict")
            assert right == record[model]["is_correct"], (model, solution)
    assert len(records) == 1319
    assert unanswered == 10  # of 5,276; all ten were cut off before an answer
