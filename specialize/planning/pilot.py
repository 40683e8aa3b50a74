"""The pilot: short real runs in a process of their own, and what their stages did and took."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.engines.pool import run_parts
from specialize.planning.measured import Measured, measure
from specialize.planning.short_runs import COMPILED, perform, short, sizes_of


def run_pilot(recipe: Recipe, folder: Path, seconds: float) -> list[Measured]:
    """The three runs in a process of their own; ``folder`` holds them and is removed.

    Args:
        recipe: what is planned.
        folder: a directory that is not there.
        seconds: of the processor that each part of the longer run should take, about.

    Raises:
        SpecializeError: what a run refuses.
    """
    folder.mkdir(parents=True)
    try:
        work = partial(perform, recipe, folder, seconds)
        run_parts(work, 1)
        if (folder / COMPILED).exists():
            shutil.rmtree(folder / "0")
            run_parts(work, 1)
        return [measure(short(recipe, size), run) for run, size in sizes_of(folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
