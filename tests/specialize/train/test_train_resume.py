"""Killed at any moment and called again, a run ends with the weights of an uninterrupted one.

Every run is a process of its own, forked from a server that has imported everything once.
``SPECIALIZE_KILLS=40`` kills at 40 random moments instead of 2.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from specialize.config.recipe import Recipe
from specialize.io import fault_injection
from specialize.students import checkpoints
from specialize.train import metrics, train
from tests.support import toys

STEPS, EVERY = 8, 3
WALL_CLOCK = ("tokens_per_second", "memory_mib")
KILLS = int(os.environ.get("SPECIALIZE_KILLS", "2"))


@pytest.fixture(scope="module")
def processes():
    return toys.forkserver()


def train_until(values: dict[str, object], run: Path, step: int, fault: int) -> None:
    """Train; SIGKILL right after the line of ``step``, or before a file operation of a save."""
    write = metrics.append

    def write_then_die(path: Path, line: dict[str, object]) -> None:
        write(path, line)
        if line["step"] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    metrics.append = write_then_die
    fault_injection.arm(fault)
    train(Recipe.model_validate(values), run)


@pytest.fixture(scope="module")
def world(tmp_path_factory, processes):
    folder = tmp_path_factory.mktemp("resume")
    toys.write_world(folder)
    sizes = {"optimization": {"steps": STEPS}, "training": {"checkpoint_every": EVERY}}
    values = toys.toy_recipe(folder, **sizes).model_dump(mode="json")
    call = Caller(processes, folder, values)
    whole = call.new_run()
    assert call(whole) == 0
    return call, whole


class Caller:
    """Calls ``train`` in a process of its own."""

    def __init__(self, processes, folder: Path, values: dict[str, object]) -> None:
        self.processes, self.folder, self.values, self.count = processes, folder, values, 0

    def new_run(self) -> Path:
        self.count += 1
        path = self.folder / f"run-{self.count}"
        shutil.copytree(self.folder / "run", path)
        return path

    def __call__(
        self, run: Path, *, step: int = -1, fault: int = 0, seconds: float = 120
    ) -> int | None:
        process = self.processes.Process(target=train_until, args=(self.values, run, step, fault))
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        return process.exitcode


def weights(run: Path) -> bytes:
    return (checkpoints.last(run).path / "model.safetensors").read_bytes()


def lines(run: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in found]


def files(run: Path) -> dict[str, bytes]:
    """Every file of every checkpoint but the optimizer's archive, which carries its own name."""
    return {
        f"{found.name}/{path.name}": path.read_bytes()
        for found in checkpoints.complete(run)
        for path in sorted(found.path.iterdir())
        if path.suffix not in (".pt", ".pth") and path.name != checkpoints.COMPLETE
    }


def test_two_uninterrupted_runs_are_the_same(world):
    call, whole = world
    other = call.new_run()
    assert call(other) == 0
    assert files(other) == files(whole)
    assert lines(other) == lines(whole)


@pytest.mark.parametrize(
    "step", [5, pytest.param(1, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.slow)]
)
def test_killed_after_a_step(world, step):
    call, whole = world
    run = call.new_run()
    assert call(run, step=step) == -signal.SIGKILL
    assert checkpoints.last(run).step == (step - 1) // EVERY * EVERY
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "lo')  # torn
    assert call(run) == 0
    assert weights(run) == weights(whole)
    assert files(run) == files(whole)
    assert lines(run) == lines(whole)


@pytest.mark.parametrize(
    "fault",
    [9, 37, pytest.param(2, marks=pytest.mark.slow), pytest.param(24, marks=pytest.mark.slow)],
)
def test_killed_in_the_middle_of_a_save(world, fault):
    call, whole = world
    run = call.new_run()
    assert call(run, fault=fault) == -signal.SIGKILL
    for found in checkpoints.complete(run):
        checkpoints.check(found)
    assert call(run) == 0
    assert not list(run.glob("checkpoints/*.partial"))
    assert weights(run) == weights(whole)
    assert files(run) == files(whole)
    assert lines(run) == lines(whole)


def test_killed_again_and_again(world):
    call, whole = world
    run = call.new_run()
    for step in (2, 5, 7):
        assert call(run, step=step) == -signal.SIGKILL
    assert call(run) == 0
    assert weights(run) == weights(whole)
    assert lines(run) == lines(whole)


@pytest.mark.slow
def test_killed_at_random_moments(world):
    """By the clock, after a step, before a file operation of a save; in turns."""
    call, whole = world
    started = time.monotonic()
    assert call(call.new_run()) == 0
    duration = time.monotonic() - started
    rng, killed = random.Random(7), 0
    while killed < KILLS:
        run = call.new_run()
        moments = (
            {"seconds": rng.uniform(0.3, 1) * duration},
            {"fault": rng.randint(1, 60)},
            {"step": rng.randint(1, STEPS)},
        )
        ended = call(run, **moments[killed % 3])
        if ended == 0:  # it was faster, or had fewer file operations
            shutil.rmtree(run)
            continue
        assert ended == -signal.SIGKILL
        killed += 1
        for found in checkpoints.complete(run):
            checkpoints.check(found)
        assert call(run) == 0
        assert not list(run.glob("checkpoints/*.partial"))
        assert weights(run) == weights(whole)
        assert files(run) == files(whole)
        assert lines(run) == lines(whole)
        shutil.rmtree(run)
