"""A command on hostile input: its exit code, its one line, its time and its memory.

What commands import is imported once before the first, so that no row of a table is exempt from
the bounds. Memory is what the process grew by at its highest, which Linux can reset.
"""

from __future__ import annotations

import importlib
import io
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from specialize.cli.console import run_command
from specialize.cli.stages import cli
from specialize.io import progress
from specialize.quickstart.run import MODELS

STUDENT = str(MODELS / "student")
SECONDS, MEGABYTES = 2.0, 300
IMPORTED = (
    "compare.stage", "datasets", "datasets.check", "evaluate", "imports.codex", "imports.columns",
    "imports.distillkit", "imports.palm", "imports.texts", "imports.tinyllm", "imports.vllm_json",
    "inspection", "pairs.stage", "pipeline", "planning.stage", "quickstart.run", "report",
    "stages.reuse",
    "store.export", "students.averaging", "targets.stage", "teacher.dump", "teacher.local.teacher",
    "teacher.planning", "teacher.served", "train.preparation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed, how it ended and what it took."""

    code: int
    out: str
    err: str
    seconds: float  # of the processor
    megabytes: float

    def refused(self, says: str, codes: tuple[int, ...] = (2, 3, 4, 7)) -> None:
        """One line that says it, the right exit code, in the bounds."""
        assert self.code in codes, self
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        assert says in lines[0], self.err
        assert len(lines[0]) < 1000, f"{len(lines[0])} characters: {lines[0][:1000]}"
        assert lines[0].isprintable(), lines[0]
        assert self.seconds < SECONDS, f"{self.seconds:.1f} s: {self.err}"
        assert self.megabytes < MEGABYTES, f"{self.megabytes:.0f} MB: {self.err}"


def warm(folder: Path) -> None:
    """Import what commands import when they need it, and compile what they compile."""
    for name in IMPORTED:
        importlib.import_module(f"specialize.{name}")
    assert refuse(folder, "pair", STUDENT, STUDENT).code == 0


def refuse(folder: Path, *arguments: str) -> Outcome:
    """``specialize ARGUMENTS`` in ``folder``, measured."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(folder), redirect_stdout(out), redirect_stderr(err), _quiet(),
        mock.patch.object(sys, "argv", ["specialize", *arguments]),
        mock.patch.dict("os.environ", {"SPECIALIZE_TRUST": str(folder / "trust.json")}),
    ):  # fmt: skip
        before, started = _forget_peak(), time.process_time()
        code = run_command(cli)
        seconds = time.process_time() - started
    return Outcome(code, out.getvalue(), err.getvalue(), seconds, _peak() - before)


@contextmanager
def _quiet() -> Iterator[None]:
    """No lines of progress beside the one that counts."""
    before = progress._Setting.verbosity
    progress.set_verbosity("quiet")
    try:
        yield
    finally:
        progress.set_verbosity(before)


def _forget_peak() -> float:
    """Reset the process's peak to what it holds now; its megabytes."""
    with suppress(OSError):  # elsewhere than on Linux the peak can only be read
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> float:
    """The most megabytes that the process has held since they were forgotten."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
