"""A recording says what a person saw, without the states of a bar that nobody could read."""

from __future__ import annotations

import sys

import pytest

from scripts.build.record_terminal import Screen, Transcript, _whole, record


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("10 %\r20 %", ["20 %"]),
        ("long line\rnew\x1b[K", ["new"]),
        ("a bar\r\x1b[2Kits end\r\n", ["its end", ""]),
        ("one\r\ntwo\r\x1b[1A\x1b[2KONE", ["ONE", "two"]),
        ("\x1b[?25l\x1b[1;32mgreen\x1b[0m\x1b[?25h", ["green"]),
        ("ab\x08c", ["ac"]),
    ],
)
def test_what_a_screen_shows(text: str, rows: list[str]) -> None:
    screen = Screen()
    screen.feed(text)
    assert screen.rows == rows


def test_a_bar_is_noted_now_and_then_and_as_it_was_last() -> None:
    transcript = Transcript(every=10)
    for second in range(25):
        transcript.add(second, f"\rtrain {second}/25")
    transcript.add(25, "\rtrain 25/25\r\n")
    transcript.end(26, 0)
    assert [line.split("s  ")[1] for line in transcript.lines] == [
        "train 0/25",
        "train 10/25",
        "train 20/25",
        "train 25/25",
        "(exit code 0)",
    ]


def test_nothing_is_read_before_it_is_whole() -> None:
    assert _whole("ab━".encode()) == ("ab━", b"")
    assert _whole("ab━".encode()[:-1]) == ("ab", "━".encode()[:-1])
    assert _whole(b"ab\x1b[2") == ("ab", b"\x1b[2")


def test_a_command_has_a_terminal_and_hears_ctrl_c() -> None:
    program = (
        "import sys, time\n"
        "print(sys.stdout.isatty(), flush=True)\n"
        "try:\n print('at work\\nready', end='', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n print('\\nheard'); sys.exit(130)"
    )
    lines = record([sys.executable, "-c", program], ["ready"], 1, 80).lines
    assert [line.split("s  ")[1] for line in lines] == [
        "True",
        "at work",
        "ready",
        "ready^C",
        "heard",
        "(exit code 130)",
    ]
