"""Training that begins while its targets are written is that of a store that is finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError, StoreError
from specialize.store import Store, StoreWriter, following
from specialize.students import checkpoints
from specialize.train import metrics, train
from tests.support import toys

STEPS = 5  # of 12 rows, over 52: the second epoch begins in the last
WALL_CLOCK = ("tokens_per_second", "memory_mib")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 examples with targets in 5 shards, and a run over all of them."""
    folder = tmp_path_factory.mktemp("following")
    toys.write_world(folder)
    shutil.copytree(folder / "run" / "targets", folder / "whole" / "targets")
    train(recipe_of(folder), folder / "whole")
    return folder


def recipe_of(world: Path, **training: object) -> Recipe:
    return toys.toy_recipe(
        world,
        optimization={"steps": STEPS, "batch_rows": 6},
        training={"window_shards": 2, "checkpoint_every": 2, **training},
    )


class Growing:
    """Writes the world's targets again, a shard whenever training waits for it."""

    def __init__(self, world: Path, run: Path) -> None:
        self.store, self.out = Store.open(world / "run" / "targets" / "toy"), run / "targets/toy"
        self.waits = 0
        self._steps = self._written()

    def pause(self, seconds: float) -> None:
        self.waits += 1
        next(self._steps)

    def _written(self) -> Iterator[None]:
        with StoreWriter(self.out, self.store.description, shard_samples=8) as writer:
            yield
            for number in range(len(self.store.records)):
                writer.write(number, self.store.shard(number))
                yield
            writer.finish(self.store.align_vocabulary(), self.store.summary)
        yield


def visible(run: Path) -> dict[str, bytes]:
    """Every file of every checkpoint but the optimizer's archive, which carries its own name."""
    return {
        f"{found.name}/{path.name}": path.read_bytes()
        for found in checkpoints.complete(run)
        for path in sorted(found.path.iterdir())
        if path.suffix not in (".pt", ".pth") and path.name != checkpoints.COMPLETE
    }


def lines(run: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in found]


def same(run: Path, world: Path) -> None:
    assert visible(run) == visible(world / "whole")
    assert lines(run) == lines(world / "whole")
    for name in ("training.json", "windows.json"):
        where = Path("checkpoints") / name
        assert (run / where).read_bytes() == (world / "whole" / where).read_bytes()


def test_it_begins_with_the_first_window(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step by step no further than the shards that are there, and then the same checkpoints."""
    growing = Growing(world, tmp_path)
    monkeypatch.setattr(following, "_sleep", growing.pause)
    shards: list[int] = []
    append = metrics.append

    def noted(path: Path, line: dict[str, object]) -> None:
        shards.append(len(Store.open(growing.out, allow_partial=True).records))
        append(path, line)

    monkeypatch.setattr(metrics, "append", noted)
    summary = train(recipe_of(world), tmp_path, follow=True)
    assert shards == [2, 4, 4, 5, 5]
    assert summary.steps == STEPS
    same(tmp_path, world)
    told = summary.as_json()
    assert told["rows"] == train_summary(world)["rows"]


def train_summary(world: Path) -> dict[str, object]:
    again = world / "again"
    if not again.exists():
        shutil.copytree(world / "run" / "targets", again / "targets")
        train(recipe_of(world), again)
    shutil.rmtree(again / "checkpoints" / f"step-{STEPS:06d}")
    return train(recipe_of(world), again).as_json()


@pytest.mark.parametrize("waits", [3, 5, 6])
def test_a_run_that_was_killed_while_it_waited(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: int
) -> None:
    """Before the first window is whole, in the middle, before the end; then to the end, along with
    the store or after it."""
    growing = Growing(world, tmp_path)

    def pause(seconds: float) -> None:
        growing.pause(seconds)
        if growing.waits == waits:
            raise KeyboardInterrupt

    monkeypatch.setattr(following, "_sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        train(recipe_of(world), tmp_path, follow=True)
    if waits == 5:
        while not (growing.out / "summary.json").exists():
            growing.pause(1)
    train(recipe_of(world), tmp_path, follow=waits != 5)
    same(tmp_path, world)


def test_a_signal_ends_the_wait(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = Growing(world, tmp_path)
    asked = [False]

    def pause(seconds: float) -> None:
        if growing.waits < 4:
            growing.pause(seconds)
        assert not asked[0], "it waited on"
        asked[0] = growing.waits == 4

    monkeypatch.setattr(following, "_sleep", pause)
    heard = nullcontext(lambda: asked[0])
    monkeypatch.setattr("specialize.train.session.listening", lambda: heard)
    with pytest.raises(KeyboardInterrupt, match="stopped while waiting for"):
        train(recipe_of(world), tmp_path, follow=True)


def test_targets_that_changed_in_a_later_window(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the first window is the same."""
    shutil.copytree(world / "whole", tmp_path / "run")
    store, out = Store.open(world / "run/targets/toy"), tmp_path / "run/targets/toy"
    shutil.rmtree(out)
    with StoreWriter(out, store.description, shard_samples=8) as writer:
        for number, source in enumerate([0, 1, 3, 2, 4]):
            writer.write(number, store.shard(source))
        writer.finish(store.align_vocabulary(), {})
    shutil.rmtree(tmp_path / "run/checkpoints" / f"step-{STEPS:06d}")
    with pytest.raises(ConfigurationError, match="begun with other rows in window 1"):
        train(recipe_of(world), tmp_path / "run")


def test_what_cannot_be_followed(world: Path, tmp_path: Path) -> None:
    """A recipe without windows; targets that are not finished, where nobody follows."""
    shutil.copytree(world / "run" / "targets", tmp_path / "targets")
    (tmp_path / "targets/toy/summary.json").unlink()
    with pytest.raises(ConfigurationError, match=r"set training\.window_shards"):
        train(recipe_of(world, window_shards=None), tmp_path, follow=True)
    with pytest.raises(StoreError, match="is not finished"):
        train(recipe_of(world), tmp_path)
