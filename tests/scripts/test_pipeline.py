"""What a row costs: how it is told from what a stage costs anyway, the history, the figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "scripts" / "bench"
sys.path.append(str(FOLDER))

import pipeline  # noqa: E402  # a script, which is no package
from pipeline_figure import draw_history  # noqa: E402
from pipeline_inputs import Inputs  # noqa: E402
from stage_runs import PILOT, Meter, run_stages  # noqa: E402


def line(kind: str, rows: int, processor: float, **others: float) -> dict[str, object]:
    return {
        "kind": kind, "stage": "dump", "rows": rows, "tokens": 10 * rows, "processor": processor,
        "wall": processor, "model": 0.0, "pilot": 0.0, "peak_mib": 1, **others,
    }  # fmt: skip


def summary(grid: str, rows: int, *runs: float) -> dict[str, object]:
    setting = pipeline.Setting(grid, rows, Inputs("world", rows))
    lines = [{"kind": "start", "processor": 5.0}, line("first", 8, 9.0), line("fixed", 8, 1.0)]
    [start, dump] = pipeline.summarized(setting, [*lines, *(line("run", rows, t) for t in runs)])
    assert start["processor"] == 5.0
    return dump


def test_the_cost_of_a_row_is_without_the_fixed_cost() -> None:
    dump = summary("world", 108, 3.0, 2.0, 9.0)
    assert dump["processor"] == 3.0  # the median
    assert dump["fixed"] == 1.0
    assert dump["cost"] == dump["outside"] == 20_000  # microseconds: two seconds, a hundred rows
    assert summary("lengths", 108, 3.0)["cost"] == 2000  # a token


def test_growth_is_relative_to_the_smallest_that_can_be_measured() -> None:
    lines = [summary("world", rows, t) for rows, t in ((18, 1.1), (108, 3.0), (408, 17.0))]
    assert [each["measured"] for each in lines] == [False, True, True]
    assert [each.get("growth") for each in pipeline.with_growth(lines)] == [None, 1.0, 2.0]


def test_the_model_of_a_pilot_is_counted_with_the_pilot() -> None:
    class Work:
        def inner(self) -> int:
            return sum(range(100_000))

        def outer(self) -> int:
            return self.inner()

    pilot = Meter([(Work, "outer")])
    with pilot.installed(), Meter([(Work, "inner")], apart=pilot).installed() as model:
        Work().outer()
        assert model.seconds == 0 < pilot.seconds
        before = pilot.seconds
        Work().inner()
        assert model.seconds > 0 == pilot.seconds - before
    assert all(hasattr(owner, name) for owner, name in PILOT)


def test_figures_are_drawn_of_what_a_run_has(tmp_path: Path) -> None:
    lines = [summary("world", rows, t) for rows, t in ((108, 3.0), (408, 9.0))]
    draw_history(pipeline.with_growth(lines), tmp_path)
    [figure] = tmp_path.iterdir()
    assert figure.name == "stages-world.svg"
    assert "dump" in figure.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("world", ["world", "bundled"])
def test_every_stage_runs_and_is_measured(tmp_path: Path, world: pipeline.World) -> None:
    recipe = Inputs(world, 12).write(tmp_path)
    taken = {each.stage: each for each in run_stages(recipe, tmp_path / "run")}
    assert list(taken) == ["dump", "align", "rows", "train", "evaluate", "select", "report"]
    assert taken["dump"].rows == taken["align"].rows == 12
    for stage in ("dump", "train", "evaluate"):
        assert 0 < taken[stage].model < taken[stage].processor
    assert taken["dump"].pilot > 0 or world == "bundled"
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_a_run_is_appended_to_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = [pipeline.Setting("world", 1, Inputs("world", 12), again=6)]
    monkeypatch.setattr(pipeline, "settings_of", lambda grid, data: small)
    history = tmp_path / "history.jsonl"
    for _ in range(2):
        pipeline.keep(pipeline.run_grids(["world"], "data"), history)
    first, _ = map(json.loads, history.read_text().splitlines())
    assert {each["stage"] for each in first["stages"]} >= {"start", "dump", "report", "align again"}
    assert len(pipeline.last_of_each(history)) == len(first["stages"])
    assert set(first) == {"date", "commit", "versions", "machine", "seconds", "stages"}
