"""Mode ``rationale``: what is asked, what is kept of the text, how it is judged and counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError
from specialize.records import Example
from specialize.store import Store
from specialize.teacher.asks import build_asks
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Finish
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys
from tests.support.scripted_teacher import ScriptedTeacher

CHOICES = ("a marsh", "a tundra")
ASKED = [
    Example(f"obqa/train/{i}", f"Fog {i}?", "a marsh", f"Reason {i}.", CHOICES) for i in range(5)
]
SAID: list[tuple[str, Finish]] = [
    ("A marsh is wet. So the answer is (a) a marsh.\n\nQ: Next?", "length"),
    ("A tundra is cold. So the answer is (b) a tundra.", "eos"),
    ("It may be either. So the answer is (a) or (b).", "eos"),
    ("A marsh is wet, and when it is", "length"),
    ("Wet.\nThe answer is a marsh", "eos"),
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(teacher_toys.gpt2())


def teacher_of(tokenizer: Tokenizer) -> ScriptedTeacher:
    def says(prompt: str, turn: int) -> tuple[str, Finish]:
        number = next(i for i in range(5) if f"Fog {i}?" in prompt.rsplit("\n\n", 1)[-1])
        return SAID[number]

    return ScriptedTeacher(tokenizer, says)


def settings_of(**values: object) -> TeacherSettings:
    return TeacherSettings.model_validate({"mode": "rationale", "max_new_tokens": 30, **values})


def test_few_shot_texts_are_split_and_judged(tokenizer: Tokenizer, tmp_path: Path) -> None:
    teacher = teacher_of(tokenizer)
    found = dump(teacher, ASKED, tmp_path / "out", settings_of(num_fewshot=2), kind="choice")
    responses = [sample.response for sample in Store.open(tmp_path / "out")]
    assert [(r.text, r.answer, r.correct) for r in responses] == [
        ("A marsh is wet.", "a marsh", True),
        ("A tundra is cold.", "a tundra", False),
        ("It may be either.", None, False),
        ("A marsh is wet, and when it is", None, False),
        ("Wet.", "a marsh", True),
    ]
    assert found.dropped == {
        "contradicts the answer": 1, "cut in mid-sentence": 1, "does not name the answer": 2
    }  # fmt: skip
    for sample in Store.open(tmp_path / "out"):
        spelled = b"".join(tokenizer.pieces(sample.token_id.tolist())).decode()
        assert spelled == sample.response.text  # tokens and distributions of the rationale alone
        assert len(sample.distributions) == len(sample.token_id)
    first = teacher.asked[0]
    assert first.count("So the answer is (a) a marsh.") == 2
    assert first.endswith("\nA: ")
    assert "Reason 0." not in first  # no question demonstrates itself


def test_forced_texts_have_the_given_answer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    unlabelled = Example("obqa/train/9", "Fog 9?", "", choices=CHOICES)
    settings = settings_of(num_fewshot=1, forced=True)
    found = dump(
        teacher_of(tokenizer), [*ASKED, unlabelled], tmp_path / "out", settings, kind="choice"
    )
    assert found.left_out == 1
    responses = [sample.response for sample in Store.open(tmp_path / "out")]
    assert [(r.answer, r.correct) for r in responses] == [
        ("a marsh", True), ("a tundra", False), (None, False), ("a marsh", True), ("a marsh", True)
    ]  # fmt: skip
    assert responses[0].prompt.endswith(
        "Answer: (a) a marsh\nRationale: Let's think step by step.\n"
    )


def test_how_a_teacher_is_asked_decides_the_store() -> None:
    ways = [{}, {"num_fewshot": 1}, {"num_fewshot": 1, "forced": True}, {"forced": True}]
    digests = {build_asks(ASKED, settings_of(**way)).prompt_digest for way in ways}
    assert len(digests) == len(ways)


def test_demonstrations_without_rationales_are_refused() -> None:
    bare = [Example(f"x/{i}", f"Number {i}?", "1") for i in range(3)]
    with pytest.raises(ConfigurationError, match="none of 3 examples has a rationale"):
        build_asks(bare, settings_of(num_fewshot=1))
    prompt = build_asks(bare, settings_of(num_fewshot=1, forced=True)).entries[0].prompt
    assert prompt.count("Rationale:") == 1  # a demonstration shows what it has: its answer


def test_a_killed_dump_goes_on(tokenizer: Tokenizer, tmp_path: Path) -> None:
    settings = settings_of(num_fewshot=1)
    out, whole = tmp_path / "out", tmp_path / "whole"
    dump(teacher_of(tokenizer), ASKED, whole, settings, kind="choice", shard_samples=2)
    dump(teacher_of(tokenizer), ASKED, out, settings, kind="choice", shard_samples=2)
    again = teacher_of(tokenizer)
    found = dump(again, ASKED, out, settings, kind="choice", shard_samples=2)
    assert (found.resumed, again.asked) == (5, [])
    for path in (p for p in whole.rglob("*") if p.is_file() and not p.name.startswith(".")):
        assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()
