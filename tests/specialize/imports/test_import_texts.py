"""Imports of the PaLM and the TinyLLM texts: what is read, counted and refused; the real files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize import datasets
from specialize.answers import Kind
from specialize.cli.stages import cli
from specialize.errors import InputError
from specialize.imports.palm import batch_files, import_palm, read_texts
from specialize.imports.tinyllm import import_tinyllm, split_halves
from specialize.records import Example
from specialize.store import Store, verify
from specialize.targets.stage import write_targets
from tests.support import toys

CHOICES = ("a marsh", "a tundra")
ASKED = [Example(f"obqa/train/{i}", f"Fog {i}?", "a marsh", choices=CHOICES) for i in range(4)]
PALM = [
    "Wet. So the answer is (a) a marsh.\n\nQ: Next?",
    "Cold. So the answer is (b) a tundra.",
    "Both. So the answer is either (a) a marsh or (b) a tundra.",
    "It is cut here before",
]
GLUED = [
    "Wet. Thus, the answer is (a) a marsh\n\nQ: Fog? llama rationale: A marsh. Wet.",
    "Wet. Thus, the answer is (a) a marsh\n\nQ: Fog? llama rationale: The answer is (b) a tundra.",
    "Wet. Thus, the answer is (a) a marsh\n\nQ: Fog?",
    "Wet. Thus, the answer is (a) a marsh\n\nQ: Fog? llama rationale:  ",
]


def batches(folder: Path, *parts: list[str], split: str = "train") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        (folder / f"{split}_CoT_{number}.json").write_text(json.dumps(part))
    return folder


def test_palm_accounts_for_every_record(tmp_path: Path) -> None:
    source = batches(tmp_path / "llm", PALM[:3], PALM[3:])
    found = import_palm(source, tmp_path / "out", examples=ASKED, kind="choice", split="train")
    assert (found["records"], found["right"], found["wrong"]) == (4, 1, 1)
    assert found["unparsed"] == {"names several choices": 1, "no answer announced": 1}
    assert found["unparsed_ids"]["names several choices"] == ["obqa/train/2"]
    assert found["accuracy"] == 0.25
    assert found["records"] == sum(found["faults"].values())
    store = Store.open(tmp_path / "out")
    assert verify(tmp_path / "out").ok
    responses = [sample.response for sample in store]
    assert [(r.text, r.answer, r.correct) for r in responses] == [
        ("Wet.", "a marsh", True), ("Cold.", "a tundra", False), ("Both.", None, False),
        ("It is cut here before", None, False),
    ]  # fmt: skip
    again = import_palm(source, tmp_path / "out", examples=ASKED, kind="choice", split="train")
    assert again == found


def test_texts_become_hard_targets(tmp_path: Path) -> None:
    source = batches(tmp_path / "llm", PALM)
    import_palm(source, tmp_path / "out", examples=ASKED, kind="choice", split="train")
    tokenizer = toys.write_tokenizer(tmp_path / "student")
    summary = write_targets(tmp_path / "out", tmp_path / "to", student=str(tmp_path / "student"))
    assert (summary["samples"], summary["soft_share"]) == (4, 0)
    sample = Store.open(tmp_path / "to")["obqa/train/0", 0]
    assert sample.token_id.tolist() == tokenizer.encode("Wet.", eos=True)
    assert sample.distributions.is_hard.all()
    assert sample.distributions.ids.tolist() == sample.token_id.tolist()


def test_two_teachers_are_separated(tmp_path: Path) -> None:
    source = batches(tmp_path / "llm", GLUED)
    found = import_tinyllm(source, tmp_path / "out", examples=ASKED, kind="choice", split="train")
    assert found["flan-t5"]["announced"] == {"right": 4}
    assert found["llama-2"]["announced"] == {"no answer announced": 1}
    assert found["llama-2"]["absent"] == 3  # one is an answer without a rationale, two say nothing
    (only,) = [sample.response for sample in Store.open(tmp_path / "out" / "llama-2")]
    assert (only.text, only.answer, only.correct) == ("A marsh. Wet.", "a marsh", True)


def test_a_teacher_without_any_text_has_an_empty_store(tmp_path: Path) -> None:
    source = batches(tmp_path / "llm", [GLUED[2]] * 4)
    found = import_tinyllm(source, tmp_path / "out", examples=ASKED, kind="choice", split="train")
    assert found["llama-2"] == {"rationales": 0, "absent": 4, "announced": {}, "faults": {}}
    toys.write_tokenizer(tmp_path / "student")
    summary = write_targets(
        tmp_path / "out" / "llama-2", tmp_path / "to", student=str(tmp_path / "student")
    )
    assert summary["samples"] == 0
    assert len(Store.open(tmp_path / "to")) == 0


def test_the_marker_parts_the_halves() -> None:
    assert split_halves("A. Thus\n\nQ: x llama rationale: B") == ("A. Thus", "B")
    assert split_halves("A.") == ("A.", None)


def test_sources_that_are_refused(tmp_path: Path) -> None:
    def load(source: Path) -> None:
        import_palm(source, tmp_path / "out", examples=ASKED, kind="choice", split="train")

    with pytest.raises(InputError, match=r"holds no train_CoT_0\.json"):
        load(tmp_path)
    with pytest.raises(InputError, match="holds 3 texts of split 'train', but the set has 4"):
        load(batches(tmp_path / "few", PALM[:3]))
    gap = batches(tmp_path / "gap", PALM[:2], PALM[2:3], PALM[3:])
    (gap / "train_CoT_1.json").unlink()
    with pytest.raises(InputError, match=r"lacks train_CoT_1\.json"):
        load(gap)
    wrong = batches(tmp_path / "wrong", PALM)
    (wrong / "train_CoT_0.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="is not a JSON list of texts"):
        load(wrong)


def test_the_commands(tmp_path: Path) -> None:
    path = tmp_path / "obqa_train.json"
    records = [{"question": f"Fog {i}?", "choices": CHOICES, "answer": "a marsh"} for i in range(4)]
    path.write_text(json.dumps(records))
    for kind, texts in (("palm", PALM), ("tinyllm", GLUED)):
        source = batches(tmp_path / kind, texts)
        command = ["import", kind, str(source), str(tmp_path / f"{kind}-out"), "--data", "obqa"]
        done = CliRunner().invoke(cli, [*command, "--path", str(path), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["records"] == 4
    assert Store.open(tmp_path / "palm-out")["obqa/train/00000", 0].response.text == "Wet."
    assert len(Store.open(tmp_path / "tinyllm-out" / "flan-t5")) == 4


REAL_PALM = {  # set, file, split -> records, right, unparsed
    ("cqa", "cqa", "train"): (9741, 7345, 288),
    ("cqa", "cqa", "test"): (1221, 958, 26),
    ("svamp-equation", "svamp", "train"): (800, 594, 33),
    ("svamp-equation", "svamp", "test"): (200, 155, 7),
    ("anli-r1", "anli1", "valid"): (1000, 675, 1),
    ("anli-r1", "anli1", "test"): (1000, 664, 0),
}


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "stem", "split"), REAL_PALM)
def test_palm_on_the_published_files(
    data_dir: Path, tmp_path: Path, name: str, stem: str, split: str
) -> None:
    folder = data_dir / "step_by_step" / stem
    examples = datasets.load(name, folder / f"{stem}_{split}.json")
    kind, out = datasets.kind_of(name), tmp_path / "out"
    found = import_palm(folder / "llm", out, examples=examples, kind=kind, split=split)
    unparsed = sum(found["unparsed"].values())
    assert (found["records"], found["right"], unparsed) == REAL_PALM[name, stem, split]
    assert found["right"] + found["wrong"] + unparsed == found["records"]


REAL_TINYLLM = {  # set, split -> records, second teacher's rationales
    ("obqa", "train"): (4957, 4952), ("obqa", "valid"): (500, 499), ("obqa", "test"): (500, 500),
    ("arc", "train"): (1117, 1117), ("arc", "valid"): (295, 295), ("arc", "test"): (1165, 1164),
    ("pubmedqa", "train"): (500, 500), ("pubmedqa", "valid"): (100, 100),
    ("pubmedqa", "test"): (400, 399), ("piqa", "valid"): (919, 0),
}  # fmt: skip


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "split"), REAL_TINYLLM)
def test_tinyllm_on_the_published_files(
    data_dir: Path, tmp_path: Path, name: str, split: str
) -> None:
    folder, kind = data_dir / "tinyllm" / name, "choice"
    examples = datasets.load(name, folder / f"{name}_{split}.json")
    answers: Kind = kind
    found = import_tinyllm(
        folder / "llm", tmp_path / "out", examples=examples, kind=answers, split=split
    )
    first, second = found["flan-t5"], found["llama-2"]
    assert (found["records"], second["rationales"]) == REAL_TINYLLM[name, split]
    assert first["rationales"] == found["records"]  # the first teacher wrote one for each
    agreement = first["announced"]["right"] / first["rationales"]
    assert agreement > 0.999
    for teacher in (first, second):
        assert teacher["rationales"] + teacher["absent"] == found["records"]
        assert sum(teacher["faults"].values()) == teacher["rationales"]
        assert sum(teacher["announced"].values()) == teacher["rationales"]


@pytest.mark.realdata
def test_two_other_readings_of_cqa_and_why_they_differ(data_dir: Path) -> None:
    """943 wants the very text; 969 takes the last letter, also of "either (a) or (c)"."""
    folder = data_dir / "step_by_step" / "cqa"
    examples = datasets.load("cqa", folder / "cqa_test.json")
    texts = [text for path in batch_files(folder / "llm", "test") for text in read_texts(path)]
    same_text = last_letter = several = several_with_gold = 0
    for text, example in zip(texts, examples, strict=True):
        own = text.split("\n\nQ:")[0]
        first = re.split(r"[Ss]o the answer is ", own, maxsplit=1)[-1].strip().rstrip(".")
        said = re.findall(r"answer is (.*)", own)[-1].strip().rstrip(".")
        letters = re.findall(r"\(([a-e])\)", said)
        named = [example.choices["abcde".index(letter)] for letter in letters]
        same_text += re.sub(r"^\([a-e]\)\s*", "", first) == example.answer
        last_letter += bool(named) and named[-1] == example.answer
        several += len(set(letters)) > 1
        several_with_gold += len(set(letters)) > 1 and example.answer in named
    assert (same_text, last_letter, several, several_with_gold) == (943, 969, 25, 22)
