"""Work on numbered pieces in forked processes, whose results come back in order.

    for number, made in forked(lambda number: ..., range(15), 2):
        ...                               process 0 makes 0, 2, 4, ..., process 1 makes 1, 3, 5, ...

Threads of one interpreter wait for each other wherever Python itself has something to do; processes
do not. What is in memory when they are forked is in each at no cost, and what one of them changes
it alone knows. A process waits while its pipe is full, so that results do not pile up.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from specialize.errors import SpecializeError
from specialize.io.progress import set_verbosity

Item = TypeVar("Item")


def can_fork() -> bool:
    """Whether processes can be forked that may use numpy and its like; elsewhere than on Linux,
    system libraries do not allow it."""
    return sys.platform == "linux"


def forked(
    work: Callable[[int], Item],
    numbers: Sequence[int],
    count: int,
    *,
    files: Collection[int] = (),
    what: str = "shard",
    way_out: str = "with fewer --threads less memory is needed",
) -> Generator[tuple[int, Item], None, None]:
    """``work(number)`` of each of ``numbers``, in their order, made by ``count`` processes.

    Args:
        work: its results can be pickled.
        numbers: process w works on every ``count``-th, from the w-th on.
        files: the descriptors that ``work`` uses; all others are closed in the processes, so that
            no lock outlives who took it.
        what, way_out: the words for a number, and for what to do where a process was killed.

    Raises:
        SpecializeError: a process was killed.
        Whatever ``work`` raises, when the turn of its number comes.
    """
    started: list[tuple[Connection, BaseProcess]] = []
    try:
        for which in range(count):
            started.append(attended(partial(_make_each, work, numbers[which::count]), files))
        for place, number in enumerate(numbers):
            try:
                made, error = started[place % count][0].recv()
            except EOFError:
                raise SpecializeError(
                    f"the process that worked on {what} {number} was killed; {way_out}, and the "
                    f"same command goes on"
                ) from None
            if error is not None:
                raise error
            yield number, made
    finally:
        for pipe, process in started:
            pipe.close()
            process.terminate()
            process.join()


def attended(
    serve: Callable[[Connection], None], files: Collection[int] = ()
) -> tuple[Connection, BaseProcess]:
    """A forked process that runs ``serve``, and this process's end of the pipe between them.

    Args:
        serve: is given the other end, and returns when nobody is at this one any more.
        files: the descriptors that ``serve`` uses; all others are closed in the process.
    """
    context = get_context("fork")
    pipe, end = context.Pipe()
    process = context.Process(target=_alone, args=(serve, end, {end.fileno(), *files}), daemon=True)
    with warnings.catch_warnings():
        # of threads that may hold locks: the process prints nothing, and waits for none of them
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    end.close()
    return pipe, process


def _alone(serve: Callable[[Connection], None], pipe: Connection, kept: Collection[int]) -> None:
    """Run ``serve`` without what belongs to the process that was forked."""
    # a thread that was writing progress when this process was forked never lets go of its lock here
    set_verbosity("quiet")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that reads is told, and closes
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for entry in os.listdir("/proc/self/fd"):
        if int(entry) > 2 and int(entry) not in kept:
            with suppress(OSError):
                os.close(int(entry))
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):  # nobody is there any more
        serve(pipe)


def _make_each(work: Callable[[int], Item], numbers: Sequence[int], pipe: Connection) -> None:
    """Send what is made of each of ``numbers``, or the error, after which nothing follows."""
    for number in numbers:
        try:
            made = work(number)
        except Exception as error:
            pipe.send((None, error))
            return
        pipe.send((made, None))
