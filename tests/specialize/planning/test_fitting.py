"""Rates of three runs: exact where times are linear, never below zero where they are noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.io.times import Took
from specialize.planning import fitting as module
from specialize.planning.figures import TeacherFigures
from specialize.planning.fitting import fit
from specialize.planning.measured import Measured

STAGES = ("dump t", "align t", "rows", "train", "evaluate", "test", "report", "save")
LOADS = {"save": 2, "evaluate": 2, "test": 3}
seconds = st.floats(0.01, 100)


def run(size: int, times: dict[str, Took]) -> Measured:
    units = dict.fromkeys(STAGES, 10.0 * size)
    teachers = {"t": TeacherFigures(response_tokens=5.0)}
    return Measured(times, units, LOADS, teachers, {"o": 1.0}, 20.0, 8 * size, 1e6, {})


@given(st.tuples(seconds, seconds, seconds), st.integers(2, 16))
def test_linear_times_give_their_costs(costs: tuple[float, float, float], larger: int) -> None:
    start, load, unit = costs

    def took(size: int, first: bool) -> dict[str, Took]:
        whole = {n: first * start + LOADS.get(n, 0) * load + 10 * size * unit for n in STAGES}
        whole["train"] = first * start + 10 * size * unit
        whole["save"] = LOADS["save"] * load
        return {name: Took(value, 2 * value) for name, value in whole.items()}

    found = fit([run(1, took(1, True)), run(1, took(1, False)), run(larger, took(larger, False))])
    for rate, loads in ((found.train, 1), (found.evaluate, 1), (found.rows, 0), (found.align, 0)):
        assert rate is not None
        assert rate.unit_seconds == pytest.approx(unit)
        assert rate.start_seconds == pytest.approx(start, rel=1e-6, abs=1e-6)
        assert rate.load_seconds == pytest.approx(loads * load, rel=1e-6, abs=1e-6)
        assert rate.processor is not None
        assert rate.processor.seconds == pytest.approx(2 * unit)
    assert found.teachers["t"].rate == found.align
    assert found.pilot_examples == 8 * larger


def test_a_divided_run_gives_what_processes_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit takes .1 s and a load 1 s, on one core, in every run; a process starts for 7 s."""
    monkeypatch.setattr(module, "usable_cores", lambda: 2)

    def took(size: int, once: Took, processes: int = 1) -> dict[str, Took]:
        times = {}
        for name in STAGES:
            divided = processes if name.split()[0] in ("dump", "align", "evaluate", "test") else 1
            loads, work = float(LOADS.get(name, 0)), size * 1.0
            answering = divided if name in ("evaluate", "test") else 1
            spent = work + divided * loads
            times[name] = Took(work / answering + loads, spent) + once
        return times | {"save": Took(2, 2)}

    runs = [run(1, took(1, Took(5, 5))), run(1, took(1, Took())), run(4, took(4, Took()))]
    found = fit([*runs, replace(run(1, took(1, Took(7, 14), 2)), processes=2)])
    for rate in (found.align, found.rows, found.evaluate, found.test, found.train, found.report):
        assert rate is not None
        assert rate.start_seconds == pytest.approx(5)
        assert rate.divided is not None
        assert rate.divided.processes == 2
        assert rate.divided.seconds == pytest.approx(7)
        assert rate.divided.processor_seconds == pytest.approx(14)


@given(st.lists(seconds, min_size=3, max_size=3))
def test_noise_gives_no_negative_costs(noise: list[float]) -> None:
    runs = [
        run(size, dict.fromkeys(STAGES, Took(n, n)))
        for size, n in zip((1, 1, 2), noise, strict=True)
    ]
    found = fit(runs)
    for rate in (found.train, found.rows, found.test):
        assert rate is not None
        assert rate.unit_seconds > 0
        assert min(rate.start_seconds, rate.load_seconds) >= 0


def test_runs_of_one_size_and_stages_that_are_not_there() -> None:
    times = {name: Took(2, 2) for name in STAGES if name != "align t"}
    found = fit([run(1, times)] * 3)
    assert found.align is None
    assert found.train is not None
    assert found.train.unit_seconds == pytest.approx(0.2)  # of the longer run alone
