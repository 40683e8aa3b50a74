"""What must agree when a run is continued: the recipe's training part, and the rows themselves.

``checkpoints/training.json`` holds both from the first step on. A later call with another learning
rate, other targets or another training set is refused with the keys that differ;
``config.compare`` says which may. More steps lengthen the run, which is put on record. Where rows
come in windows, ``checkpoints/windows.json`` has the digest of each that was taken up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from specialize.artifacts.lengthened import Lengthened, record_lengthened
from specialize.config.compare import conflicts
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_recipe
from specialize.errors import ConfigurationError, StoreError
from specialize.io.files import write_atomically
from specialize.rows import RowSet
from specialize.students import checkpoints

_FILE, _WINDOWS = "training.json", "windows.json"
_PARTS = ("student", "objectives", "chat", "training", "optimization", "lora", "seed")


def check_recipe(recipe: Recipe, run: Path) -> None:
    """Refuse a recipe that would not have led to the run's checkpoints.

    Raises:
        ConfigurationError: names the keys that differ, with both values.
    """
    begun = _read(run)
    if begun is None:
        return
    differing = conflicts(_filled(begun.recipe, recipe), _relevant(recipe))
    if differing:
        raise ConfigurationError(
            f"{run} was begun with another recipe ({'; '.join(differing)}); name a new directory, "
            f"or give the recipe that it was begun with"
        )


def check_rows(recipe: Recipe, run: Path, rows: RowSet) -> None:
    """Refuse rows that are not those of the run's checkpoints.

    Raises:
        ConfigurationError: targets or training set have changed.
    """
    begun = _read(run)
    if begun is not None and begun.rows != rows.digest:
        raise ConfigurationError(
            f"{run} was begun with other rows: its targets, the training set "
            f"{recipe.train_on.set!r} or what is held out have changed; name a new directory"
        )


def checked(windows: Iterable[RowSet], run: Path, *, writes: bool) -> Iterator[RowSet]:
    """``windows``, each refused where the run saw other rows in its place.

    Args:
        windows: the rows of each, in order.
        run: the run's directory.
        writes: put on record what is seen; of several processes one does.

    Raises:
        ConfigurationError: targets or training set have changed.
    """
    path = checkpoints.folder(run) / _WINDOWS
    seen: list[str] = []
    if path.exists() and checkpoints.last(run) is not None:
        seen = json.loads(path.read_bytes())
    for number, rows in enumerate(windows):
        if number < len(seen) and seen[number] != rows.digest:
            raise ConfigurationError(
                f"{run} was begun with other rows in window {number}: its targets have changed; "
                f"name a new directory"
            )
        if number >= len(seen):
            seen.append(rows.digest)
            if writes:
                write_atomically(path, json.dumps(seen, indent=1).encode())
        yield rows


def write(recipe: Recipe, run: Path, rows: RowSet) -> None:
    """Note what a later call must agree with."""
    content = {"recipe": _relevant(recipe), "rows": rows.digest}
    text = json.dumps(content, indent=1, sort_keys=True)
    write_atomically(checkpoints.folder(run) / _FILE, text.encode())


def lengthen(recipe: Recipe, run: Path, rows: RowSet, after_step: int) -> Lengthened | None:
    """Put on record that the run goes on to more steps than it was begun with; None if it does not.

    Args:
        after_step: the checkpoint from which it goes on.
    """
    begun = _read(run)
    before = begun.steps if begun is not None else None
    if before is None or before >= recipe.optimization.steps:
        return None
    lengthened = Lengthened(after_step, before, recipe.optimization.steps)
    record_lengthened(run, lengthened)  # first: a call that is killed here does both again
    write(recipe, run, rows)
    return lengthened


@dataclass(frozen=True, slots=True)
class _Begun:
    """What was noted when a run began: the deciding sections of its recipe, its rows' digest."""

    recipe: Mapping[str, object]
    rows: str

    @property
    def steps(self) -> int | None:
        """The run's length, as it was begun or lengthened last."""
        optimization = self.recipe.get("optimization")
        steps = optimization.get("steps") if isinstance(optimization, Mapping) else None
        return steps if isinstance(steps, int) else None


def _read(run: Path) -> _Begun | None:
    """What was noted; None where no checkpoint depends on it yet."""
    path = checkpoints.folder(run) / _FILE
    if not path.exists() or checkpoints.last(run) is None:
        return None
    try:
        return _Begun(**json.loads(path.read_text()))
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {error}; name a new directory") from error


def _filled(begun: Mapping[str, object], recipe: Recipe) -> Mapping[str, object]:
    """What was noted, with the defaults of keys that there were not yet."""
    try:
        return _relevant(build_recipe({**recipe.model_dump(mode="json"), **begun}))
    except ConfigurationError:  # of other teachers, say: compared as it is
        return begun


def _relevant(recipe: Recipe) -> dict[str, object]:
    values = recipe.model_dump(mode="json")
    return {part: values[part] for part in _PARTS}
