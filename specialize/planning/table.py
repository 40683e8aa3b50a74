"""A plan as a table of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from specialize.io.units import bytes_text, duration_text, number_text
from specialize.planning.stage import Plan, PlannedStage, disk_note

_WIDTH = 80


def table(plan: Plan) -> str:
    """The stages, what limits them, and what is assumed."""
    compared = any(stage.took_seconds is not None for stage in plan.stages)
    lines = [*(_compared(plan) if compared else _planned(plan)), "", *_below(plan)]
    if plan.cluster:
        lines += ["", *_simulated(plan)]
    return "\n".join(lines)


def _planned(plan: Plan) -> Iterator[str]:
    yield _line("stage", "work", "tokens", "disk", "time", "processor", bool(plan.money), "money")
    for each in plan.stages:
        yield _line(
            each.stage, f"{each.items:,} {each.what}", _count(each.tokens),
            bytes_text(each.bytes) if each.bytes else "", _duration(each.seconds),
            _duration(each.processor_seconds), bool(plan.money), number_text(each.money),
        )  # fmt: skip
    processor = sum(each.processor_seconds or 0.0 for each in plan.stages)
    yield _line(
        "total", "", "", bytes_text(plan.bytes), _duration(plan.device_hours * 3600),
        _duration(processor or None), bool(plan.money), number_text(plan.money),
    )  # fmt: skip


def _line(
    stage: str, work: str, tokens: str, disk: str, time: str, processor: str, priced: bool,
    money: str,
) -> str:  # fmt: skip
    end = f"{money:>9}" if priced else ""
    return f"{_short(stage)}{work:>19}{tokens:>10}{disk:>9}{time:>9}{processor:>10}{end}".rstrip()


def _compared(plan: Plan) -> Iterator[str]:
    """Forecast and what a run took, by the wall's clock and by the processor's."""
    yield f"{'':33}{'wall clock':^23}{'processor':^23}".rstrip()
    head = f"{'forecast':>9}{'took':>8}{'':>6}"
    yield f"{'stage':14}{'work':>19}{head}{head}".rstrip()
    for each in plan.stages:
        work = f"{each.items:,} {each.what}"
        wall = _pair(each.seconds, each.took_seconds)
        processor = _pair(each.processor_seconds, each.took_processor_seconds)
        yield f"{_short(each.stage)}{work:>19}{wall}{processor}".rstrip()
    ran = [each for each in plan.stages if each.took_seconds is not None]
    wall = _pair(_sum(ran, "seconds"), _sum(ran, "took_seconds"))
    processor = _pair(_sum(ran, "processor_seconds"), _sum(ran, "took_processor_seconds"))
    yield f"{'total':33}{wall}{processor}".rstrip()


def _sum(stages: list[PlannedStage], name: str) -> float:
    return sum(getattr(each, name) or 0.0 for each in stages)


def _pair(forecast: float | None, took: float | None) -> str:
    """Both, and the first as a share of the second."""
    ratio = f"{forecast / took:.2f}" if forecast and took else ""
    return f"{_duration(forecast):>9}{_duration(took):>8}{ratio:>6}"


def _short(stage: str) -> str:
    return f"{stage if len(stage) < 14 else stage[:12] + '…':14}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return duration_text(seconds) if seconds >= 10 else f"{seconds:.1f} s"


def _count(count: int) -> str:
    return "" if not count else f"{count:,}" if count < 1e7 else f"{count / 1e6:,.0f} M"


def _simulated(plan: Plan) -> Iterator[str]:
    head = f"{'workers':>10}{'median':>10}{'90 %':>10}{'losses':>10}{'money':>9}{'90 %':>9}"
    yield f"{'on a cluster':14}{head}"
    for each in plan.cluster:
        median, late = _duration(each.median_seconds), _duration(each.late_seconds)
        money, most = number_text(each.median_money), number_text(each.late_money)
        yield (
            f"{_short(each.stage)}{each.workers:>10}{median:>10}{late:>10}"
            f"{number_text(each.losses):>10}{money:>9}{most:>9}"
        )


def _below(plan: Plan) -> Iterator[str]:
    for word, limit in zip(("limits", "next"), plan.limits, strict=False):
        bound = f" ({limit.bound})" if limit.bound != "device" else ""
        yield _said(word, f"{limit.stage}, {limit.share:.0%} of the time{bound}: {limit.relief}")
    yield _said("disk", f"{bytes_text(plan.bytes)} of {bytes_text(plan.bytes_free)} free")
    requests = sum(each.requests for each in plan.stages)
    if requests:
        yield _said("requests", f"{requests:,}")
    note = disk_note(plan)
    for text in [*([note] if note else []), *plan.notes]:
        yield _said("note", text)


def _said(word: str, text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=f"{word:10}", subsequent_indent=" " * 10,
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
