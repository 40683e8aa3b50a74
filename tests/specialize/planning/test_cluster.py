"""The simulation of a cluster: exact where nothing is drawn, bounded where something is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.planning.cluster import Job, simulate
from specialize.planning.figures import Cluster

sizes = st.lists(st.integers(1, 50).map(float), min_size=1, max_size=12)


@given(sizes, st.integers(0, 20), st.integers(0, 20))
def test_one_worker_without_faults_does_one_after_another(
    shards: list[float], start: int, merge: int
) -> None:
    found = simulate(Job(shards, start, merge), Cluster(), runs=2)
    assert found.seconds == pytest.approx(sum(shards) + start + merge)
    assert found.worker_seconds == pytest.approx(found.seconds)
    assert not found.losses.any()


@given(sizes, st.integers(1, 5), st.integers(1, 9))
def test_parts_are_static_and_taken_in_turn(shards: list[float], workers: int, parts: int) -> None:
    """Against a plain list of when each worker is free."""
    found = simulate(Job(shards, 3.0), Cluster(workers=workers, parts=parts), runs=1)
    parts = min(parts, len(shards))
    free = [0.0] * min(workers, parts)
    for part in range(parts):
        first = free.index(min(free))
        free[first] += 3.0 + sum(shards[part::parts])
    assert found.seconds[0] == pytest.approx(max(free))


def test_more_workers_are_not_slower_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    means = []
    for workers in (1, 2, 4, 8, 16):
        own = Cluster(workers=workers, speed_spread=0.3)
        ends = [
            simulate(Job(rng.gamma(4.0, 10.0, 64).tolist(), 5.0), own, runs=20, seed=n).seconds
            for n in range(10)
        ]
        means.append(np.mean(ends))
    assert means == sorted(means, reverse=True)


@given(sizes, st.integers(1, 4), st.floats(0.1, 200.0), st.integers(0, 99))
def test_a_loss_repeats_at_most_the_shard_in_flight(
    shards: list[float], workers: int, lost: float, seed: int
) -> None:
    job = Job(shards, 4.0)
    whole = simulate(job, Cluster(workers=workers), runs=5, seed=seed)
    found = simulate(
        job, Cluster(workers=workers, lost_per_hour=lost, restart_seconds=7), runs=5, seed=seed
    )
    assert (found.worker_seconds >= whole.worker_seconds - 1e-6).all()
    most = whole.worker_seconds + found.losses * (max(shards) + 4.0)
    assert (found.worker_seconds <= most + 1e-6).all()
    assert (found.seconds <= whole.seconds + found.losses * (max(shards) + 4.0 + 7.0) + 1e-6).all()


def test_preempted_workers_are_away_but_do_not_cost() -> None:
    job = Job((600.0,) * 6, 10.0)
    own = {"workers": 2, "preempted_per_hour": 3.0}
    short = simulate(job, Cluster(**own, away_seconds=1), runs=200)
    long = simulate(job, Cluster(**own, away_seconds=3600), runs=200)
    assert long.seconds.mean() > short.seconds.mean() + 600
    assert long.worker_seconds.mean() == pytest.approx(short.worker_seconds.mean(), rel=0.1)


@given(sizes, st.integers(1, 6), st.integers(1, 20), st.integers(1, 600))
def test_a_limit_bounds_the_throughput(
    shards: list[float], workers: int, requests: int, limit: int
) -> None:
    job = Job(shards, 0.0, requests=requests)
    found = simulate(job, Cluster(workers=workers, requests_per_minute=limit), runs=1)
    least = len(shards) * requests * 60 / limit
    assert found.seconds[0] >= least - 1e-6
    free = simulate(job, Cluster(workers=workers), runs=1)
    assert found.seconds[0] <= least + free.seconds[0] + 1e-6


@given(sizes, st.integers(1, 6), st.integers(1, 3))
def test_cores_bound_what_workers_do_at_once(shards: list[float], workers: int, cores: int) -> None:
    found = simulate(Job(shards), Cluster(workers=workers, cores=cores), runs=1)
    apart = simulate(Job(shards), Cluster(workers=workers), runs=1)
    assert found.seconds[0] >= max(apart.seconds[0], sum(shards) / cores) - 1e-6
    if cores >= workers:
        assert found.seconds[0] == pytest.approx(apart.seconds[0])
    if workers >= len(shards) and cores == 1:
        assert found.seconds[0] == pytest.approx(sum(shards))


def test_stragglers_and_seeds() -> None:
    job = Job((10.0,) * 64, 1.0)
    one, other = (simulate(job, Cluster(workers=16, speed_spread=0.3), seed=s) for s in (1, 1))
    assert (one.seconds == other.seconds).all()
    even = simulate(job, Cluster(workers=16))
    assert one.quantile(0.5) > even.quantile(0.5) * 1.3  # the slowest of sixteen
    many = simulate(job, Cluster(workers=16, parts=64, speed_spread=0.3))
    assert many.quantile(0.5) < one.quantile(0.5)  # more parts than workers even them out
