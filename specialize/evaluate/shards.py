"""One evaluation by several processes, none of which waits for another.

    specialize evaluate RUN --shard 0/4      every fourth example of every set and checkpoint
    specialize evaluate RUN --processes 4    four of these, then their predictions put together

A shard appends to files of its own beside the predictions' (``<name>.shard-0-of-4.jsonl``), so no
lock is needed, and each goes on after an interruption like a whole evaluation. An evaluation
without a shard takes over what the shards wrote, asks what is still missing, and scores.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from specialize.errors import ConfigurationError, SpecializeError


@dataclass(frozen=True, slots=True)
class Shard:
    """The examples at positions index, index + count, ... of every set."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ConfigurationError(
                f"shard {self.index}/{self.count}: of {self.count} shards the first is 0 and the "
                f"last {self.count - 1}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``0/4``: the first of four.

        Raises:
            ConfigurationError: the text is anything else.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise ConfigurationError(f"a shard reads INDEX/COUNT, such as 0/4, not {text!r}")
        return cls(int(index), int(count))

    def has(self, position: int) -> bool:
        return position % self.count == self.index

    @property
    def suffix(self) -> str:
        """What its files' names end with, before ``.jsonl``."""
        return f".shard-{self.index}-of-{self.count}"


def run_shards(arguments: Sequence[str], count: int) -> None:
    """Run ``specialize ARGUMENTS --shard i/count`` in ``count`` processes, to their end.

    Every process gets its share of the processor's cores, and of several GPUs one in turn. The
    first one's progress stands for all.

    Raises:
        SpecializeError: a process failed; what it said is in the message.
    """
    command = [sys.executable, "-m", "specialize", *arguments]
    running = [
        subprocess.Popen(
            [*command, "--shard", f"{index}/{count}"],
            env=_environment(index, count),
            stdout=subprocess.DEVNULL,
            stderr=None if index == 0 else subprocess.PIPE,
        )
        for index in range(count)
    ]
    try:
        said = [process.communicate()[1] for process in running]
    except BaseException:
        for process in running:
            process.terminate()
        raise
    for index, process in reversed(list(enumerate(running))):
        if process.returncode:
            last = (said[index] or b"see above").decode(errors="replace").strip()[-500:]
            raise SpecializeError(
                f"shard {index} of {count} ended with {process.returncode}: {last}; what was "
                f"answered is kept, so the same command goes on"
            )


def _environment(index: int, count: int) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {"OMP_NUM_THREADS": str(max(1, (cores or 1) // count))} | dict(os.environ)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = [d for d in visible.split(",") if d] or range(torch.cuda.device_count())
    if len(devices) > 1:
        found["CUDA_VISIBLE_DEVICES"] = str(devices[index % len(devices)])
    return found
