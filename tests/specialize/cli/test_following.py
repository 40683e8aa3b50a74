"""Dump, align and train at once, each a process that is killed and started again."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from specialize.engines import Engine
from specialize.errors import ConfigurationError
from specialize.pipeline import train_run
from specialize.quickstart.run import MODELS, Size, quickstart_recipe, write_data
from specialize.stages.stores import align_store
from tests.specialize.train.test_following import lines, visible
from tests.support import toys
from tests.support.killed_stages import visible as store_files

STAGES = ("dump", "align", "train")


def test_one_job_follows(tmp_path: Path) -> None:
    """Parts of a stage cannot: each would wait for all."""
    for shard, engine in (("0/2", Engine()), (None, Engine(processes=2))):
        with pytest.raises(ConfigurationError, match="--follow is one job that reads"):
            align_store(
                tmp_path / "r", tmp_path / "t", student="s", policy="prefix", top_k=5,
                temperature=1.0, threads=None, restart=False, follow=True, shard=shard,
                engine=engine,
            )  # fmt: skip


def test_a_recipe_without_windows_is_refused_at_once(tmp_path: Path) -> None:
    toys.write_world(tmp_path)
    with pytest.raises(ConfigurationError, match=r"set training\.window_shards"):
        train_run(toys.toy_recipe(tmp_path), tmp_path / "run", follow=True)


@pytest.mark.slow
def test_three_stages_at_once(tmp_path: Path) -> None:
    """Each is killed at random moments; the run is the one of the stages in turn."""
    size = Size(questions=1200, samples=2, steps=12, examples=2)
    write_data(tmp_path / "data", size)
    made = quickstart_recipe(tmp_path, size).model_dump(mode="json")
    made["training"] |= {"window_shards": 1, "checkpoint_every": 3}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(made))
    (teacher,) = made["teachers"]
    questions = made["train_on"]["path"]

    def commands(run: Path, follow: list[str]) -> dict[str, list[str]]:
        responses, targets = str(run / "responses" / teacher), str(run / "targets" / teacher)
        return {
            "dump": ["dump", responses, "--teacher", str(MODELS / "teacher"), "--data", "jsonl",
                     "--path", questions, "--samples", "2", "--max-new-tokens", "96"],
            "align": ["align", responses, targets, "--student", str(MODELS / "student"),
                      "--policy", "one-to-one", *follow],
            "train": ["train", str(recipe), str(run), *follow],
        }  # fmt: skip

    def start(arguments: list[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-m", "specialize", *arguments], env=environment)

    whole, run = tmp_path / "whole", tmp_path / "run"
    for arguments in commands(whole, []).values():
        assert start(arguments).wait() == 0
    wanted, rng = commands(run, ["--follow"]), random.Random(7)
    running = {stage: start(wanted[stage]) for stage in reversed(STAGES)}
    kills = dict.fromkeys(STAGES, 0)
    while any(process.poll() is None for process in running.values()):
        time.sleep(rng.uniform(2, 6))
        stage = rng.choice(STAGES)
        if running[stage].poll() is None and kills[stage] < 3:
            running[stage].kill()
            assert running[stage].wait() != 0
            kills[stage] += 1
            running[stage] = start(wanted[stage])
    assert [process.returncode for process in running.values()] == [0, 0, 0]
    assert all(kills.values())
    for store in (Path("responses") / teacher, Path("targets") / teacher):
        assert store_files(run / store) == store_files(whole / store)
    assert visible(run) == visible(whole)
    assert lines(run) == lines(whole)
    shutil.rmtree(tmp_path)
