"""Short runs -> rates: what a stage pays once, for a model, and for a unit.

unit = (longer - again) / (its units)     load = (again - its units) / models     start: the rest
divided = what a run with several processes took beside its units and models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specialize.io.cores import usable_cores
from specialize.io.times import Took
from specialize.planning.figures import Divided, Figures, Rate, Spent, TeacherFigures
from specialize.planning.measured import Measured
from specialize.planning.sharing import shared

_ANSWERED = frozenset({"evaluate", "test"})
_DIVIDED = _ANSWERED | {"dump", "align"}
_LEAST = 1e-9  # seconds of a unit: a stage that took no longer with more of them costs nothing


def fit(runs: Sequence[Measured]) -> Figures:
    """The figures of three runs: the first, the same again, and a longer one.

    A fourth, where there is one, is the first with several processes.
    """
    longer = runs[2]
    return Figures(
        teachers={
            name: lengths.model_copy(update={"rate": _fit(runs, f"dump {name}")})
            for name, lengths in longer.teachers.items()
        },
        align=_aligning(runs, longer.teachers),
        rows=_fit(runs, "rows"),
        train=_training(runs),
        evaluate=_fit(runs, "evaluate"),
        test=_fit(runs, "test"),
        report=_fit(runs, "report"),
        rows_per_question=dict(longer.rows),
        row_tokens=longer.row_tokens,
        checkpoint_bytes=longer.checkpoint_bytes,
        answers=dict(longer.answers),
        pilot_examples=longer.questions,
    )


def _fit(runs: Sequence[Measured], stage: str) -> Rate | None:
    """Of one stage; None where no run had it."""
    if any(stage not in run.times for run in runs):
        return None
    first, again, longer, *others = (run.times[stage] for run in runs)
    units = [run.units[stage] for run in runs]
    unit = _unit(again, longer, units[1], units[2])
    loads = [run.loads.get(stage, 0) for run in runs]
    left = (again - unit * units[1]).at_least(0.0)
    load = left * (1 / loads[1]) if loads[1] else Took()
    start = (first - unit * units[0] - load * loads[0]).at_least(0.0)
    rate = _rate(start, load, unit)
    if not others:
        return rate
    return rate.model_copy(update={"divided": _divided(rate, stage, runs[3])})


def _divided(rate: Rate, stage: str, run: Measured) -> Divided:
    """What ``stage`` of a run with several processes paid once.

    So few responses are one shard, which one process makes; answers are divided evenly.
    """
    kind = stage.split()[0]
    processes = run.processes if kind in _DIVIDED else 1
    work = shared(
        rate.took(run.units[stage], starts=0),
        rate.took(0, loads=run.loads.get(stage, 0), starts=0),
        share=1 / processes if kind in _ANSWERED else 1.0,
        processes=processes,
        cores=usable_cores(),
    )
    once = (run.times[stage] - work).at_least(0.0)
    return Divided(
        processes=run.processes,
        seconds=once.seconds,
        processor_seconds=once.processor_seconds,
    )


def _unit(again: Took, longer: Took, few: float, many: float) -> Took:
    """Of the difference of two runs; of the longer one alone where they are of one size."""
    if many > few:
        return ((longer - again) * (1 / (many - few))).at_least(_LEAST)
    return (longer * (1 / max(many, 1))).at_least(_LEAST)


def _rate(start: Took, load: Took, unit: Took) -> Rate:
    return Rate(
        seconds=unit.seconds,
        start_seconds=start.seconds,
        load_seconds=load.seconds,
        processor=Spent(
            seconds=unit.processor_seconds,
            start_seconds=start.processor_seconds,
            load_seconds=load.processor_seconds,
        ),
    )


def _training(runs: Sequence[Measured]) -> Rate | None:
    """Steps, and checkpoints, whose times are apart."""
    rate = _fit(runs, "train")
    if rate is None or rate.processor is None:
        return rate
    saved = [run.times["save"] * (1 / run.loads["save"]) for run in runs]
    each = min(saved, key=lambda took: took.processor_seconds)
    spent = rate.processor.model_copy(update={"load_seconds": each.processor_seconds})
    return rate.model_copy(update={"load_seconds": each.seconds, "processor": spent})


def _aligning(runs: Sequence[Measured], teachers: Mapping[str, TeacherFigures]) -> Rate | None:
    """Of every teacher the rate of the one whose start is longest: the first loads the kernels."""
    rates = [rate for name in teachers if (rate := _fit(runs, f"align {name}")) is not None]
    return max(rates, key=lambda rate: rate.start_seconds, default=None)
