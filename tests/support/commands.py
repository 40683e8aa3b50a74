"""The command line, run inside the test's process: a fresh one pays for every import again."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click

from specialize.cli.console import run_command
from specialize.cli.stages import cli


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left: its exit code and what it said."""

    returncode: int
    stdout: str
    stderr: str


def specialize(folder: Path, *arguments: str) -> Done:
    """What ``specialize ARGUMENTS`` does in ``folder``."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["specialize", *arguments]),
    ):
        code = run_command(cli)
    return Done(code, out.getvalue(), err.getvalue())


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The words of every command that is no group."""
    found: set[tuple[str, ...]] = set()
    for name, command in group.commands.items():
        words = (*path, name)
        found |= leaves(command, words) if isinstance(command, click.Group) else {words}
    return found
