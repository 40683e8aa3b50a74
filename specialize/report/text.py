"""The report as Markdown, and its tables as CSV; markup in data is made harmless."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from specialize.artifacts.scores import CheckpointScore
from specialize.report.canvas import Drawing
from specialize.report.cases import Case
from specialize.report.gather import ReportData
from specialize.report.outcome import Cell, Line
from specialize.report.words import (
    change_text,
    headline,
    interval_text,
    percent_text,
    points_text,
    reasons,
)

_SHOWN = 6  # predictions in the text; the page and the files have more


def markdown(data: ReportData, drawings: Mapping[str, Sequence[Drawing]]) -> str:
    """The whole text; figures are linked from ``figures/``."""
    parts = [
        _head(data),
        _list("Before you act on these numbers", data.cautions),
        outcome_text(data),
        _links(drawings["outcome"]),
        _choice(data),
        _links(drawings["trade-off"]),
        _links(drawings["curves"]),
        _training(data, drawings["training"]),
        _stores(data),
        _links(drawings["stores"]),
        _cases(data.cases.shown),
        _recipe(data),
    ]
    return "\n".join(part for part in parts if part)


def _training(data: ReportData, drawings: Sequence[Drawing]) -> str:
    if not data.trained_steps:
        return "## Training\n\nNo metrics.jsonl in this run.\n"
    told = "; ".join(part for part in (f"{data.trained_steps:,} steps", data.pace) if part)
    return f"## Training\n\n{told}.\n\n{_links(drawings)}"


def plain(text: str) -> str:
    """``text`` on one line, without a character that Markdown or HTML would read as markup."""
    flat = " ".join(text.split())
    escaped = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", escaped)


def fenced(text: str) -> str:
    """``text`` as a block of code, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"


def _head(data: ReportData) -> str:
    lines = [f"# {plain(data.recipe.name)}", ""]
    if data.selection is None:
        return "\n".join([*lines, "No checkpoint was selected yet.", ""])
    lines += [f"Step **{data.selection.step}** was selected.", ""]
    for card in headline(data):
        before = percent_text(card.line.before.value if card.line.before else None)
        after = percent_text(card.line.after.value if card.line.after else None)
        moved = f" ({points_text(card.line.change.difference)} points)" if card.line.change else ""
        lines.append(f"- {card.title}, {plain(card.line.name)}: {before} → **{after}**{moved}")
    return "\n".join([*lines, ""])


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return "\n".join([f"**{title}**", "", *(f"- {plain(item)}" for item in items), ""])


def outcome_text(data: ReportData) -> str:
    """The table of the outcome, before, after and by teachers; "" where there is none."""
    if data.outcome is None:
        return ""
    teachers = data.outcome.teachers
    note = "" if teachers else " No teacher was evaluated."
    head = ["set", "n", "before", "after", "change", *map(plain, teachers)]
    rows = []
    for line in data.outcome.lines:
        change = change_text(line.change) if line.change else "–"
        known = [_cell(line.teachers.get(name)) for name in teachers]
        examples = f"{line.examples:,}"
        cells = [_name(line), examples, _cell(line.before), _cell(line.after), change, *known]
        rows.append(cells)
    return (
        f"## Outcome\n\nAccuracy on the **{data.outcome.split}** split, format "
        f"{plain(data.format)}; 95 % intervals.{note}\n\n{table(head, rows)}"
    )


def _name(line: Line) -> str:
    return f"*{plain(line.name)}* ({line.role})" if line.is_mean else plain(line.name)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    interval = interval_text(cell)
    return percent_text(cell.value) + (f" ({interval})" if interval else "")


def _choice(data: ReportData) -> str:
    if data.selection is None:
        return "## The choice\n\nNo selection.json in this run.\n"
    rows = []
    for judged in data.selection.judged:
        c = judged.candidate
        means = [
            percent_text(sum(values.values()) / len(values)) if values else "–"
            for values in (c.in_distribution, c.out_of_distribution, c.general)
        ]
        note = "**selected**" if c.step == data.selection.step else plain(judged.refused or "")
        rows.append([str(c.step), percent_text(judged.value), *means, note])
    head = ["step", "value", "in-distribution", "out-of-distribution", "general", ""]
    said = "\n\n".join(plain(reason) for reason in reasons(data))
    return f"## The choice\n\n{said}\n\n{table(head, rows)}"


def _stores(data: ReportData) -> str:
    lines = ["## Teacher responses and targets", ""]
    for facts in data.stores:
        lines += [f"### {facts.kind}/{plain(facts.name)}", ""]
        if facts.problem:
            lines += [plain(facts.problem), ""]
            continue
        known = [*facts.summary.items(), *facts.description.items()]
        lines += [table(["", ""], [[plain(key), plain(value)] for key, value in known])]
        if facts.rows:
            rows = ", ".join(f"{plain(kind)} {count:,}" for kind, count in facts.rows.items())
            lines += [f"Target rows: {rows}.", ""]
    if not data.stores:
        lines += ["No store of responses or targets in this run.", ""]
    return "\n".join(lines)


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return ""
    lines = ["## Some predictions", ""]
    picked = [c for c in cases if c.kind in ("fixed", "broken")] or list(cases)
    for case in picked[:_SHOWN]:
        lines += [f"**{case.kind}**: {plain(case.set)}, {plain(case.id)}", ""]
        before = f"BEFORE: {case.before.text}\n\n" if case.before else ""
        asked = f"QUESTION: {case.question}\n\nGOLD: {case.gold}\n\n"
        lines.append(fenced(f"{asked}{before}AFTER: {case.after.text}"))
    return "\n".join(lines)


def _recipe(data: ReportData) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in data.versions.items())
    return (
        f"## Recipe and versions\n\n{versions}; recipe digest {data.recipe.digest[:16]}\n\n"
        f"{fenced(data.recipe.to_yaml())}"
    )


def _links(drawings: Sequence[Drawing]) -> str:
    return "".join(f"![{plain(d.caption)}](figures/{d.name}.svg)\n" for d in drawings)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are text that ``plain`` has made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def scores_csv(scores: Sequence[CheckpointScore]) -> str:
    """Every score with its Wilson interval, one line each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ("checkpoint", "step", "set", "role", "split", "format", "correct", "total", "accuracy",
         "low", "high", "macro_average", "unanswered")
    )  # fmt: skip
    for s in scores:
        low, high = s.accuracy.interval()
        shares = (f"{value:.6f}" for value in (s.accuracy.value, low, high, s.macro_average))
        accuracy, low_text, high_text, macro = shares
        writer.writerow(
            (s.checkpoint, s.step, s.set, s.role, s.split, s.format, s.accuracy.correct,
             s.accuracy.total, accuracy, low_text, high_text, macro, s.unanswered)
        )  # fmt: skip
    return buffer.getvalue()


def training_csv(data: ReportData) -> str:
    """The training curves as they are drawn, one point a line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("objective", "measure", "step", "value"))
    for measure, series in data.training.items():
        for one in series:
            for step, value in zip(one.steps, one.values, strict=True):
                writer.writerow((one.objective, measure, f"{step:g}", f"{value:.6f}"))
    return buffer.getvalue()
