"""Is the plan's forecast right? Pilots, forecasts and real runs of several recipes, side by side.

    python scripts/bench/plan_forecast.py OUT [--data DATA_DIR] [--seconds 20] [--case NAME ...]

On the bundled world: a small quickstart, the same with four times the questions, the same in two
processes, all from one pilot, which measures what two processes pay too. With ``DATA_DIR`` (gsm8k/,
tokenizers/) also GSM8K with a GPT-2 and a T5 of random weights over their real vocabularies. Every
command is a process of its own. Prints one JSON object: of each case and stage, forecast and
measured seconds by wall clock and processor, and their ratios; and the load of the machine before
and after.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_recipe
from specialize.quickstart.run import Size, quickstart_recipe, write_data

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> str:
    """What ``specialize ARGUMENTS`` prints."""
    words = [sys.executable, "-m", "specialize", "-q", *arguments]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def bundled(folder: Path, size: Size) -> Recipe:
    """The quickstart's recipe over files in ``folder``."""
    write_data(folder / "data", size)
    return quickstart_recipe(folder, size)


def gsm8k(folder: Path, data: Path) -> Recipe:
    """A GPT-2 writes for a T5, both of random weights: nothing is right, so all is kept."""
    for kind, name in (("gpt2", "teacher"), ("t5", "student")):
        words = [kind, str(data / "tokenizers" / kind), str(folder / name)]
        script = str(ROOT / "scripts" / "build" / "build_random_model.py")
        subprocess.run([sys.executable, script, *words], check=True, capture_output=True)
    test = {"path": str(data / "gsm8k" / "test.jsonl"), "protocol": "first", "limit": 100}
    values = {
        "name": "gsm8k",
        "student": str(folder / "student"),
        "train_on": {"set": "gsm8k", "path": str(data / "gsm8k" / "train.jsonl"), "limit": 1000},
        "teachers": {
            "gpt2": {"model": str(folder / "teacher"), "samples": 2, "max_new_tokens": 64}
        },
        "objectives": [
            {"name": "cot", "format": "zero-shot-cot", "target": "distribution",
             "teacher": "gpt2", "keep": "all"},
            {"name": "answer", "format": "zero-shot-answer", "target": "answer"},
        ],
        "training": {"checkpoint_every": 20},
        "optimization": {"steps": 60, "batch_rows": 16, "accumulation": 1},
        "evaluation": {
            "max_new_tokens": 32,
            "sets": [{"set": "gsm8k", "role": "in-distribution", **test}],
        },
    }  # fmt: skip
    return build_recipe(values)


class Case(NamedTuple):
    """A run, the pilot that forecasts it, and the processes of both."""

    recipe: Recipe
    pilot: str
    processes: int = 1
    pilot_processes: int = 2


def cases(out: Path, data: Path | None) -> dict[str, Case]:
    """All, by their names; their models and data are written below ``out``."""
    small = bundled(out / "a", Size(300, 2, 75, 50))
    found = {
        "small": Case(small, "small"),
        "four times": Case(bundled(out / "b", Size(1200, 2, 75, 50)), "small"),
        "two processes": Case(small, "small", processes=2),
    }
    if data is not None:
        found["gsm8k"] = Case(gsm8k(out / "g", data.resolve()), "gsm8k", pilot_processes=1)
    return found


def compare(recipe: Path, figures: Path, run: Path, processes: int) -> dict[str, object]:
    """Forecast, then the real run, then both beside one another."""
    words = ["plan", str(recipe), "--figures", str(figures), "--processes", str(processes)]
    before, began = json.loads(command(*words, "--json")), time.monotonic()
    children = os.times()
    command("run", str(recipe), "--out", str(run), "--processes", str(processes))
    wall, now = time.monotonic() - began, os.times()
    processor = sum(now[2:4]) - sum(children[2:4])
    after = json.loads(command(*words, "--against", str(run), "--json"))
    known = {stage["stage"]: stage for stage in before["stages"]}
    stages = {
        stage["stage"]: pair(
            known[stage["stage"]]["seconds"], stage["took_seconds"],
            known[stage["stage"]]["processor_seconds"], stage["took_processor_seconds"],
        )
        for stage in after["stages"]
    }  # fmt: skip
    sums = [sum(each[key] or 0.0 for each in before["stages"])
            for key in ("seconds", "processor_seconds")]  # fmt: skip
    return {
        "stages": stages,
        "whole command": pair(sums[0], wall, sums[1], processor),
        "load": os.getloadavg()[0],
    }


def pair(wall: float, took: float, processor: float, spent: float) -> dict[str, float]:
    """Seconds of both clocks, and what was forecast as a share of what it took."""
    return {
        "forecast": round(wall, 2), "took": round(took, 2), "ratio": round(wall / took, 3),
        "forecast_processor": round(processor, 2), "took_processor": round(spent, 2),
        "ratio_processor": round(processor / spent, 3),
    }  # fmt: skip


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(exists=True, path_type=Path), default=None)
@click.option("--seconds", default=20.0, show_default=True, help="Of the pilot's longer run.")
@click.option("--case", "wanted", multiple=True, metavar="NAME", help="Of several.  [default: all]")
def main(out: Path, data: Path | None, seconds: float, wanted: Sequence[str]) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    found: dict[str, object] = {"load": os.getloadavg()[0], "pilot_seconds": seconds}
    known = cases(out, data)
    unknown = set(wanted) - known.keys()
    if unknown:
        raise click.BadParameter(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name, case in known.items():
        if wanted and name not in wanted:
            continue
        folder = name.replace(" ", "-")
        path, figures = out / f"{folder}.yaml", out / f"{case.pilot}.figures.json"
        path.write_text(case.recipe.to_yaml())
        if not figures.exists():
            began = time.monotonic()
            words = ["--figures", str(figures), "--pilot-seconds", str(seconds)]
            words += ["--processes", str(case.pilot_processes)]
            command("plan", str(path), "--pilot", *words)
            found[f"pilot of {case.pilot}"] = round(time.monotonic() - began, 1)
        found[name] = compare(path, figures, out / f"run-{folder}", case.processes)
        print(json.dumps({name: found[name]}), file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
