"""Alignments and rows in the terminal: one colour per aligned group, what was dropped in grey."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from specialize.inspection.aligned import Aligned, Candidate, Cell
from specialize.inspection.rows import ShownRow
from specialize.inspection.store import readable
from specialize.io.visible import visible

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
_GREY = "bright_black"
_BAR = 10  # characters of a full bar


def print_aligned(found: Aligned, console: Console) -> None:
    """Both rows as running text, then group by group with the mass of every position."""
    console.print(
        Text(f"{visible(found.title)}  policy {found.policy}  mean mass kept {found.kept:.3f}")
    )
    for side in ("teacher", "student"):
        line = Text(f"{side:8} ", style="bold")
        for number, group in enumerate(found.groups):
            cells = group.teacher if side == "teacher" else group.student
            for cell in cells:
                alone = not group.teacher or not group.student
                line.append(f"{readable(cell.piece)} ", _GREY if alone else _colour(number))
        console.print(line)
    table = Table("teacher", "its candidates", "student", "kept", "", "entries", box=None)
    for number, group in enumerate(found.groups):
        colour = _colour(number)
        for i in range(max(len(group.teacher), len(group.student))):
            teacher = group.teacher[i] if i < len(group.teacher) else None
            student = group.student[i] if i < len(group.student) else None
            table.add_row(
                *_beside(teacher, colour),
                Text(readable(student.piece) if student else "", colour),
                Text(f"{student.kept:.3f}" if student else ""),
                _bar(student),
                _entries(student),
            )
    console.print(table)


def print_rows(rows: Sequence[ShownRow], console: Console) -> None:
    """Every row: its prompt, then its target with the mass of every position."""
    for row in rows:
        console.print(
            Text(
                f"{row.objective} ({row.format})  {visible(row.example)}, sample {row.sample}",
                style="bold",
            )
        )
        console.print(Text(f"prompt, {row.prompt_tokens} tokens", style=_GREY))
        for line in row.prompt.split("\n"):
            console.print(Text(f"  {visible(line)}"))
        table = Table("position", "target", "", "kept", "", "entries", box=None)
        for i, cell in enumerate(row.cells):
            kind = Text("soft", "cyan") if cell.soft else Text("hard", _GREY)
            table.add_row(
                str(i), Text(readable(cell.piece)), kind, f"{cell.kept:.3f}", _bar(cell),
                _entries(cell),
            )  # fmt: skip
        console.print(table)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _beside(cell: Cell | None, colour: str) -> tuple[Text, Text]:
    if cell is None:
        return Text(""), Text("")
    return Text(readable(cell.piece), colour), _entries(cell)


def _entries(cell: Cell | None) -> Text:
    line = Text()
    for entry in cell.candidates if cell else ():
        line.append(f"{readable(entry.piece)} {entry.probability:.2f} ", _style(entry))
    return line


def _style(entry: Candidate) -> str:
    return f"{_GREY} strike" if entry.dropped else ""


def _bar(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    full = round(_BAR * cell.kept)
    return Text("█" * full, "green").append("░" * (_BAR - full), _GREY)
