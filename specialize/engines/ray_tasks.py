"""The parts of a stage as tasks of a Ray cluster, whose nodes share the directories.

A task is one part. Ray gives it to a node that has a core, or a GPU, to spare, and gives it to
another where the node is lost; it then goes on from the part's last shard. Nothing is sent through
Ray but the arguments: parts are written where they belong, and the process that called this seals
the whole. So there is no data set of Ray's in between, whose blocks would have to be written again.
"""

from __future__ import annotations

import os
import time
from functools import partial

import ray

from specialize.config import trust
from specialize.engines.engine import Work
from specialize.engines.worker import Failure, attempt, refuse_failures
from specialize.errors import LockedError, first_line
from specialize.io.part import Part

RETRIES = 10  # of a task whose node or process was lost
PATIENCE = 60.0  # seconds that the process of a lost node may still hold its part's lock
_PAUSE = 0.5


def run_tasks(work: Work, count: int, address: str, *, on_gpu: bool) -> None:
    """Run ``work`` for each of ``count`` parts on the cluster at ``address``, to their end.

    Args:
        work: as of ``Engine.run``; relative paths in it are those of the present directory, which
            the nodes must have too.
        count: of parts; more than there are nodes even out what nodes are slower at.
        address: ``auto``, or HOST:PORT of the head.
        on_gpu: a task takes a GPU, where the cluster has any.

    Raises:
        SpecializeError: a part failed, or lost its node ``RETRIES`` times and once more.
    """
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(address=address, log_to_driver=False)
    try:
        gpus = 1 if on_gpu and ray.cluster_resources().get("GPU", 0) else 0
        task = ray.remote(_serve).options(
            num_cpus=1, num_gpus=gpus, max_retries=RETRIES, scheduling_strategy="SPREAD"
        )
        settings = trust.granted(), os.getcwd()
        parts = [Part(index, count) for index in range(count)]
        tasks = [task.remote(work, part, *settings) for part in parts]
        outcomes = map(_outcome, tasks, parts)
        refuse_failures([failure for failure in outcomes if failure is not None])
    finally:
        if started_here:
            ray.shutdown()


def _outcome(task: ray.ObjectRef[Failure | None], part: Part) -> Failure | None:
    """What a task said in the end, or why Ray gave it up."""
    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:
        return Failure(part, 1, first_line(error))


def _serve(work: Work, part: Part, granted: trust.Granted, folder: str) -> Failure | None:
    os.chdir(folder)
    return attempt(partial(_patiently, work), part, granted, "normal")


def _patiently(work: Work, part: Part) -> None:
    """``work``, once a process that was lost with its node has let go of the part."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            work(part)
            return
        except LockedError:
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE)
