"""What a command prints for people: units, thousands, a line for each warning."""

from __future__ import annotations

import json

import pytest

from specialize.cli.console import print_result


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("rows", 2400, "2,400"),
        ("bytes", 74_300_000_000, "74.3 GB"),
        ("bytes_free", 999, "999 bytes"),
        ("target_bytes", 1_000, "1.0 kB"),
        ("bytes", 0, "0 bytes"),
        ("bytes_per_position", 26, "26 bytes"),
        ("seconds", 3.04159, "3.04 s"),
        ("seconds", 12345.6, "3.4 h"),
        ("align_hours", 0.000123456, "0.444 s"),
        ("value", 0.71999, "0.72"),
        ("fits", True, "yes"),
        ("problems", [], "none"),
        ("steps", [100, 2000], "100, 2,000"),
        ("mass", {"5": 0.92001, "20": 1.0}, "5 0.92, 20 1"),
        ("seconds", 599.7, "600 s"),
        ("seconds", 3000, "50 min"),
        ("seconds", 111_284.0, "30.9 h"),
        ("name", "a\x1b[31m", "a␛[31m"),
    ],
)
def test_a_value_has_its_unit(
    key: str, value: object, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_result({key: value}, False, {key: "(a note)"})
    assert capsys.readouterr().out == f"{key:28} {shown}   (a note)\n"


def test_warnings_are_lines_of_their_own_and_nothing_is_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {"warnings": ["one\nline", "another"], "none": None, "rows": 1}
    print_result(found, False)
    shown = capsys.readouterr()
    assert shown.out == f"{'rows':28} 1\n"
    assert shown.err == "warning: one↵line\nwarning: another\n"
    print_result(found, True)
    assert json.loads(capsys.readouterr().out) == found
