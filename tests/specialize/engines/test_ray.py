"""Parts as tasks of a Ray cluster of three nodes, one of which is killed (extra ``ray``).

Ray's own utilities start the nodes on this machine; they share its directories, as nodes of a
cluster share a file system.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.part_stages import Watched

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
ROOT = Path(__file__).parents[3]
PARTS = 4


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A head and two more nodes, of one core each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(2):
        made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def kill_a_worker_node(cluster: Cluster, watched: Watched) -> None:
    """Kill a node that is no head, with all its processes, once it computes its second shard."""
    begun: dict[int, int] = {}
    while max(begun.values(), default=0) < 2:
        time.sleep(0.05)
        lines = watched.log.read_text().splitlines() if watched.log.exists() else []
        workers = {int(line.split()[2]) for line in lines} & workers_of(cluster.worker_nodes)
        begun = {pid: sum(line.endswith(f" {pid}") for line in lines) for pid in workers}
    [pid] = [pid for pid, shards in begun.items() if shards >= 2][:1]
    for node in cluster.worker_nodes:
        if pid in workers_of([node]):
            cluster.remove_node(node, allow_graceful=False)
            return
