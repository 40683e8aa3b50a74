"""Dump and align survive kills, rivals and a full disk: the store's bytes are always the same.

What is marked slow are the full numbers of the same checks.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.store_samples import memory_folder

ROOT = Path(__file__).parents[3]


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


def campaign(*arguments: str, inside: tuple[str, ...] = ()) -> dict[str, object]:
    """What ``killed_stages`` tells of one campaign."""
    how, stage, *counts = arguments
    with memory_folder() as folder:
        done = subprocess.run(
            [*inside, sys.executable, "-m", "tests.support.killed_stages",
             how, stage, str(folder), *counts],
            capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(" ".join(arguments), told)
    return told


@pytest.mark.parametrize("stage", ["dump", slow("align")])
def test_killed_before_any_operation_and_resumed(stage: str) -> None:
    """Every single file operation of three shards, some resumed stages killed again."""
    told = campaign("every", stage)
    assert told["differing"] == []
    assert told["operations"] > 50
    assert told["killed_twice"] > 10


@pytest.mark.parametrize(
    ("stage", "kills"), [("dump", 10), ("align", 2), slow("dump", 300), slow("align", 200)]
)
def test_killed_at_random_moments_and_resumed(stage: str, kills: int) -> None:
    told = campaign("random", stage, str(kills))
    assert told["differing"] == []
    assert told["killed"] == kills
    if kills >= 200:  # then kills came before, between and after all commits
        assert all(told["committed_when_killed"][:4])
        assert told["killed_twice"] > 20


@pytest.mark.parametrize("rounds", [5, slow(200)])
def test_two_writers_and_a_reader(rounds: int) -> None:
    """One wins, the other leaves with code 6 (or comes when all is done); no row read is wrong."""
    told = campaign("race", "dump", str(rounds))
    assert told["wrong"] == 0
    assert sum(told["exit_codes"].values()) == rounds
    assert told["exit_codes"].keys() <= {"(0, 6)", "(0, 0)"}
    assert told["exit_codes"]["(0, 6)"] > rounds / 2
    assert set(told["reader_saw"]) <= {0, 6, 12, 18}


def _has_mounts() -> bool:
    unshare = shutil.which("unshare")
    probe = [unshare or "", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return unshare is not None and subprocess.run(probe, capture_output=True).returncode == 0


@pytest.mark.skipif(not _has_mounts(), reason="no file system can be mounted here")
@pytest.mark.parametrize("points", [6, slow(60)])
def test_a_real_disk_of_8_megabytes_is_full(points: int) -> None:
    told = campaign("full", "dump", str(points), inside=("unshare", "-rm"))
    assert told["differing"] == []
    assert told["exit_codes"] == {"5": points}
    assert told["damaged"] == 0
    if points >= 60:
        assert len(told["committed_when_full"]) > 5  # it was full at every shard
