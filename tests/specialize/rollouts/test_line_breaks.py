"""White space that a student cannot write comes back as its teacher has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.rollouts.line_breaks import LineBreaks, loses_line_breaks
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys

TEXTS = [
    "He has 3 + 4 = 7.\nThat is all. No more.\nThe answer is 7",
    "So 5 * 2 = 10.\nThe answer is 10",
    "It is 4. No doubt.\n\nThe answer is 4",
]
CASES = [
    ("Then 2 + 2 = 4. The answer is 4", "Then 2 + 2 = 4.\nThe answer is 4"),
    ("All. No more of it", "All. No more of it"),  # the word decides before the character does
    ("All. Unseen words", "All.\nUnseen words"),
    ("one two", "one two"),
    ("a.\tThe", "a.\tThe"),  # what the student wrote itself stays
    ("", ""),
]


@pytest.mark.parametrize(("written", "restored"), CASES)
def test_a_blank_becomes_what_the_teacher_writes_most_often(written: str, restored: str) -> None:
    assert LineBreaks.of(TEXTS).restore(written) == restored


def test_without_texts_nothing_changes() -> None:
    assert LineBreaks.of([]).restore("a. The b") == "a. The b"


@given(st.lists(st.text("ab. \n", max_size=20), max_size=4), st.text("ab. ", max_size=20))
def test_only_white_space_changes(texts: list[str], text: str) -> None:
    restored = LineBreaks.of(texts).restore(text)
    assert restored.split() == text.split()
    assert LineBreaks.of([]).restore(restored) == restored


def test_who_loses_line_breaks() -> None:
    assert loses_line_breaks(load_tokenizer(teacher_toys.t5()))
    assert not loses_line_breaks(load_tokenizer(teacher_toys.gpt2()))
