"""Progress on a terminal: a bar, or a sign that something is still waited for.

Apart from ``progress``, which imports it where there is a terminal: logs do without ``rich``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _RateColumn(ProgressColumn):
    """Units a second, from the bar's own sliding window."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="progress.data.speed")


@contextmanager
def shown_bar(description: str, total: int, done: int) -> Iterator[Callable[[int], None]]:
    """A bar while the body runs; yields what moves it on by a number of units."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(description, total=total, completed=done)
        yield lambda units: bar.advance(task, units)


@contextmanager
def shown_waiting(description: str) -> Iterator[None]:
    """A sign of life while the body runs."""
    with Console(stderr=True).status(f"{description} ..."):
        yield
