"""A mistake is shown before torch is imported, and a finished run imports it no more."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from specialize.config.recipe import Recipe
from specialize.train import train
from tests.support import toys
from tests.support.fresh import Run

Started = Callable[..., subprocess.CompletedProcess[str]]
WITHOUT_TORCH = """
import sys
from specialize.cli.stages import main
sys.modules["torch"] = sys.modules["transformers"] = None  # an import of either fails
main()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    toys.write_world(folder)
    return folder


@pytest.fixture
def started(python: Run) -> Started:
    return lambda *words: python(WITHOUT_TORCH, *words)


def write(recipe: Recipe, path: Path) -> str:
    path.write_text(recipe.to_yaml())
    return str(path)


@pytest.mark.parametrize(
    ("override", "code", "message"),
    [
        ("optimization.stepz=3", 2, "unknown key 'optimization.stepz'; did you mean 'steps'?"),
        ("optimization.steps=none", 2, "optimization.steps: "),
        ("student=./nowhere", 3, "no usable model at ./nowhere: there is no such directory"),
        ("student=docs", 3, "no usable model at docs: it has no config.json"),
        ("train_on.path=nowhere.jsonl", 3, "nowhere.jsonl"),
        ("running.report_to=[trackio]", 2, "running.report_to names trackio, which is not"),
    ],
)
def test_a_mistake_is_shown_without_torch(
    started: Started, world: Path, tmp_path: Path, override: str, code: int, message: str
) -> None:
    shutil.copytree(world / "run", tmp_path / "run")
    recipe = write(toys.toy_recipe(world), tmp_path / "recipe.yaml")
    done = started("train", recipe, str(tmp_path / "run"), "--set", override)
    assert message in done.stderr
    assert done.returncode == code
    assert not (tmp_path / "run" / "recipe.yaml").exists()  # the next try is not another recipe


def test_missing_targets_are_shown_without_torch(
    started: Started, world: Path, tmp_path: Path
) -> None:
    recipe = write(toys.toy_recipe(world), tmp_path / "recipe.yaml")
    done = started("train", recipe, str(tmp_path / "run"))
    assert "no targets of teacher 'toy' at " in done.stderr
    assert done.returncode == 3


def test_a_whole_run_looks_at_its_student_before_it_asks_a_teacher(
    started, world, tmp_path
) -> None:
    recipe = write(toys.toy_recipe(world, student="./nowhere"), tmp_path / "recipe.yaml")
    done = started("run", recipe, "--out", str(tmp_path / "run"))
    assert "no usable model at ./nowhere" in done.stderr
    assert not (tmp_path / "run").exists()


def test_evaluating_no_run_is_refused_without_torch(started: Started, tmp_path: Path) -> None:
    done = started("evaluate", str(tmp_path / "nothing"))
    assert "is no run's directory" in done.stderr


def test_a_finished_run_needs_no_torch(started: Started, world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "run", tmp_path / "run")
    recipe = toys.toy_recipe(world, optimization={"steps": 1})
    train(recipe, tmp_path / "run")
    written = write(recipe, tmp_path / "recipe.yaml")
    done = started("train", written, str(tmp_path / "run"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trained"] == 0
    again = started("train", written, str(tmp_path / "run"), "--set", "seed=9")
    assert "seed: 0 in the run, 9 now" in again.stderr
