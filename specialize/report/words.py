"""Numbers and choices of a report in words; shared by the page and the text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from specialize.artifacts.selection import Comparison, Selection
from specialize.report.gather import ReportData
from specialize.report.outcome import Cell, Change, Line


@dataclass(frozen=True, slots=True)
class Card:
    """The change of one role, large at the top of the page."""

    title: str
    line: Line


def short_name(model: str) -> str:
    """A hub id as it is, of a long path the end."""
    parts = PurePath(model).parts
    return model if len(parts) <= 2 else "/".join(parts[-2:])


def percent_text(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def ratio_text(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1f}"


def points_text(share: float) -> str:
    """A difference of shares in points, always with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def interval_text(cell: Cell | None) -> str:
    if cell is None or cell.interval is None:
        return ""
    low, high = cell.interval
    return f"{100 * low:.1f}–{100 * high:.1f}"


def change_text(change: Change) -> str:
    low, high = change.interval
    return f"{points_text(change.difference)} [{points_text(low)}, {points_text(high)}]"


def headline(data: ReportData) -> list[Card]:
    """One card per role that has sets."""
    if data.outcome is None:
        return []
    cards = []
    titles = {
        "in-distribution": "In-distribution",
        "out-of-distribution": "Out-of-distribution",
        "general": "General ability",
    }
    for role, title in titles.items():
        line = data.outcome.line(role)
        if line is not None and line.after is not None:
            cards.append(Card(title, line))
    return cards


def reasons(data: ReportData) -> list[str]:
    """Why this step: the rule, the value, the runner-up, in sentences."""
    selection = data.selection
    if selection is None:
        return []
    refused = sum(judged.refused is not None for judged in selection.judged)
    number = len(selection.judged)
    count = f"{number} checkpoint{'s were' if number > 1 else ' was'} compared"
    scores = selection.source or f"on validation sets, format {selection.format}"
    sentences = [
        f"Rule “{selection.rule}”: {selection.explanation}, {scores}. "
        f"{count}{f', {refused} of them refused' if refused else ''}."
    ]
    if selection.smooth != 1:
        sentences.append(_smoothing(selection))
    if selection.passed_over is not None:
        over = selection.passed_over
        points = f"a value {100 * -over.difference:.1f} points higher, which is within"
        higher = points if selection.smooth == 1 else "the highest smoothed value, by less than"
        sentences.append(
            f"Step {over.step} has {higher} one standard error ({_against(over)}). Among "
            f"checkpoints that cannot be distinguished the earlier is taken: it has forgotten less."
        )
    elif selection.runner_up is not None:
        up = selection.runner_up
        sentences.append(
            f"The runner-up is step {up.step}: {points_text(up.difference)} points for the "
            f"selected one ({_against(up)})."
        )
    return sentences


def _smoothing(selection: Selection) -> str:
    """Both choices, with and without."""
    raw = selection.raw_choice
    if raw is None:
        other = "refuse every checkpoint"
    elif raw.step == selection.step:
        other = f"choose the same step {raw.step}"
    else:
        other = f"choose step {raw.step}, whose own value is {percent_text(raw.value)}"
    return (
        f"Each checkpoint was judged by the mean of the scores of {selection.smooth} neighbouring "
        f"ones, which gives step {selection.step} a value of {percent_text(selection.value)}. "
        f"Their own scores would {other}."
    )


def _against(other: Comparison) -> str:
    low, high = (points_text(bound) for bound in other.interval)
    return (
        f"95 % interval of the difference {low} to {high}; of {other.examples:,} examples only "
        f"the selected one solves {other.only_chosen}, only the other {other.only_other}; McNemar "
        f"p = {other.p_value:.3f}, with Holm's correction over all others {other.p_adjusted:.3f}"
    )
