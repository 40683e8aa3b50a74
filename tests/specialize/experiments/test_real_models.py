"""X11 and X12 on toy models and published files of a few records: what they prepare and measure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from specialize import datasets
from specialize.errors import InputError
from specialize.experiments import x11_real_pair as pair
from specialize.experiments import x12_rationales as rationales
from specialize.experiments.design import Experiment
from specialize.store import Store
from tests.support import teacher_toys as toys


def write_data(folder: Path) -> None:
    """Three problems of each published set, in its own layout."""
    solved = [
        {"question": f"{q} {part}?", "answer": f"{r}\n#### {a}"}
        for part in ("train", "test")
        for q, r, a in toys.RATIONALES[:3]
    ]
    for part, found in (("train", solved[:3]), ("test", solved[3:])):
        path = folder / "gsm8k" / f"{part}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(each)}\n" for each in found))
    svamp = [
        {"ID": f"chal-{i}", "Body": f"Tom has {i} apples", "Question": "How many?", "Answer": i,
         "Equation": "", "Type": ""}
        for i in range(4)
    ]  # fmt: skip
    multiarith = [
        {"iIndex": i, "lSolutions": [i], "sQuestion": f" Ann has {i} eggs. "} for i in range(4)
    ]
    for name, records in (("svamp/SVAMP", svamp), ("multiarith/MultiArith", multiarith)):
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(records))
    choices = {"choices": ["a park", "a tree"], "answer": "a tree"}
    for name, published in rationales.SETS.items():
        own = folder / published.folder
        (own / "llm").mkdir(parents=True)
        for part in ("train", "test"):
            asked = [{"id": f"{part}{i}", "question": f"Where {part} {i}?"} | choices
                     for i in range(16)]  # fmt: skip
            lines = [json.dumps(each) for each in asked]
            text = "\n".join(lines) if name == "cqa" else f"[{','.join(lines)}]"
            (own / f"{name}_{part}.json").write_text(text)
        (own / f"{name}_valid.json").write_text((own / f"{name}_test.json").read_text())
        said = {
            "cqa": "It grows. So the answer is (b) a tree.\n\nQ: And",
            "obqa": "It grows. Thus, the answer is (b) a tree\n\nQ: llama rationale: It is one.",
        }
        texts = [said["cqa" if name == "cqa" else "obqa"]] * 16
        (own / "llm" / "train_CoT_0.json").write_text(json.dumps(texts))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """What the script puts there: models and sets."""
    for name, model in (
        ("teacher", toys.gpt2),
        ("own", toys.gpt2),
        ("t5", toys.llama),
        ("gpt2", toys.gpt2),
    ):
        shutil.copytree(model(), tmp_path / "models" / name)
    shutil.copytree(toys.gpt2(), tmp_path / rationales.STUDENT)
    write_data(tmp_path / "data")
    return tmp_path


@pytest.mark.parametrize("experiment", [pair.REAL_PAIR, rationales.RATIONALES])
def test_what_is_missing_is_named(experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no .+, data.*; run scripts/real_experiments\.sh"):
        experiment.prepare(tmp_path, 2, 1)


def test_the_pair_is_measured_on_held_out_texts(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = replace(pair.SIZE, held_out=2, tokens=20)
    for _ in range(2):  # the second one finds everything
        pair.prepare(size, inputs, 2, 1)
        monkeypatch.setattr(pair, "_write_questions", lambda *_: None)
    short = datasets.load("jsonl", str(inputs / "questions" / "short.test.jsonl"))
    assert [example.answer for example in short] == ["0", "0"]
    store = Store.open(inputs / "stores" / pair.TEACHER)
    assert (store.description.k, len(store)) == (20, 2)
    recipe = pair.base_recipe(size, inputs)
    found = pair.quantify(recipe, inputs, inputs / "models" / "own")
    named = {each.role for each in pair.REAL_PAIR.quantities}
    assert named < found.keys()
    assert {len(values) for values in found.values()} == {2}
    for kind in ("human text", "the teacher's text"):  # the teacher is the student here
        own, teachers = found[f"nats a byte, {kind}"], found[f"the teacher's nats a byte, {kind}"]
        assert own == pytest.approx(teachers)
        assert found[f"KL from the teacher, {kind}"] == pytest.approx([0, 0], abs=1e-3)
    other = pair.quantify(recipe, inputs, inputs / "models" / "t5")
    assert not {role for role in other if "KL" in role or "first choice" in role}


def test_rationales_are_imported_once(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rationales.prepare(inputs, 0, 0)
    refused: Callable[..., None] = lambda *_, **__: pytest.fail("imported again")  # noqa: E731
    monkeypatch.setattr(rationales, "_import", refused)
    rationales.prepare(inputs, 0, 0)
    stores = {path.name: Store.open(path) for path in (inputs / "stores").iterdir()}
    assert stores.keys() == {
        "cqa-palm", "arc-flan-t5", "arc-llama-2", "obqa-flan-t5", "obqa-llama-2"
    }  # fmt: skip
    [response, *_] = next(stores["cqa-palm"].shards()).responses
    assert (response.text, response.correct) == ("It grows.", True)
    experiment = rationales.RATIONALES
    recipe = experiment.recipe(inputs, experiment.arm("obqa two teachers"), 0)
    assert [objective.teacher for objective in recipe.objectives] == [
        None, "obqa-flan-t5", "obqa-llama-2"
    ]  # fmt: skip
    found = rationales.quantify(recipe, inputs, inputs / "models" / "own")
    assert found.keys() == {each.role for each in experiment.quantities}
    assert {len(values) for values in found.values()} == {16}
