"""Several jobs that each answer a part of every set, and the one that puts their answers together.

    specialize evaluate RUN --shard 0/4     every fourth example of every set and checkpoint
    specialize merge RUN                    the answers of all in one file, and the scores

A job appends to files of its own beside the predictions' (``<name>.shard-0-of-4.jsonl``), and goes
on after an interruption like a whole evaluation. Who puts them together takes over what they wrote,
so none may be writing then; a lock for each split and part says so, and which parts there are::

    predictions/.shards/validation.0-of-4/
"""

from __future__ import annotations

import re
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from specialize.datasets.recipe_sets import Split
from specialize.io.lock import writer_lock
from specialize.io.part import Part

_FOLDER = ".shards"


def suffix(part: Part) -> str:
    """What the names of its files end with, before ``.jsonl``."""
    return f".shard-{part.name}"


def shard_lock(run: Path, split: Split, part: Part) -> AbstractContextManager[None]:
    """Held while ``part`` is answered.

    Raises:
        LockedError: another process answers it.
    """
    return writer_lock(_folder(run) / f"{split}.{part.name}")


def begun_parts(run: Path, split: Split) -> list[Part]:
    """The parts that jobs have worked on since answers were last put together.

    Raises:
        LockedError: a job is still at one.
    """
    found = []
    for path in sorted(_folder(run).glob(f"{split}.*-of-*")):
        if match := re.fullmatch(rf"{split}\.(\d+)-of-(\d+)", path.name):
            with writer_lock(path):
                found.append(Part(int(match[1]), int(match[2])))
    return found


def forget_parts(run: Path, split: Split) -> None:
    """Nothing of the parts is left to be put together."""
    for path in _folder(run).glob(f"{split}.*-of-*"):
        shutil.rmtree(path, ignore_errors=True)
    if _folder(run).is_dir() and not any(_folder(run).iterdir()):
        _folder(run).rmdir()


def _folder(run: Path) -> Path:
    return run / "predictions" / _FOLDER
