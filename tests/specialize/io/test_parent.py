"""A command that is killed leaves no process behind that writes on and keeps its locks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.orphans import COUNT


@pytest.mark.parametrize("kind", ["parts", pytest.param("cells", marks=pytest.mark.slow)])
def test_processes_of_a_killed_command_end(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-m", "tests.support.orphans", kind, str(tmp_path)]
    files = [tmp_path / str(index) for index in range(COUNT)]
    with subprocess.Popen(command) as process:
        try:
            assert comes_true(lambda: all(file.is_file() for file in files))
        finally:
            process.kill()
    processes = [file.read_text() for file in files]
    assert comes_true(lambda: not any(map(runs, processes)))


def runs(process: str) -> bool:
    """Whether it does, and is not merely waiting to be buried."""
    try:
        said = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return said.rpartition(")")[2].split()[0] != "Z"


def comes_true(holds: Callable[[], bool]) -> bool:
    """Whether it holds before a minute is over."""
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()
