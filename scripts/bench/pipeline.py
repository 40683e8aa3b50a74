"""Every stage of a run and the whole of it: what a row costs, and how that grows.

    python scripts/bench/pipeline.py --data DATA_DIR [--history FILE] [--figures FOLDER]
        [--only world gsm8k lengths k workers whole]

    world    1, 4, 16 and 64 times as many rows: fresh problems of the bundled world; the align
             stage also on the first rows again and again
    gsm8k    the same of GSM8K with real vocabularies
    lengths  texts of 512, 2,048, 8,192 and 32,768 tokens, as many tokens of each
    k        5, 16 and 64 entries a position
    workers  one process and two
    whole    all stages in one process with its start, the bundled models and GSM8K

The smallest setting of a grid is run once more before, so that every kernel is compiled. Each
setting is a process of its own, which runs all stages three times: on eight rows, where
everything is imported, compiled and loaded for the first time; on eight rows again, which gives the
fixed cost of each stage (its model, its tokenizers, its files); and on the rows of the setting. The
cost a row is what the third run took more than the second, a row more: without the start of the
process, and without the texts (64 at most) that a dump tries first. Seconds are of the processor,
with all threads and child processes. ``growth`` is the cost a row (of ``lengths``: a token) outside
the model, in units of that of the smallest setting where it can be told from the fixed cost.

With ``--data`` a run is made and appended to ``--history``, a line of JSON with versions and
machine; ``--figures`` draws the last one of each grid.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pipeline_figure import draw_history
from pipeline_inputs import Inputs, World

ROOT = Path(__file__).resolve().parents[2]
HISTORY = Path(__file__).with_name("history") / "pipeline.jsonl"
TIMES = (1, 4, 16, 64)
LENGTHS = (512, 2048, 8192, 32_768)
GRIDS = ("world", "gsm8k", "lengths", "k", "workers", "whole")
BASE: dict[World, int] = {"world": 256, "gsm8k": 32}
UNIT = 8  # rows of the runs that give the fixed cost
TOKENS = 65_536  # of the texts of one length
LONG = ("dump", "align", "rows", "train", "evaluate")  # stages that read texts
SMALL = 0.5  # of the fixed cost: less is no measurement of what comes on top of it
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "numba")
Line = dict[str, object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One process.

    Attributes:
        grid: what it belongs to. at: its place there: times, tokens, k or workers.
        repeats: runs on its rows; medians count. stages: which are run.
        again: align the first rows of the grid, as often as gives its rows, too.
        fixed: whether the fixed cost is measured, before all else.
    """

    grid: str
    at: int
    inputs: Inputs
    repeats: int = 1
    workers: int = 1
    again: int = 0
    fixed: bool = True
    stages: tuple[str, ...] = (*LONG, "select", "report")


def settings_of(grid: str, data: str) -> Iterator[Setting]:
    """The settings of a grid."""
    if grid == "world" or grid == "gsm8k":
        base = BASE[grid]
        for times, repeats in zip(TIMES, (5, 3, 1, 1), strict=True):
            inputs = Inputs(grid, base * times, data=data)
            yield Setting(grid, times, inputs, repeats, again=base)
    elif grid == "lengths":
        for tokens in LENGTHS:
            inputs = Inputs("trace", TOKENS // tokens, tokens=tokens, data=data)
            yield Setting("lengths", tokens, inputs, stages=LONG)
    elif grid == "k":
        for k in (5, 16, 64):
            yield Setting("k", k, Inputs("gsm8k", 128, k=k, data=data), stages=LONG)
    elif grid == "workers":
        for workers in (1, 2):
            inputs = Inputs("world", 4096, data=data)
            yield Setting("workers", workers, inputs, workers=workers, fixed=False, stages=LONG)
    else:
        for world in ("bundled", "gsm8k"):
            yield Setting(f"whole {world}", 1, Inputs(world, 256, data=data), fixed=False)


# ---- one process -------------------------------------------------------------------------------


def run_setting(setting: Setting) -> Iterator[Line]:
    """Every stage of a setting, and of the runs that give its fixed cost."""
    began = time.process_time()
    import torch
    from stage_runs import Taken, align_again, run_stages

    from specialize.io import progress

    torch.set_num_threads(1)
    progress.set_verbosity("quiet")
    yield {"kind": "start", "processor": time.process_time() - began}

    def line(kind: str, taken: Taken) -> Line:
        return {"kind": kind, **asdict(taken)}

    unit = replace(setting.inputs, rows=UNIT, tokens=256)
    runs = [("first", unit), ("fixed", unit)] if setting.fixed else []
    for kind, inputs in [*runs, *[("run", setting.inputs)] * setting.repeats]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            recipe = inputs.write(folder)
            workers = setting.workers if kind == "run" else 1
            run, stages = folder / "run", setting.stages
            for taken in run_stages(recipe, run, stages=stages, workers=workers):
                yield line(kind, taken)
            if setting.again:
                first = min(setting.again, inputs.rows)
                yield line(kind, align_again(recipe, folder / "run", first, inputs.rows))


def started(setting: Setting) -> list[Line]:
    """``run_setting`` in a process of its own."""
    command = [sys.executable, __file__, "--setting", json.dumps(asdict(setting))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{setting} failed: {done.stderr[-2000:]}")
    return [json.loads(text) for text in done.stdout.splitlines()]


# ---- figures -----------------------------------------------------------------------------------


def summarized(setting: Setting, lines: Sequence[Line]) -> list[Line]:
    """What each stage of a setting took: medians of its runs, and its cost a row or token."""
    of_kind: dict[tuple[str, str], list[Line]] = {}
    for each in lines:
        if "stage" in each:
            of_kind.setdefault((str(each["stage"]), str(each["kind"])), []).append(each)
    start = next(each for each in lines if each["kind"] == "start")
    stages: list[Line] = [{"stage": "start", "processor": start["processor"]}]
    for (stage, kind), runs in of_kind.items():
        if kind != "run":
            continue
        [*_, fixed] = of_kind.get((stage, "fixed"), [{}])
        numbers = {name: _median(runs, name) for name in runs[0] if name not in ("kind", "stage")}
        stages.append({"stage": stage, **numbers, **_costs(numbers, fixed, setting.grid)})
    return [{"grid": setting.grid, "at": setting.at, **_rounded(each)} for each in stages]


def _median(runs: Sequence[Line], name: str) -> float:
    return statistics.median(float(str(each[name])) for each in runs)


def _costs(run: Mapping[str, float], fixed: Line, grid: str) -> Line:
    """Microseconds a row (of ``lengths``: a token), all of it and outside the model."""
    before = {name: float(str(fixed.get(name, 0))) for name in run}
    counted = "tokens" if grid == "lengths" else "rows"
    units = max(1.0, run[counted] - before[counted])
    spent = {name: run[name] - before[name] for name in ("processor", "model", "pilot")}
    whole = spent["processor"] - spent["pilot"]
    outside = whole - spent["model"]
    least = SMALL * (before["processor"] - before["pilot"] - before["model"])
    return {
        "fixed": before["processor"],
        "cost": 1e6 * whole / units,
        "outside": 1e6 * outside / units,
        "measured": outside > least,
    }


def _rounded(line: Line) -> Line:
    return {n: float(f"{v:.4g}") if isinstance(v, float) else v for n, v in line.items()}


def with_growth(lines: Sequence[Line]) -> list[Line]:
    """Every line with its cost outside the model in units of the smallest setting's."""
    least: dict[tuple[object, object], float] = {}
    found = []
    for each in lines:
        if each.get("measured"):
            outside = float(str(each["outside"]))
            first = least.setdefault((each["grid"], each["stage"]), outside)
            each = {**each, "growth": round(outside / first, 3)}
        found.append(each)
    return found


def machine() -> Line:
    """Where a run was made."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.is_file() else []
    name = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
    return {
        "processor": name or platform.processor(), "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1), "system": platform.system(),
        "python": platform.python_version(),
    }  # fmt: skip


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout.strip() or "unknown"


def run_grids(grids: Sequence[str], data: str) -> Line:
    """One run, as it is kept in the history."""
    found: list[Line] = []
    about, began = machine(), time.perf_counter()
    for grid in grids:
        [smallest, *larger] = settings_of(grid, data)
        started(smallest)  # its rows may need kernels that eight rows do not
        for setting in (smallest, *larger):
            found += summarized(setting, started(setting))
            for each in found:
                if (each["grid"], each["at"]) == (setting.grid, setting.at):
                    print(json.dumps(each), flush=True)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "commit": commit(),
        "versions": {name: version(name) for name in PACKAGES}, "machine": about,
        "seconds": round(time.perf_counter() - began), "stages": with_growth(found),
    }  # fmt: skip


def keep(run: Line, history: Path) -> None:
    """Append a run, as a line of JSON."""
    history.parent.mkdir(parents=True, exist_ok=True)
    with history.open("a") as file:
        file.write(json.dumps(run, sort_keys=True) + "\n")


def last_of_each(history: Path) -> list[Line]:
    """The lines of every grid's last run."""
    found: dict[object, list[Line]] = {}
    for text in history.read_text().splitlines():
        lines = json.loads(text)["stages"]
        for grid in {each["grid"] for each in lines}:
            found[grid] = [each for each in lines if each["grid"] == grid]
    return [each for grid in sorted(found) for each in found[grid]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="", help="folder with gsm8k/ and tokenizers/")
    parser.add_argument("--only", nargs="+", choices=GRIDS, default=GRIDS, help="grids to run")
    parser.add_argument("--history", type=Path, default=HISTORY, help="where it is appended")
    parser.add_argument("--figures", type=Path, help="folder: draw the history's last run there")
    parser.add_argument("--setting", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.setting:
        values = json.loads(given.setting)
        setting = Setting(**values | {"inputs": Inputs(**values["inputs"])})
        for each in run_setting(setting):
            print(json.dumps(each), flush=True)
        return
    if given.data:
        keep(run_grids(given.only, given.data), given.history)
    if given.figures:
        draw_history(last_of_each(given.history), given.figures)


if __name__ == "__main__":
    main()
