"""What a person sees when a command runs in a terminal, as plain text with times.

    python scripts/build/record_terminal.py OUT [--press-at TEXT]... [--every 20] -- COMMAND ...

    $ specialize run my.yaml --out runs/mine
      0.9 s  dump teacher ━━━━━╺━━━━━━ 24/120 31.0/s 0:00:01 0:00:03
      4.1 s  train ━━━━━━━━━━━━━━━━━━━ 300/300 6.1/s 0:00:49 0:00:00
             ^C

The command gets a pseudo-terminal of its own, so that it draws bars as it does for a person. A bar
is redrawn many times a second: the text has it every ``--every`` seconds, and as it was last.
``--press-at TEXT`` presses Ctrl-C as soon as TEXT is on the screen; given twice, twice.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]|\x1b[^[\]()]")
PIECE = re.compile(CONTROL.pattern + r"|[\r\n\x08]|[^\x1b\r\n\x08]+")


@dataclass(slots=True)
class Screen:
    """Rows of text and a cursor: of a terminal's commands, those that progress bars use.

    Rows never scroll away, and text is never wrapped.
    """

    rows: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0

    def feed(self, text: str) -> None:
        """Draw ``text``, which holds whole control sequences."""
        for match in PIECE.finditer(text):
            if match[2]:
                self._command(match[1], match[2])
            elif match[0] == "\n":
                self.row, self.column = self.row + 1, 0
                if self.row == len(self.rows):
                    self.rows.append("")
            elif match[0] == "\r":
                self.column = 0
            elif match[0] == "\x08":
                self.column = max(0, self.column - 1)
            elif match[0][0] != "\x1b":
                self._write(match[0])

    def _write(self, text: str) -> None:
        before = self.rows[self.row].ljust(self.column)
        end = self.column + len(text)
        self.rows[self.row] = before[: self.column] + text + before[end:]
        self.column = end

    def _command(self, number: str, letter: str) -> None:
        count = int(number) if number.isdigit() else 1
        if letter == "A":
            self.row = max(0, self.row - count)
        elif letter == "K":
            whole = number == "2"
            self.rows[self.row] = "" if whole else self.rows[self.row][: self.column]


@dataclass(slots=True)
class Transcript:
    """The lines of a screen in the order in which a reader would notice them."""

    every: float  # seconds between two states of a row that is being redrawn
    lines: list[str] = field(default_factory=list)
    _screen: Screen = field(default_factory=Screen)
    _noted: dict[int, tuple[float, str]] = field(default_factory=dict)  # row -> when, what

    def add(self, seconds: float, text: str) -> None:
        """Take what the command wrote ``seconds`` after its start."""
        self._screen.feed(text)
        self._note(seconds, over=False)

    def end(self, seconds: float, code: int) -> None:
        """Take how every row stands at the end, and the command's exit code."""
        self._note(seconds, over=True)
        self.lines.append(f"{seconds:7.1f} s  (exit code {code})")

    def _note(self, seconds: float, *, over: bool) -> None:
        for row, text in enumerate(self._screen.rows):
            at, before = self._noted.get(row, (-self.every, ""))
            left = over or row < self._screen.row
            if text.strip() and text != before and (left or seconds - at >= self.every):
                self.lines.append(f"{seconds:7.1f} s  {text.rstrip()}")
                self._noted[row] = (seconds, text)


def record(command: list[str], press_at: list[str], every: float, columns: int) -> Transcript:
    """Run a command in a terminal of ``columns`` columns and note what it shows."""
    transcript, waiting = Transcript(every), list(press_at)
    child, terminal = pty.fork()
    if child == 0:
        # a shell starts what runs in its background with Ctrl-C ignored, and that is inherited
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    started, rest, unseen = time.monotonic(), b"", ""
    while True:
        try:
            select.select([terminal], [], [])
            read = os.read(terminal, 65536)
        except OSError:  # the other end is closed: the command is over
            read = b""
        if not read:
            break
        whole, rest = _whole(rest + read)
        transcript.add(time.monotonic() - started, whole)
        unseen += CONTROL.sub("", whole)
        if waiting and waiting[0] in unseen:
            unseen = ""
            waiting.pop(0)
            os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    transcript.end(time.monotonic() - started, os.waitstatus_to_exitcode(status))
    return transcript


def _whole(data: bytes) -> tuple[str, bytes]:
    """Text up to the last character and control sequence that are complete, and the rest."""
    cut = len(data)
    escape = data.rfind(b"\x1b")
    if escape >= 0 and not CONTROL.match(data[escape:].decode("utf-8", "ignore")):
        cut = escape
    while cut > 0 and cut > len(data) - 4:
        try:
            return data[:cut].decode("utf-8"), data[cut:]
        except UnicodeDecodeError:
            cut -= 1
    return data[:cut].decode("utf-8", "replace"), data[cut:]


def main() -> int:
    """Record the command of the arguments into a file."""
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own, command = sys.argv[1:cut], sys.argv[cut + 1 :]
    parser = argparse.ArgumentParser(
        usage="%(prog)s OUT [--press-at TEXT] [--every SECONDS] [--columns N] -- COMMAND ...",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--press-at", action="append", default=[], metavar="TEXT")
    parser.add_argument("--every", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--columns", type=int, default=100)
    arguments = parser.parse_args(own)
    if not command:
        parser.error("no command: write it after --")
    transcript = record(command, arguments.press_at, arguments.every, arguments.columns)
    shown = "\n".join([f"$ {shlex.join(command)}", *transcript.lines]) + "\n"
    arguments.out.write_text(shown, encoding="utf-8")
    sys.stdout.write(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
