"""A run can be lengthened: what was trained stays, the rest follows the longer schedule."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from specialize.artifacts.lengthened import FILE, Lengthened, read_lengthened
from specialize.artifacts.results import RunResults
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import record_recipe
from specialize.errors import ConfigurationError, StoreError
from specialize.report.cautions import cautions
from specialize.students import checkpoints
from specialize.train import train
from tests.support import toys

WALL_CLOCK = ("tokens_per_second", "memory_mib")


class World:
    """Toy data on which runs of several lengths are trained, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        toys.write_world(folder)

    def recipe(self, steps: int, schedule: str) -> Recipe:
        return toys.toy_recipe(self.folder, optimization={"steps": steps, "schedule": schedule})

    def run(self, name: str, *lengths: int, schedule: str) -> Path:
        """A run that was begun with the first of ``lengths`` and lengthened to each other one."""
        path = self.folder / f"{name}-{schedule}"
        if not path.exists():
            shutil.copytree(self.folder / "run", path)
            for steps in lengths:
                train(self.recipe(steps, schedule), path)
        return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("lengthening"))


def lines(run: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in found]


def weights(run: Path, step: int) -> bytes:
    folder = checkpoints.folder(run) / checkpoints.name_of(step)
    return (folder / "model.safetensors").read_bytes()


def rates(run: Path) -> list[object]:
    return [line["learning_rate"] for line in lines(run)]


def test_with_a_constant_rate_it_is_the_longer_run(world: World) -> None:
    whole = world.run("whole", 9, schedule="constant")
    lengthened = world.run("lengthened", 6, 9, schedule="constant")
    assert weights(lengthened, 9) == weights(whole, 9)
    assert lines(lengthened) == lines(whole)


def test_what_was_trained_stays_and_the_rest_follows_the_longer_schedule(world: World) -> None:
    whole = world.run("whole", 9, schedule="cosine")
    short = world.run("short", 6, schedule="cosine")
    lengthened = world.run("lengthened", 6, 9, schedule="cosine")
    assert lines(lengthened)[:6] == lines(short)
    assert [weights(lengthened, step) for step in (3, 6)] == [weights(short, s) for s in (3, 6)]
    assert rates(lengthened)[6:] == rates(whole)[6:]
    assert rates(lengthened)[6] != 0
    before, after = (
        load_file(checkpoints.folder(lengthened) / f"step-00000{step}" / "model.safetensors")
        for step in (6, 9)
    )
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert [c.step for c in checkpoints.candidates(lengthened)] == [0, 3, 6, 9]


def test_it_is_put_on_record(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.run("short", 6, schedule="cosine"), run)
    train(world.recipe(7, "cosine"), run)
    train(world.recipe(8, "cosine"), run)
    train(world.recipe(8, "cosine"), run)
    assert read_lengthened(run) == (Lengthened(6, 6, 7), Lengthened(7, 7, 8))
    said = "the run is lengthened after step 6 from 6 to 7 steps; from there on the learning rate"
    assert said in capsys.readouterr().err
    told = cautions(world.recipe(8, "cosine"), RunResults(run), (), None, None)
    assert any(caution.startswith("The run was lengthened after step 7 from 7") for caution in told)


def test_it_cannot_be_shortened(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.run("short", 6, schedule="cosine"), run)
    said = "optimization.steps: 6 in the run, 5 now; it may only grow"
    with pytest.raises(ConfigurationError, match=said):
        train(world.recipe(5, "cosine"), run)
    record_recipe(world.recipe(6, "cosine"), run)
    with pytest.raises(ConfigurationError, match=said):
        record_recipe(world.recipe(5, "cosine"), run)
    record_recipe(world.recipe(7, "cosine"), run)


def test_a_damaged_record_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"after_step": 1}\n')
    with pytest.raises(StoreError, match=r"lengthened\.jsonl:1 is damaged"):
        read_lengthened(tmp_path)
