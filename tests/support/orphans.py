"""A command whose processes wait: ``python -m tests.support.orphans parts|cells FOLDER``."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

from specialize.engines.pool import run_parts
from specialize.io.part import Part

COUNT = 2


def wait_long(folder: Path, part: Part) -> None:
    """Say which process this is, and outlive every test."""
    (folder / f"{part.index}.begun").write_text(str(os.getpid()))
    (folder / f"{part.index}.begun").rename(folder / str(part.index))
    time.sleep(600)


def main(kind: str, folder: Path) -> None:
    work = partial(wait_long, folder)
    if kind == "parts":
        run_parts(work, COUNT)
        return
    from specialize.experiments.cells import workers

    with workers(COUNT) as pool:
        for index in range(COUNT):
            pool.submit(work, Part(index, COUNT))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
