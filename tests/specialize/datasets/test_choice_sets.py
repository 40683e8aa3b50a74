"""Sets of choices, sentence pairs and equations: layouts, faults, the published splits."""

from __future__ import annotations

import json
from pathlib import Path

import datasets as library
import pytest

from specialize import datasets
from specialize.answers import is_correct
from specialize.datasets import hub
from specialize.datasets.choices import split_train
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example

PLAIN = {"question": "Predators eat", "choices": ["lions", "bunnies"], "answer": "bunnies"}
LAYOUTS = {
    "plain": PLAIN,
    "release": {
        "question": {
            "stem": "Predators eat",
            "choices": [{"text": "lions", "label": "A"}, {"text": "bunnies", "label": "B"}],
        },
        "answerKey": "B",
    },
    "hub": {
        "question_stem": "Predators eat",
        "choices": {"text": ["lions", "bunnies"], "label": ["1", "2"]},
        "answerKey": "2",
    },
    "piqa": {"goal": "Predators eat", "sol1": "lions", "sol2": "bunnies ", "label": 1},
}


def write(path: Path, records: list[dict[str, object]], *, lines: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records)
    path.write_text(text)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lines", [True, False])
def test_every_layout_is_one_example(tmp_path: Path, layout: str, lines: bool) -> None:
    path = write(tmp_path / "obqa_train.json", [LAYOUTS[layout]], lines=lines)
    (example,) = datasets.load("obqa", path)
    assert example == Example(
        "obqa/train/00000",
        "Predators eat\nAnswer Choices:\n(a) lions\n(b) bunnies",
        "bunnies",
        choices=("lions", "bunnies"),
    )


def test_an_abstract_is_context_and_the_question_is_not(tmp_path: Path) -> None:
    asked = {"question": "Rats ran.\n Mice won. \n Do rats win?", "choices": ["yes", "no"]}
    path = write(tmp_path / "pubmedqa_test.json", [{**asked, "answer": "no"}])
    (example,) = datasets.load("pubmedqa", path)
    assert example.context == "Rats ran.\n Mice won."
    assert example.question == "Do rats win?\nAnswer Choices:\n(a) yes\n(b) no"
    assert example.text == f"{example.context}\n{example.question}"
    hub_row = {
        "question": "Do rats win?", "context": {"contexts": ["Rats ran.", "Mice won."]},
        "final_decision": "no",
    }  # fmt: skip
    (example,) = datasets.load("pubmedqa", write(tmp_path / "hub_test.json", [hub_row]))
    assert (example.context, example.choices) == ("Rats ran.\nMice won.", ("yes", "no", "maybe"))


def test_pairs_and_equations(tmp_path: Path) -> None:
    pair = {"premise": "It rains.", "hypothesis": "It is dry.", "label": 2, "reason": "Wet."}
    (example,) = datasets.load("anli-r1", write(tmp_path / "anli1_test.json", [pair]))
    assert example.question == "Premise: It rains.\nHypothesis: It is dry."
    assert (example.answer, example.rationale) == ("contradiction", "Wet.")
    assert is_correct("contradiction", example.answer, kind="choice", choices=example.choices)
    assert not is_correct("neutral", example.answer, kind="choice", choices=example.choices)
    equation = {"input": "He has 84\nHalf?", "label": "( 84.0 / 2.0 )"}
    (example,) = datasets.load("svamp-equation", write(tmp_path / "svamp_test.json", [equation]))
    kind = datasets.kind_of("svamp-equation")
    assert is_correct("(80 + 4) / 2", example.answer, kind=kind)
    assert not is_correct("84 - 2", example.answer, kind=kind)
    assert not is_correct("__import__('os').getpid()", example.answer, kind=kind)


@pytest.mark.parametrize(
    ("given", "right"),
    [("bunnies", True), ("(b)", True), ("b) bunnies", True), ("Bunnies.", True), ("lions", False),
     ("(a) lions", False), ("The answer is (b) bunnies.", True)],
)  # fmt: skip
def test_choices_are_compared_by_letter_and_by_text(given: str, right: bool) -> None:
    choices = ("lions", "bunnies")
    assert is_correct(given, "bunnies", kind="choice", choices=choices) is right


FAULTS = [
    ("obqa", {**PLAIN, "answer": "grass"}, "the answer 'grass' is none of the choices"),
    ("obqa", {**PLAIN, "choices": "lions"}, "'choices' must be a list of texts"),
    ("obqa", {**PLAIN, "choices": []}, "no choices"),
    ("obqa", {**PLAIN, "question": "  "}, "the question is empty"),
    ("arc", {**LAYOUTS["hub"], "answerKey": "C"}, "answerKey 'C' is none of the labels"),
    ("piqa", {**LAYOUTS["piqa"], "label": -1}, "this split has no answers"),
    ("esnli", {"premise": "a", "hypothesis": "b", "label": 7}, "'label' must be 0, 1, 2 or a word"),
    ("esnli", {"premise": "a", "hypothesis": " ", "label": 0}, "the hypothesis is empty"),
    ("svamp-equation", {"input": "a", "label": ""}, "no label"),
]


@pytest.mark.parametrize(("name", "record", "message"), FAULTS)
def test_faults_are_named(tmp_path: Path, name: str, record: dict, message: str) -> None:
    path = write(tmp_path / "set_train.json", [record])
    with pytest.raises(InputError, match=message) as caught:
        datasets.load(name, path)
    assert f"{path}, line 1" in str(caught.value)


def test_the_held_out_tenth_is_that_of_the_published_code(tmp_path: Path) -> None:
    records = [{**PLAIN, "question": f"Number {i}?"} for i in range(97)]
    write(tmp_path / "cqa_train.json", records)
    train, held_out = (datasets.load("cqa", tmp_path, split=s) for s in ("train", "validation"))
    published = library.Dataset.from_dict({"i": list(range(97))}).train_test_split(0.1, seed=0)
    assert [int(e.id[-5:]) for e in held_out] == sorted(published["test"]["i"])
    assert sorted([e.id for e in train + held_out]) == [f"cqa/train/{i:05d}" for i in range(97)]
    write(tmp_path / "cqa_valid.json", records[:3])  # published after all: taken as it is
    assert len(datasets.load("cqa", tmp_path, split="validation")) == 3
    assert len(datasets.load("cqa", tmp_path, split="train")) == 97


def test_a_directory_wants_a_split(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no split was named"):
        datasets.load("arc", tmp_path)
    with pytest.raises(ConfigurationError, match="there is no split 'dev'"):
        datasets.load("arc", tmp_path, split="dev")
    with pytest.raises(ConfigurationError, match="holds split 'validation' of arc, not 'train'"):
        datasets.load("arc", write(tmp_path / "arc_valid.json", [PLAIN]), split="train")
    with pytest.raises(InputError, match=r"no file .*arc_test\.json"):
        datasets.load("arc", tmp_path, split="test")


def test_sets_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, str]] = []

    def fetch(hub_id: str, config: str | None, split: str) -> list[dict[str, object]]:
        asked.append((hub_id, config, split))
        return [{**PLAIN, "question": f"{split} {i}?"} for i in range(20)]

    monkeypatch.setattr(hub, "_fetch", fetch)
    train, held_out = (datasets.load("cqa", split=split) for split in ("train", "validation"))
    assert asked == [("Salesforce/cos_e", "v1.11", "train")] * 2
    assert (len(train), len(held_out)) == (18, 2)
    assert held_out == split_train(sorted(train + held_out, key=lambda e: e.id), "validation")
    datasets.load("cqa", split="test")
    datasets.load("arc", split="validation")
    assert asked[2:] == [
        ("Salesforce/cos_e", "v1.11", "validation"),
        ("allenai/ai2_arc", "ARC-Challenge", "validation"),
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="split 'test' of set 'piqa' is not on the hub"):
        datasets.load("piqa", split="test")


COUNTS = {
    "cqa": ("step_by_step/cqa", (8766, 975, 1221)),
    "svamp-equation": ("step_by_step/svamp", (720, 80, 200)),
    "anli-r1": ("step_by_step/anli1", (None, 1000, 1000)),
    "obqa": ("tinyllm/obqa", (4957, 500, 500)),
    "arc": ("tinyllm/arc", (1117, 295, 1165)),
    "pubmedqa": ("tinyllm/pubmedqa", (500, 100, 400)),
    "piqa": ("tinyllm/piqa", (None, 919, None)),
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(data_dir: Path, name: str) -> None:
    folder, counts = COUNTS[name]
    for split, count in zip(("train", "validation", "test"), counts, strict=True):
        if count is None:
            continue
        found = datasets.load(name, data_dir / folder, split=split)
        assert len(found) == count
        kind = datasets.kind_of(name)
        for example in found:  # every gold answer is read back as right, by text and by letter
            assert is_correct(example.answer, example.answer, kind=kind, choices=example.choices)
            if example.choices and len(set(example.choices)) == len(example.choices):
                letter = f"({chr(ord('a') + example.choices.index(example.answer))})"
                assert is_correct(letter, example.answer, kind=kind, choices=example.choices)
        if name == "pubmedqa":
            assert all("?" in e.question.split("\nAnswer Choices:")[0] for e in found)
