"""Parts as processes of this machine: killed ones are started again, failing ones are quoted."""

from __future__ import annotations

import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from specialize.engines import Engine, pool
from specialize.errors import ConfigurationError, SpecializeError, StoreError
from specialize.io.part import Part
from specialize.stages.stores import merge_store
from tests.support import toys
from tests.support.killed_stages import visible
from tests.support.part_stages import Watched, align_into, dump_into


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that need not import everything anew."""
    monkeypatch.setattr(pool, "_context", toys.forkserver())


def run(work: partial[None], processes: int) -> None:
    Engine(processes).run(work, on_gpu=False)


def noted(folder: Path, part: Part) -> int:
    """How often this part has been begun, this time included."""
    file = folder / part.name
    file.write_text(f"{file.read_text() if file.exists() else ''}{os.environ['OMP_NUM_THREADS']}\n")
    return len(file.read_text().splitlines())


def killed_at_first(folder: Path, times: int, part: Part) -> None:
    if noted(folder, part) <= times and part.index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if part.index == 0:
        raise StoreError("the texts are damaged.")
    if part.index == 2:
        raise KeyError("what")


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_killed_processes_are_started_again_and_failing_ones_quoted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """These only write a line: forked, they cost nothing."""
    monkeypatch.setattr(pool, "_context", multiprocessing.get_context("fork"))
    message = r"part 0/3 failed \(1 other parts failed too\): the texts are damaged; what was"
    with pytest.raises(SpecializeError, match=message) as found:
        run(partial(killed_at_first, tmp_path, 2), 3)
    assert found.value.exit_code == StoreError.exit_code
    begun = {path.name: len(path.read_text().splitlines()) for path in tmp_path.iterdir()}
    assert begun == {"0-of-3": 1, "1-of-3": 3, "2-of-3": 1}
    said = capfd.readouterr().err
    assert said.count("part 1/3 was killed (signal 9); started again\n") == 2
    assert "KeyError: 'what'" in said


@pytest.mark.slow
def test_one_that_is_killed_again_and_again_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(SpecializeError, match=r"part 0/2 failed \(1 other"):
        run(partial(killed_at_first, tmp_path, 99), 2)
    assert len((tmp_path / "1-of-2").read_text().splitlines()) == 1 + pool.RESTARTS


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_write_the_store_of_one(tmp_path: Path, processes: int) -> None:
    """One is killed: what it was computing and committing is begun again, no other shard."""
    for name, work in (("r", dump_into), ("t", partial(align_into, tmp_path / "r"))):
        watched = Watched(tmp_path / f"{name}.log", killed_once=processes == 2)
        run(partial(work, tmp_path / f"{name}-2", watched=watched), processes)
        merge_store(tmp_path / f"{name}-2")
        work(tmp_path / name)
        assert visible(tmp_path / f"{name}-2") == visible(tmp_path / name)
        begun = watched.begun()
        assert len({*begun}) == 4
        assert len(begun) in ((5, 6) if processes == 2 else (4,))


def test_one_part_and_all_at_once_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match=r"--shard 0/4 is one part, --processes and --ray"):
        Engine(2).part("0/4")


def test_a_cluster_needs_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specialize.engines.engine.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'specialize\[ray\]'"):
        Engine(2, ray="auto").run(print, on_gpu=False)
