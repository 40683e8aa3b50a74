"""The share of a command that is not spent in its models: unions of times, processes, kinds."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from scripts.bench.model_share import WATCHED, Interval, covered, measure, read, share

LOSS = """
import time
def measured_kl(seconds):
    time.sleep(seconds)
def twice(seconds):
    return measured_kl(seconds)
"""
COMMAND = """
import multiprocessing, time
from specialize.losses.sparse import measured_kl
measured_kl(0.05)
time.sleep(0.05)
child = multiprocessing.get_context("fork").Process(target=measured_kl, args=(0.1,))
child.start()
measured_kl(0.02)
child.join()
"""


@pytest.mark.parametrize(
    ("spans", "length"),
    [
        ([], 0),
        ([(1, 3)], 2),
        ([(1, 3), (5, 6)], 3),
        ([(5, 6), (1, 3)], 3),
        ([(1, 3), (2, 4)], 3),
        ([(1, 9), (2, 4), (3, 5)], 8),
        ([(1, 3), (3, 4)], 3),
    ],
)
def test_length_of_a_union(spans: list[tuple[float, float]], length: float) -> None:
    assert covered(spans) == length


@pytest.mark.parametrize(("module", "names"), WATCHED.items(), ids=list(WATCHED))
def test_what_is_watched_is_where_it_is_looked_for(module: str, names: Mapping[str, str]) -> None:
    home = import_module(module)
    for name in names:
        assert attrgetter(name)(home).__module__ == module


def test_what_overlaps_is_one_time_of_the_wall_and_two_of_the_processor() -> None:
    found = [
        Interval("forward", 0, 4, 4.0),
        Interval("generate", 2, 6, 3.0),
        Interval("forward", 8, 9, 1.0),
    ]
    assert share(found, wall=10, processor=16) == {
        "wall": 10,
        "processor": 16,
        "cores_used": 1.6,
        "outside_wall": 0.3,
        "outside_processor": 0.5,
        "in_models": {
            "forward": {"wall": 5, "processor": 5.0},
            "generate": {"wall": 4, "processor": 3.0},
        },
    }


def test_a_command_is_watched_with_the_processes_that_it_forks(tmp_path: Path) -> None:
    package = tmp_path / "specialize" / "losses"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "sparse.py").write_text(LOSS)
    found = measure(
        [sys.executable, "-P", "-c", COMMAND], {"PATH": os.defpath, "PYTHONPATH": str(tmp_path)}
    )
    kinds = found["in_models"]
    assert isinstance(kinds, dict)
    assert list(kinds) == ["forward"]
    assert 0.15 <= kinds["forward"]["wall"] <= float(str(found["wall"])) - 0.05


def test_a_command_that_fails_has_no_share(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"], {"PATH": os.defpath})


def test_each_process_has_a_file(tmp_path: Path) -> None:
    (tmp_path / "7").write_text('["forward", 0.5, 1.5, 0.9]\n["backward", 2.0, 3.0, 1.0]\n')
    (tmp_path / "8").write_text('["generate", 0.0, 1.0, 1.0]\n')
    assert sorted(read(tmp_path)) == [
        Interval("backward", 2.0, 3.0, 1.0),
        Interval("forward", 0.5, 1.5, 0.9),
        Interval("generate", 0.0, 1.0, 1.0),
    ]
