"""What is shown on a terminal neither steers it nor hides."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.io.visible import visible, visible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[31mb", "a␛[31mb"),
        ("a\nb\tc", "a↵b␉c"),
        ("\x7f\x9b", "␡\\u009b"),
        ("a\u202eb", "a\\u202eb"),
        ("日本 é", "日本 é"),
    ],
)
def test_table(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_is_left_that_steers(text: str) -> None:
    for shown, kept in ((visible(text), ""), (visible_lines(text), "\n\t")):
        left = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")}
        assert left <= set(kept)


@given(st.text())
def test_lines_stay_lines(text: str) -> None:
    assert visible_lines(text).count("\n") == text.count("\n")
