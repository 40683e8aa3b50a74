"""Parts as tasks of a Ray cluster of three nodes, one of which is killed (extra ``ray``).

Ray's own utilities start the nodes on this machine; they share its directories, as nodes of a
cluster share a file system.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from specialize.config.yaml_files import record_recipe
from specialize.engines import Engine
from specialize.errors import SpecializeError, StoreError
from specialize.evaluate import asking
from specialize.io.part import Part
from specialize.pipeline import evaluate_run, merge
from specialize.stages.stores import merge_store
from tests.support.evaluation_toys import write_world
from tests.support.killed_stages import visible
from tests.support.part_stages import MANY, Watched, align_into, dump_into

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
ROOT = Path(__file__).parents[3]
PARTS, SHARDS = 3, 15
SMALL = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head and two more nodes, of one core each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        made = Cluster(initialize_head=True, head_node_args=SMALL)
        for _ in range(2):
            made.add_node(**SMALL)
        made.wait_for_nodes()
        yield made
        made.shutdown()


def kill_a_node(cluster: Cluster, watched: Watched) -> None:
    """Kill a node that is no head, with its worker, once that has begun its third shard."""
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in cluster.worker_nodes}
    while True:
        time.sleep(0.05)
        begun = Counter(line.split()[2] for line in watched.lines())
        for pid in [pid for pid, shards in begun.items() if shards > 2]:
            node = raylets.get(int(Path("/proc", pid, "stat").read_text().split()[3]))
            if node is not None:
                os.kill(int(pid), signal.SIGKILL)
                cluster.remove_node(node, allow_graceful=False)
                return


@pytest.mark.parametrize("name", ["responses", "targets"])
def test_a_node_is_lost(cluster: Cluster, tmp_path: Path, name: str) -> None:
    """The store of one process; only what the lost node was at is begun again."""
    work: Callable[..., object] = partial(dump_into, examples=MANY)
    work(tmp_path / "responses")
    if name == "targets":
        work = partial(align_into, tmp_path / "responses")
        work(tmp_path / "targets")
    watched = Watched(tmp_path / "log", seconds=1.0)
    killer = Thread(target=kill_a_node, args=(cluster, watched))
    killer.start()
    engine = Engine(PARTS, ray=cluster.address)
    engine.run(partial(work, tmp_path / "parts", watched=watched), on_gpu=False)
    killer.join()
    cluster.add_node(**SMALL)
    merge_store(tmp_path / "parts")
    assert visible(tmp_path / "parts") == visible(tmp_path / name)
    begun, by = watched.begun(), {line.split()[2] for line in watched.lines()}
    assert (len({*begun}), len(by) >= PARTS) == (SHARDS, True)
    assert SHARDS < len(begun) <= SHARDS + 2, "computed and committed at once"


def dying_once(run: Path, part: Part) -> None:
    """Answers a part of a run; the process of part 1 is killed after its first answers."""
    mark, keep = run / "killed", asking._keep

    def keep_and_die(answered: Sequence[object]) -> None:
        keep(answered)
        if part.index == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch.object(asking, "_keep", keep_and_die):
        evaluate_run(run, "validation", shard=str(part))


def test_answers_of_tasks_are_those_of_one_process(cluster: Cluster, tmp_path: Path) -> None:
    recipe, run = write_world(tmp_path), tmp_path / "run"
    for folder in (run, tmp_path / "whole"):
        folder.mkdir(exist_ok=True)
        record_recipe(recipe, folder)
    expected = evaluate_run(tmp_path / "whole", "validation")
    Engine(PARTS, ray=cluster.address).run(partial(dying_once, run), on_gpu=True)
    assert (run / "killed").exists()
    assert merge(run, "validation") == expected
    for file in (tmp_path / "whole" / "predictions").rglob("*.jsonl"):
        assert file.read_bytes() == (run / file.relative_to(tmp_path / "whole")).read_bytes()


def failing(part: Part) -> None:
    if part.index:
        raise StoreError("the texts are damaged.")


def test_a_task_that_fails_is_quoted(cluster: Cluster) -> None:
    message = r"part 1/3 failed \(1 other parts failed too\): the texts are damaged; what was"
    with pytest.raises(SpecializeError, match=message) as found:
        Engine(PARTS, ray=cluster.address).run(failing, on_gpu=False)
    assert found.value.exit_code == StoreError.exit_code
