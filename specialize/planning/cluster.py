"""A stage on a cluster, simulated: when will it be done, and what will it have cost?

    simulate(Job((60.0,) * 584, start=90.0, merge=20.0), Cluster(workers=16, lost_per_hour=0.1))
    -> Completion(seconds=array([2391.0, 2460.5, ...]), worker_seconds=array([...]), ...)

What is assumed, of every simulated run:

* Part p of P has the shards p, p + P, p + 2 P, ...; a worker does one part after another, each from
  a start of its own (imports, a model is loaded), and its shards one after another.
* A worker has one speed throughout, drawn from a log-normal of median 1: stragglers are its tail.
* A worker is lost at a constant rate while it works; it is back after ``restart_seconds``, starts
  again and repeats the shard in flight, no other. A preempted one is away for longer, exponentially
  distributed. Nobody else does its part meanwhile.
* Workers on one machine share its cores evenly.
* A server grants requests at a constant rate, first to those who asked first; a shard is not done
  before its last request was granted. A shard that is repeated asks again.
* When all parts are there one worker merges them.

All runs are simulated at once, event after event: what is a number below is an array over runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialize.planning.figures import Cluster

_IDLE, _STARTING, _WORKING, _AWAY = range(4)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Job:
    """A stage in shards.

    Attributes:
        shards: seconds of each, on a worker of speed 1 that has a core or device to itself.
        start: seconds before the first shard of a part, each time.
        merge: seconds of one worker at the end.
        requests: of a shard, to a server.
    """

    shards: Sequence[float]
    start: float = 0.0
    merge: float = 0.0
    requests: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Completion:
    """All (runs,).

    Attributes:
        seconds: until the merged whole is there.
        worker_seconds: that workers worked or started, waited for a server or merged; none of
            those that are away.
        losses: workers lost or preempted; as many shards were repeated, at most.
    """

    seconds: Floats
    worker_seconds: Floats
    losses: NDArray[np.int64]

    def quantile(self, share: float) -> float:
        """Seconds after which that share of the runs is done."""
        return float(np.quantile(self.seconds, share))


def simulate(job: Job, cluster: Cluster, *, runs: int = 400, seed: int = 0) -> Completion:
    """Simulate a stage ``runs`` times.

    Args:
        job: the stage; it has a shard or more.
        cluster: its workers, and what happens to them.
        runs: how often.
        seed: of everything that is drawn.
    """
    state = _State(job, cluster, runs, np.random.default_rng(seed))
    while state.busy.any():
        state.step()
    seconds = state.now + job.merge
    return Completion(seconds, state.worked + job.merge, state.losses)


class _State:
    """Where every run is; arrays are (runs,) or (runs, workers)."""

    def __init__(self, job: Job, cluster: Cluster, runs: int, rng: np.random.Generator) -> None:
        self.job, self.cluster, self.rng = job, cluster, rng
        self.parts = min(cluster.parts or cluster.workers, len(job.shards))
        count = min(cluster.workers, self.parts)
        shape = (runs, count)
        self.speed = np.exp(rng.normal(0.0, cluster.speed_spread, shape))
        self.sizes = np.array(job.shards, np.float64)
        self.phase = np.full(shape, _STARTING)
        self.shard = np.tile(np.arange(count), (runs, 1))  # the next one of each worker's part
        self.left = np.full(shape, job.start)
        self.gate = np.zeros(shape)  # when the server has granted the shard's last request
        self.next_part = np.full(runs, count)
        self.granted = np.zeros(runs)  # until when the server's grants are promised
        self.now, self.worked = np.zeros(runs), np.zeros(runs)
        self.losses = np.zeros(runs, np.int64)
        self.lost_at = self._next_loss(np.zeros(shape))

    @property
    def busy(self) -> NDArray[np.bool_]:
        """(runs,) whether any part is not done."""
        return (self.phase != _IDLE).any(1)

    def step(self) -> None:
        """The next event of every run that is not done."""
        rates = self._rates()
        ends = np.where(self.phase == _IDLE, np.inf, self.now[:, None] + self.left / rates)
        ends = np.maximum(ends, np.where(self.phase == _WORKING, self.gate, 0.0))
        at_work = (self.phase == _STARTING) | (self.phase == _WORKING)
        losing = at_work & (self.lost_at < ends)
        events = np.where(losing, self.lost_at, ends)
        runs = np.flatnonzero(self.busy)
        who = events[runs].argmin(1)
        passed = np.zeros(len(self.now))
        passed[runs] = events[runs, who] - self.now[runs]
        self.worked += passed * at_work.sum(1)
        self.left = np.maximum(self.left - passed[:, None] * rates, 0.0)
        self.now += passed
        lost = losing[runs, who]
        ended = self.phase[runs, who]
        self._lose(runs[lost], who[lost])
        self._begin(runs[~lost & (ended == _AWAY)], who[~lost & (ended == _AWAY)])
        self._work(runs[~lost & (ended == _STARTING)], who[~lost & (ended == _STARTING)])
        self._commit(runs[~lost & (ended == _WORKING)], who[~lost & (ended == _WORKING)])

    def _rates(self) -> Floats:
        """Work done in a second: a worker's own speed, on its share of the cores."""
        rates = self.speed
        if self.cluster.cores is not None:
            computing = (self.phase == _STARTING) | (self.phase == _WORKING)
            share = self.cluster.cores / np.maximum(computing.sum(1), 1)
            rates = rates * np.minimum(share, 1.0)[:, None]
        return np.where(self.phase == _AWAY, 1.0, rates)

    def _next_loss(self, now: Floats) -> Floats:
        per_hour = self.cluster.lost_per_hour + self.cluster.preempted_per_hour
        if not per_hour:
            return np.full(now.shape, np.inf)
        return now + self.rng.exponential(3600 / per_hour, now.shape)

    def _lose(self, runs: NDArray[np.int64], who: NDArray[np.int64]) -> None:
        """A worker goes; the shard that it was at is still to do."""
        own = self.cluster
        away = np.full(len(runs), float(own.restart_seconds))
        if own.preempted_per_hour:
            share = own.preempted_per_hour / (own.preempted_per_hour + own.lost_per_hour)
            taken = self.rng.random(len(runs)) < share
            away[taken] = self.rng.exponential(own.away_seconds or 1e-9, int(taken.sum()))
        self.phase[runs, who], self.left[runs, who] = _AWAY, away
        self.losses[runs] += 1

    def _begin(self, runs: NDArray[np.int64], who: NDArray[np.int64]) -> None:
        """A worker starts, for the first time or again."""
        self.phase[runs, who], self.left[runs, who] = _STARTING, self.job.start
        self.lost_at[runs, who] = self._next_loss(self.now[runs])

    def _work(self, runs: NDArray[np.int64], who: NDArray[np.int64]) -> None:
        """A worker begins its next shard, and asks for all that it needs of the server."""
        self.phase[runs, who] = _WORKING
        self.left[runs, who] = self.sizes[self.shard[runs, who]]
        limit = self.cluster.requests_per_minute
        if limit and self.job.requests:
            begins = np.maximum(self.granted[runs], self.now[runs])
            self.granted[runs] = begins + self.job.requests * 60 / limit
            self.gate[runs, who] = self.granted[runs]

    def _commit(self, runs: NDArray[np.int64], who: NDArray[np.int64]) -> None:
        """A shard is there; the worker goes on with the next one, or with another part."""
        self.shard[runs, who] += self.parts
        more = self.shard[runs, who] < len(self.sizes)
        self._work(runs[more], who[more])
        runs, who = runs[~more], who[~more]
        part = self.next_part[runs]
        self.next_part[runs] += 1
        left = part < self.parts
        self.phase[runs[~left], who[~left]] = _IDLE
        self.shard[runs[left], who[left]] = part[left]
        self._begin(runs[left], who[left])
