"""One evaluation by several processes, none of which waits for another; see ``shards``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import torch

from specialize.errors import SpecializeError


def run_shards(arguments: Sequence[str], count: int) -> None:
    """Run ``specialize ARGUMENTS --shard i/count`` in ``count`` processes, to their end.

    Every process gets its share of the processor's cores, and of several GPUs one in turn. The
    first one's progress represents all.

    Raises:
        SpecializeError: a process failed; the end of its output is in the message.
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
        errors = [process.communicate()[1] for process in running]
    except BaseException:
        for process in running:
            process.terminate()
        raise
    for index, process in reversed(list(enumerate(running))):
        if process.returncode:
            last = (errors[index] or b"see above").decode(errors="replace").strip()[-500:]
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
