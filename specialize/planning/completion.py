"""A plan's stages on a cluster: the work of their shards, and when they will be done.

expect(recipe, stages, figures, Cluster(workers=16, lost_per_hour=0.1))
-> Expected(stage="dump llama", median_seconds=7480.0, late_seconds=8710.0, ...), ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from specialize.config.recipe import Recipe
from specialize.planning.cluster import Job, simulate
from specialize.planning.figures import Cluster, Figures, Rate, TeacherFigures
from specialize.planning.forecast import rate_of, tokens_money
from specialize.planning.work import Stage

MERGE = 0.02  # seconds for each shard, to check its hash and name it; not measured
LATE = 0.9  # of the simulated runs are done by then


@dataclass(frozen=True, slots=True)
class Expected:
    """When one stage is done, and what that costs, over the simulated runs.

    Attributes:
        stage: its name. workers: at most.
        median_seconds, late_seconds: after which half and nine tenths of the runs are done.
        median_money, late_money: of workers' hours, and of tokens.
        losses: workers lost or preempted, mean.
    """

    stage: str
    workers: int
    median_seconds: float
    late_seconds: float
    median_money: float
    late_money: float
    losses: float


def expect(
    recipe: Recipe, stages: Sequence[Stage], figures: Figures, cluster: Cluster, *, seed: int = 0
) -> Iterator[Expected]:
    """Simulate every stage that has parts and whose speed is known.

    Args:
        recipe: whose servers limit requests.
        stages: their work.
        figures: rates and prices.
        cluster: what does the parts.
        seed: of what is drawn.
    """
    for stage in stages:
        kind, _, name = stage.name.partition(" ")
        own = figures.teachers.get(name, TeacherFigures())
        rate = own.rate if kind == "dump" else rate_of(kind, figures)
        if rate is None or not stage.parts:
            continue
        server = recipe.teachers[name].server if kind == "dump" else None
        limits = [cluster.requests_per_minute, server and server.requests_per_minute]
        given = [limit for limit in limits if limit]
        limited = cluster.model_copy(
            update={"requests_per_minute": min(given) if given and server else None}
        )
        job = job_of(stage, rate, cluster)
        done = simulate(job, limited, seed=seed)
        hourly = 0.0 if server is not None else figures.price_per_device_hour / 3600
        money = done.worker_seconds * hourly + tokens_money(stage, own)
        yield Expected(
            stage=stage.name,
            workers=min(cluster.workers, len(job.shards)),
            median_seconds=round(done.quantile(0.5), 3),
            late_seconds=round(done.quantile(LATE), 3),
            median_money=round(float(np.quantile(money, 0.5)), 4),
            late_money=round(float(np.quantile(money, LATE)), 4),
            losses=round(float(done.losses.mean()), 3),
        )


def job_of(stage: Stage, rate: Rate, cluster: Cluster) -> Job:
    """The stage in shards; answers are divided among the parts, and kept as they come.

    Where workers share cores, each computes on one: its seconds are those of the processor.
    """
    divided = stage.name.startswith(("dump", "align"))
    count = stage.parts if divided else min(stage.parts, cluster.parts or cluster.workers)
    shared = cluster.cores is not None and rate.processor is not None
    took = rate.took(stage.units, starts=0)
    start = rate.took(0, loads=stage.loads)
    return Job(
        shards=[(took.processor_seconds if shared else took.seconds) / count] * count,
        start=start.processor_seconds if shared else start.seconds,
        merge=MERGE * stage.parts if divided else 0.0,
        requests=stage.requests / count,
    )
