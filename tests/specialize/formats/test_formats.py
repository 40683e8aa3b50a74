"""Formats: the published strings, demonstrations, task prefixes, and published prompt files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import ConfigurationError, InputError
from specialize.formats import (
    FORMAT_NAMES,
    DemonstrationPool,
    Format,
    TaskPrefix,
    by_name,
    is_format_name,
    parse_prompt_file,
)
from specialize.records import Example

ASKED = Example("gsm8k/test/1", "How much: 2 + 2?", "4", "2 + 2 = 4.")
SHOWN = Example("gsm8k/train/1", "How much is 1 + 1?", "2", "1 + 1 = 2.")
OTHER = Example("gsm8k/train/2", "How much is 3 + 3?", "6", "Add them.\n3 + 3 = 6.")


def test_the_four_published_prompts() -> None:
    assert by_name("zero-shot-cot").prompt(ASKED) == (
        "Q: How much: 2 + 2?\nLet's think step by step\n"
    )
    assert by_name("zero-shot-answer").prompt(ASKED) == "Q: How much: 2 + 2? A:"
    assert by_name("in-context-cot", 2).prompt(ASKED, [SHOWN, OTHER]) == (
        "Q: How much is 1 + 1?\nLet's think step by step\n1 + 1 = 2.\nThe answer is 2\n\n"
        "Q: How much is 3 + 3?\nLet's think step by step\nAdd them.\n3 + 3 = 6.\n"
        "The answer is 6\n\nQ: How much: 2 + 2?\nLet's think step by step\n"
    )
    assert by_name("in-context-answer", 1).prompt(ASKED, [SHOWN]) == (
        "Q: How much is 1 + 1?\nA: The answer is 2\n\nQ: How much: 2 + 2?\nA:"
    )


def test_targets() -> None:
    assert by_name("zero-shot-cot").target("2 + 2 = 4.", "4") == "2 + 2 = 4.\nThe answer is 4"
    assert by_name("zero-shot-answer").target("2 + 2 = 4.", "4") == "The answer is 4"
    assert by_name("zero-shot-answer").target("", "4") == "The answer is 4"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "zero-shot-cot",
            "Q: How much: 2 + 2?\nLet's think step by step\n2 + 2 = 4.\nThe answer is 4",
        ),
        ("zero-shot-answer", "Q: How much: 2 + 2? A: The answer is 4"),
        ("predict", "predict: How much: 2 + 2?\n4"),
        ("explain", "explain: How much: 2 + 2?\n2 + 2 = 4."),
    ],
)
def test_prompt_separator_and_target_are_one_text(name: str, text: str) -> None:
    form = by_name(name)
    assert form.prompt(ASKED) + form.separator + form.target("2 + 2 = 4.", "4") == text


@pytest.mark.parametrize("name", ["in-context-cot", "in-context-answer"])
def test_a_demonstration_reads_as_prompt_and_target(name: str) -> None:
    form = by_name(name, 1)
    asked = form.prompt(SHOWN, [OTHER]).split("\n\n")[-1]
    shown = form.prompt(ASKED, [SHOWN]).split("\n\n")[0]
    assert shown == asked + form.separator + form.target(SHOWN.rationale, SHOWN.answer)


def test_names_are_their_formats() -> None:
    for name in (name.replace("PREFIX", "[label]") for name in FORMAT_NAMES):
        assert by_name(name).name == name
        assert is_format_name(name)
    assert by_name("explain-llama-2") == TaskPrefix("explain-llama-2", "rationale")
    assert not is_format_name("explain-")
    assert not is_format_name("zero-shot")
    assert by_name("in-context-cot").demonstrations == 4
    assert by_name("zero-shot-cot", 4).demonstrations == 0


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="unknown format 'few-shot'; known: in-context-cot"
    ):
        by_name("few-shot")
    with pytest.raises(ConfigurationError, match="in-context-cot needs at least 1 demonstration"):
        by_name("in-context-cot", 0)
    with pytest.raises(ValueError, match="-1 demonstrations"):
        Format(True, -1)


def test_demonstrations_are_checked() -> None:
    form = by_name("in-context-cot", 2)
    with pytest.raises(ValueError, match="takes 2 demonstrations, got 1 for example"):
        form.prompt(ASKED, [SHOWN])
    with pytest.raises(ValueError, match="cannot demonstrate itself"):
        form.prompt(SHOWN, [OTHER, SHOWN])
    bare = Example("svamp/1", "Why?", "1")
    with pytest.raises(ValueError, match="demonstration 'svamp/1' has no rationale"):
        form.prompt(ASKED, [SHOWN, bare])
    assert "svamp" not in by_name("in-context-answer", 1).prompt(ASKED, [bare])
    with pytest.raises(ValueError, match="zero-shot-cot needs a rationale for answer '4'"):
        by_name("zero-shot-cot").target(" ", "4")


def test_task_prefixes() -> None:
    predict, explain = by_name("predict"), by_name("explain")
    assert predict.prompt(ASKED) == "predict: How much: 2 + 2?"
    assert predict.target("2 + 2 = 4.", "4") == "4"
    assert explain.prompt(ASKED) == "explain: How much: 2 + 2?"
    assert explain.target("2 + 2 = 4.", "4") == "2 + 2 = 4."
    with pytest.raises(ValueError, match="takes no demonstrations"):
        predict.prompt(ASKED, [SHOWN])
    with pytest.raises(ValueError, match="'explain' needs a rationale"):
        explain.target("", "4")
    with pytest.raises(ValueError, match="needs a word"):
        TaskPrefix(" ", "answer")
    with pytest.raises(ValueError, match="takes no demonstrations"):
        TaskPrefix("predict", "answer", 1)


def test_braces_in_texts_are_left_alone() -> None:
    odd = Example("x", "{question} %s $$", "{answer}", "{rationale} \\1")
    form = by_name("in-context-cot", 1)
    assert "{question} %s $$" in form.prompt(ASKED, [odd])
    assert form.target(odd.rationale, odd.answer) == "{rationale} \\1\nThe answer is {answer}"


def examples(count: int) -> list[Example]:
    return [Example(f"train/{i}", f"Question {i}?", str(i), "So.") for i in range(count)]


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 2**32), st.sets(st.integers(0, 11)))
def test_draws_are_distinct_and_never_held_out(
    size: int, count: int, seed: int, excluded: set[int]
) -> None:
    train = examples(size)
    pool = DemonstrationPool(train, {f"train/{i}" for i in excluded})
    asked = train[seed % size]
    allowed = {e.id for i, e in enumerate(train) if i not in excluded} - {asked.id}
    rng = np.random.default_rng(seed)
    if count > len(allowed):
        with pytest.raises(ConfigurationError, match=f"the pool holds {len(allowed)} others"):
            pool.draw(asked, count, rng)
        return
    drawn = pool.draw(asked, count, rng)
    ids = [example.id for example in drawn]
    assert len(set(ids)) == len(ids) == count
    assert set(ids) <= allowed
    assert drawn == pool.draw(asked, count, np.random.default_rng(seed))


def test_the_same_question_is_not_shown_under_another_id() -> None:
    train = [*examples(3), Example("copy", "  question 1", "1", "So.")]
    pool = DemonstrationPool(train)
    assert len(pool) == 3
    for seed in range(20):
        ids = [e.id for e in pool.draw(train[3], 2, np.random.default_rng(seed))]
        assert set(ids) == {"train/0", "train/2"}


def test_every_example_is_drawn_about_as_often() -> None:
    pool, asked = DemonstrationPool(examples(6)), Example("other", "Else?", "0")
    rng = np.random.default_rng(0)
    counts = dict.fromkeys((f"train/{i}" for i in range(6)), 0)
    for _ in range(3000):
        for example in pool.draw(asked, 2, rng):
            counts[example.id] += 1
    assert min(counts.values()) > 900
    assert max(counts.values()) < 1100


FU_FILE = """Question: How much is 1 + 1?
Let's think step by step
1 + 1 = 2.
The answer is 2

Question: How much is
3 + 3?
Let's think step by step
Add them.

3 + 3 = 6.
The answer is 6
"""
BBH_FILE = """BENCHMARK DATA SHOULD NEVER APPEAR. canary GUID 26b5
-----
Answer questions.

Q: Is it?
A: Let's think step by step.
It is. So the answer is (A).

Q: Is it not?
A: Let's think step by step.
The answer is not clear at first.
It is not. So the answer is (B)."""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prompt.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_prompt_files_are_read(tmp_path: Path) -> None:
    instruction, shown, style = parse_prompt_file(write(tmp_path, FU_FILE))
    assert instruction == ""
    assert style.question == "Question: "
    assert [(e.question, e.answer) for e in shown] == [
        ("How much is 1 + 1?", "2"),
        ("How much is\n3 + 3?", "6"),
    ]
    assert shown[1].rationale == "Add them.\n\n3 + 3 = 6."


def test_big_bench_prompts_without_rationale_keep_only_question_and_answer(tmp_path: Path) -> None:
    prompt = parse_prompt_file(write(tmp_path, BBH_FILE))
    asked = Example("bbh/x/0", "And now?", "(A)")
    assert prompt.cot
    assert (
        prompt.format(cot=True)
        .prompt(asked, prompt.demonstrations)
        .startswith(BBH_FILE.split("-----\n")[1] + "\n\nQ: And now?\nA: Let's think")
    )
    assert prompt.format(cot=False).prompt(asked, prompt.demonstrations) == (
        "Answer questions.\n\nQ: Is it?\nA: the answer is (A).\n\nQ: Is it not?\nA: the answer is "
        "(B).\n\nQ: And now?\nA:"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no block that begins with"),
        ("Hello", "has no block that begins with"),
        ("Q: Why?\nBecause.", r"block 0 \('Why\? Because\.'...\) does not end with"),
        ("Q: Why?\nLet's think step by step\nThe answer is .", "block 0 has no answer"),
        ("Q: \nLet's think step by step\nThe answer is 1", "block 0 has no question"),
    ],
)
def test_other_prompt_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_prompt_file(write(tmp_path, text))


def test_unreadable_prompt_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt: No such file"):
        parse_prompt_file(tmp_path / "nowhere.txt")
    path = tmp_path / "bytes.txt"
    path.write_bytes(b"Q: \xff")
    with pytest.raises(InputError, match=r"bytes\.txt is not UTF-8 \(byte 3\)"):
        parse_prompt_file(path)


@pytest.mark.realdata
def test_every_published_prompt_is_reproduced_byte_for_byte(data_dir: Path) -> None:
    files = sorted([*data_dir.glob("prompts/*.txt"), *data_dir.glob("bbh/cot-prompts/*.txt")])
    assert len(files) == 34
    asked = Example("x", "And now?", "1")
    for path in files:
        text = path.read_text(encoding="utf-8").split("\n-----\n")[-1].strip("\n")
        prompt = parse_prompt_file(path)
        assert len(prompt.demonstrations) == (
            3 if path.parent.name == "cot-prompts" else 4 if "4_cases" in path.name else 8
        )
        form = prompt.format(cot=prompt.cot)
        made = form.prompt(asked, prompt.demonstrations)
        assert made.startswith(f"{text}\n\n{form.style.question}And now?\n"), path.name
        assert prompt.cot == (path.name != "prompt_direct.txt")
        short = prompt.format(cot=False).prompt(asked, prompt.demonstrations)
        assert "step by step" not in short
