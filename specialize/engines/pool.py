"""The parts of a stage as processes of this machine, none of which waits for another.

A process that a signal ends (no memory was left, somebody killed it) is started again; what it had
committed is there, so that it repeats one shard. One that fails by an error of its own is not: it
would fail again.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext

from specialize.config import trust
from specialize.engines.engine import Work
from specialize.engines.worker import Failure, attempt, refuse_failures
from specialize.io.cores import usable_cores
from specialize.io.parent import end_with_parent
from specialize.io.part import Part
from specialize.io.progress import Verbosity, notice, verbosity

RESTARTS = 3  # of one part, before its losses are taken for its own fault
# Not forked: threads of this process, and its GPU, would not survive that.
_context: SpawnContext | ForkServerContext = multiprocessing.get_context("spawn")


def run_parts(work: Work, count: int) -> None:
    """Run ``work`` for each of ``count`` parts at once, to their end.

    Every process gets its share of the processor's cores, and of several GPUs one in turn.

    Raises:
        SpecializeError: a part failed, or was killed ``RESTARTS`` times and once more.
    """
    running = [_Worker(work, Part(index, count)) for index in range(count)]
    killed: Counter[Part] = Counter()
    failures: list[Failure] = []
    try:
        while running:
            wait([worker.process.sentinel for worker in running])
            for worker in [worker for worker in running if worker.process.exitcode is not None]:
                running.remove(worker)
                killed[worker.part] += worker.is_killed
                if worker.is_killed and killed[worker.part] <= RESTARTS:
                    notice(f"part {worker.part} was killed ({worker.ending}); started again")
                    running.append(_Worker(work, worker.part))
                elif (failure := worker.failure()) is not None:
                    failures.append(failure)
    finally:
        for worker in running:
            worker.process.terminate()
            worker.process.join()
    refuse_failures(failures)


class _Worker:
    """A process that does one part, and the end of the pipe on which it says why it could not."""

    def __init__(self, work: Work, part: Part) -> None:
        self.part = part
        self._heard, said = _context.Pipe(duplex=False)
        self.process = _context.Process(
            target=_serve,
            args=(work, part, trust.granted(), verbosity(), said),
            name=f"part {part}",
        )
        with _environment(part):
            self.process.start()
        said.close()

    @property
    def is_killed(self) -> bool:
        return (self.process.exitcode or 0) < 0

    @property
    def ending(self) -> str:
        code = self.process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def failure(self) -> Failure | None:
        """Why the part was not done; None where it was."""
        try:
            said: Failure | None = self._heard.recv()
        except EOFError:  # it never came so far
            return Failure(self.part, 1, f"its process ended with {self.ending}")
        return said


def _serve(
    work: Work, part: Part, granted: trust.Granted, loud: Verbosity, said: Connection
) -> None:
    end_with_parent()
    failure = attempt(work, part, granted, loud)
    said.send(failure)
    sys.exit(failure.code if failure is not None else 0)


@contextmanager
def _environment(part: Part) -> Iterator[None]:
    """What a process that is started inside the block finds in its environment."""
    changed = dict(os.environ)
    if part.count > 1:  # a lone one is free to divide them again
        changed.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // part.count)))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = [d for d in visible.split(",") if d] or range(_gpus())
    if len(devices) > 1:
        changed["CUDA_VISIBLE_DEVICES"] = str(devices[part.index % len(devices)])
    before = dict(os.environ)
    os.environ.update(changed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _gpus() -> int:
    """How many there are; imported here, so that a part begins without torch, as a command does."""
    import torch

    return torch.cuda.device_count()
