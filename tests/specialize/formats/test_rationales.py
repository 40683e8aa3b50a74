"""Rationale prompts, how a teacher's text is read, which label it names, what is wrong with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import ConfigurationError
from specialize.formats import RationaleTemplate, read_rationale, template_of
from specialize.formats.labels import CAUSES, read_label
from specialize.formats.quality import FAULTS, rationale_fault
from specialize.records import Example
from specialize.teacher.rationale_prompts import RationalePrompts

CHOICES = ("a marsh", "a tundra", "the plains")
FOG = Example("obqa/train/0", "Fog is around?", "a marsh", "Marshes are wet.", CHOICES)
SNOW = Example("obqa/train/1", "Snow is around?", "a tundra", "Tundras are cold.", CHOICES)
SUM = Example("svamp-equation/train/0", "10 beds of 45 seeds?", "( 10.0 * 45.0 )")


def test_few_shot_prompts_show_rationale_and_label() -> None:
    prompt = template_of("obqa").few_shot(SNOW, [FOG])
    assert prompt == (
        "Q: Fog is around?\nA: Marshes are wet. So the answer is (a) a marsh.\n\n"
        "Q: Snow is around?\nA: "
    )
    pair = Example("anli-r1/train/0", "Premise: a\nHypothesis: b", "neutral", "It may be.")
    assert (
        template_of("anli-r1")
        .few_shot(pair, [pair])
        .startswith("Premise: a\nHypothesis: b\nAnswer: It may be. So the answer is neutral.")
    )


def test_forced_prompts_give_the_answer() -> None:
    prompt = template_of("obqa").forced(SNOW, [FOG])
    assert prompt == (
        "Question: Fog is around?\nAnswer: (a) a marsh\nRationale: Let's think step by step.\n"
        "Marshes are wet.\n\n"
        "Question: Snow is around?\nAnswer: (b) a tundra\nRationale: Let's think step by step.\n"
    )
    bare = Example("obqa/train/2", "Sun?", "the plains", choices=CHOICES)
    assert (
        template_of("obqa")
        .forced(SNOW, [bare])
        .startswith("Question: Sun?\nAnswer: (c) the plains\n\nQuestion: Snow")
    )
    with pytest.raises(ValueError, match="has no rationale to show"):
        RationaleTemplate().few_shot(SNOW, [bare])
    with pytest.raises(ValueError, match="has no answer to give the teacher"):
        RationaleTemplate().forced(Example("x/0", "Why?", ""))


READINGS = [
    ("It is wet. So the answer is (a) a marsh.\n\nQ: What is", "It is wet.", "(a) a marsh"),
    ("Wet. The answer is (84 / 2).", "Wet.", "(84 / 2)"),
    ("Wet. Thus, the answer is (a) a marsh", "Wet.", "(a) a marsh"),
    ("9 + 4 = 13.\nThe answer is 13", "9 + 4 = 13.", "13"),
    ("The answer must be wet. Fog is wet.", "The answer must be wet. Fog is wet.", None),
    ("So the answer is 3. No: the answer is 4.", "So the answer is 3. No:", "4"),
    ("It is so.\nQuestion:\nIf you can", "It is so.", None),
    ("\n\nQ: only a question", "Q: only a question", None),
    ("", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rationale", "answer"), READINGS)
def test_a_text_is_split(text: str, rationale: str, answer: str | None) -> None:
    found = read_rationale(text)
    assert (found.rationale, found.answer) == (rationale, answer)
    assert text[: found.end].strip() == rationale


@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    found = read_rationale(text)
    assert text[: found.end].strip() == found.rationale
    assert rationale_fault(text, FOG, "choice") in {None, *FAULTS}
    assert read_label(text, FOG, "choice")[1] in {None, *CAUSES}


LABELS = [
    ("(a) a marsh", "a marsh", None),
    ("(B) A Tundra.", "a tundra", None),
    ("(c)", "the plains", None),
    ("A Marsh", "a marsh", None),
    ("either (a) a marsh or (b) a tundra", None, "names several choices"),
    ("(f) a desert", None, "no such choice"),
    ("(a) a tundra", None, "letter and text disagree"),
    ("a desert", None, "none of the choices"),
    ("...", None, "no answer announced"),
    (None, None, "no answer announced"),
]


@pytest.mark.parametrize(("phrase", "label", "cause"), LABELS)
def test_labels_and_why_there_is_none(
    phrase: str | None, label: str | None, cause: str | None
) -> None:
    assert read_label(phrase, FOG, "choice") == (label, cause)


def test_labels_of_equations_need_a_value() -> None:
    assert read_label("(10 * 45)", SUM, "equation") == ("(10 * 45)", None)
    assert read_label("ten beds", SUM, "equation") == (None, "no value")


WRONG = [
    ("Let's think step by step.", FOG, "choice", "empty"),
    ("A marsh is wet, and wet air makes fog.", FOG, "choice", None),
    ("Marshes are wet. It is a marsh, or rather many marshes.", FOG, "choice", None),
    ("They decide that a marsh is the best way to", FOG, "choice", "cut in mid-sentence"),
    ("Tundras are cold. It must be a tundra.", FOG, "choice", "contradicts the answer"),
    ("A marsh. So the answer is (b) a tundra.", FOG, "choice", "contradicts the answer"),
    ("It is where wet air is.", FOG, "choice", "does not name the answer"),
    ("Болото a marsh болото болото.", FOG, "choice", "garbage"),
    ("People eat lunch. " * 5, FOG, "choice", "garbage"),
    ("\ufffd a marsh.", FOG, "choice", "garbage"),
    ("They planted 10 * 45 = 450 seeds.", SUM, "equation", None),
    ("They planted 10 * 45 seeds.", SUM, "equation", "does not name the answer"),
    ("It says so.", Example("p/0", "Is it?", "yes", choices=("yes", "no")), "choice", None),
    ("Whatever it is.", Example("u/0", "Unlabelled?", ""), "number", None),
]


@pytest.mark.parametrize(("text", "example", "kind", "fault"), WRONG)
def test_faults_of_rationales(text: str, example: Example, kind: str, fault: str | None) -> None:
    assert rationale_fault(text, example, kind) == fault


def test_demonstrations_are_others_of_the_set() -> None:
    prompts = RationalePrompts([FOG, SNOW], 1, forced=False)
    for seed in range(5):
        prompt = prompts.prompt(FOG, np.random.default_rng(seed))
        assert "Tundras are cold." in prompt
        assert "Marshes" not in prompt
    with pytest.raises(ConfigurationError, match="none of 1 examples has a rationale"):
        RationalePrompts([SUM], 1, forced=False)
