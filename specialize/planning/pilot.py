"""The pilot: short real runs in a process of their own, and what their stages did and took."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.engines.pool import run_parts
from specialize.planning.measured import Measured, measure
from specialize.planning.short_runs import (
    COMPILED,
    perform,
    perform_divided,
    short,
    sizes_of,
)


def run_pilot(
    recipe: Recipe, folder: Path, seconds: float, *, processes: int = 1
) -> list[Measured]:
    """Three runs in a process of their own, with several ``processes`` a fourth in another.

    ``folder`` holds them and is removed.

    Args:
        recipe: what is planned.
        folder: a directory that is not there.
        seconds: of the processor that each part of the longer run should take, about.
        processes: of the run that is planned.

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
        if processes > 1:
            run_parts(partial(perform_divided, recipe, folder, processes), 1)
        counts = (1, 1, 1, processes)
        return [
            measure(short(recipe, size), run, processes=count)
            for (run, size), count in zip(sizes_of(folder), counts, strict=False)
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
