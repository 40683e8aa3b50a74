"""Progress bars on standard error: rate and time left, silent where nobody watches."""

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

Advance = Callable[[int], None]


class _RateColumn(ProgressColumn):
    """Units a second, from the bar's own sliding window."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="progress.data.speed")


@contextmanager
def progress(description: str, total: int, *, done: int = 0) -> Iterator[Advance]:
    """Show a bar over ``total`` units of which ``done`` were finished earlier.

    Yields:
        A function to call with the number of units just finished. When standard error is not a
        terminal nothing is written, so logs and pipes stay clean.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total, completed=done)

        def advance(units: int) -> None:
            bar.advance(task, units)

        yield advance
