"""The numbers of a report as CSV, one line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from specialize.artifacts.scores import CheckpointScore
from specialize.report.gather import ReportData


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
