"""A campaign: many solutions a question, what they amount to, and which of them are learnt from."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize.answers import Kind
from specialize.cli.stages import cli
from specialize.config.recipe import Teacher as Settings
from specialize.recipes.specialization import specialization
from specialize.records import Example, Response
from specialize.rows.targets import Asked, Limits, teacher_targets
from specialize.store import Store
from specialize.teacher.asks import build_asks
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Finish
from specialize.teacher.statistics import summarize
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_teacher import ScriptedTeacher

EXAMPLES = toys.examples(3)


@pytest.mark.parametrize(
    ("kind", "answers", "right"),
    [
        # two spellings of one wrong answer outvote the right one only where they are equal
        ("number", [("5", True), ("6", False), ("6.0", False)], False),
        ("text", [("5", True), ("6", False), ("6.0", False)], True),
        ("choice", [("(A)", True), ("(B) red", False), ("B", False)], False),
        ("choice", [("(A)", True), ("(B)", False), ("(C)", False)], True),
        ("boolean", [("yes", True), ("No", False), ("false", False)], False),
        ("text", [("Paris", True), ("the lyon", False), ("Lyon!", False), ("Rome", False)], False),
        ("text", [("Paris", True), ("Lyon", False), ("Rome", False)], True),
        ("equation", [("3 + 4", True), ("2 * 4", False), ("8", False)], False),
        ("number", [("7", True), ("7 apples", True), ("8", False), ("8", False)], True),
    ],
)
def test_answers_vote_as_their_kind_compares_them(
    kind: Kind, answers: list[tuple[str, bool]], right: bool
) -> None:
    responses = [Response("q", i, "", a, a, correct) for i, (a, correct) in enumerate(answers)]
    found = summarize(responses, kind=kind)
    assert found.majority_vote is not None
    assert (found.majority_vote.correct == 1) is right


def says(prompt: str, turn: int) -> tuple[str, Finish]:
    """Right in turns 2 and 3; the first question never."""
    right = next(e.answer for e in EXAMPLES if e.question in prompt)
    good = turn >= 2 and EXAMPLES[0].question not in prompt
    return f"So {turn}.\nThe answer is {right if good else 1}", "eos"


@pytest.mark.parametrize(
    ("keep", "most", "kept"),
    [
        ("correct", None, [(1, 2), (1, 3), (2, 2), (2, 3)]),
        ("first-correct", None, [(1, 2), (2, 2)]),
        ("first-correct", 3, [(1, 2), (2, 2)]),
        ("correct", 1, [(1, 2), (2, 2)]),
        ("all", 2, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]),
        ("all", None, [(q, s) for q in range(3) for s in range(4)]),
    ],
)
def test_what_is_learnt_from(
    tmp_path: Path, keep: str, most: int | None, kept: list[tuple[int, int]]
) -> None:
    tokenizer = load_tokenizer(toys.gpt2())
    settings = Settings(samples=4, max_new_tokens=30)
    summary = dump(ScriptedTeacher(tokenizer, says), EXAMPLES, tmp_path / "s", settings)
    assert summary.statistics.pass_at[4] == pytest.approx(2 / 3)
    limits = Limits(keep, most, 100)
    asked = Asked(EXAMPLES, 0, len(EXAMPLES))
    found, lost = teacher_targets(Store.open(tmp_path / "s"), asked, limits, tokenizer)
    assert list(zip(found.example.tolist(), found.sample.tolist(), strict=True)) == kept
    assert sum(lost.values()) + len(kept) == 12


def test_forty_solutions_a_question() -> None:
    assert specialization().teachers["codex"].samples == 40
    told = CliRunner().invoke(cli, ["dump", "--help"]).output
    assert "40 with mode sample, else 1" in " ".join(told.split())


@pytest.mark.realdata
def test_published_prompts_ask_gsm8k(data_dir: Path) -> None:
    """Every published prompt file comes before every question but its own."""
    questions = [Example(f"q/{i}", f"What is {i} and {i}?", str(2 * i)) for i in range(3)]
    files = sorted(data_dir.glob("prompts/*.txt"))
    assert len(files) == 7
    for file in files:
        direct = "direct" in file.name
        form = "in-context-answer" if direct else "in-context-cot"
        settings = Settings(prompt_file=str(file), format=form, samples=40)
        asks = build_asks(questions, settings)
        assert len(asks.entries) == 120
        assert len({ask.prompt for ask in asks.entries}) == 3
        text = file.read_text("utf-8").strip()
        assert text.split("\n")[0] in asks.entries[0].prompt
        assert asks.entries[40].prompt.count("What is 1 and 1?") == 1
        assert len(asks.entries[0].prompt) > 0.9 * len(text)
