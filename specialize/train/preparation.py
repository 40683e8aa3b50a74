"""What is checked before a model is loaded: recipe, packages, student, stores, examples.

Nothing here needs torch, whose import takes seconds: a mistake is shown at once, and a run that is
finished loads nothing at all.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.datasets import recipe_sets
from specialize.datasets.recipe_sets import TrainingSet
from specialize.errors import ConfigurationError, InputError, StoreError
from specialize.formats import by_name, is_chat
from specialize.io.gguf_file import check_gguf_package, is_gguf, read_gguf
from specialize.io.progress import notice
from specialize.io.units import bytes_text
from specialize.objects.cache import limit
from specialize.records import Example
from specialize.rows.thinking import thinking_of
from specialize.store import Follower, Store
from specialize.store.remote import bring_all, here
from specialize.students import checkpoints
from specialize.targets.tempering import row_temperature
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.train import agreement
from specialize.train.summary import TrainSummary, summarize


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run trains on, read and checked.

    Attributes:
        tokenizer: the student's.
        stores: target stores by teacher, in the tokenizer's vocabulary.
        examples: those that may be trained on.
        follower: of the only store, where it may still be being written.
    """

    recipe: Recipe
    run: Path
    tokenizer: Tokenizer
    stores: Mapping[str, Store]
    examples: TrainingSet
    follower: Follower | None = None


def finished(recipe: Recipe, run: Path) -> TrainSummary | None:
    """The summary of a run that needs no more training; None for any other.

    Raises:
        ConfigurationError: the recipe is not the one that the run was begun with.
    """
    began = time.perf_counter()
    agreement.check_recipe(recipe, run)
    last = checkpoints.last(run)
    if last is None or last.step < recipe.optimization.steps:
        return None
    return summarize(run, last.step, 0, time.perf_counter() - began)


def prepare(
    recipe: Recipe,
    run: Path,
    *,
    targets: Mapping[str, str | Path] | None = None,
    follow: bool = False,
) -> Prepared:
    """Read and check everything that training needs but the model.

    Args:
        recipe: of the run.
        run: the run's directory.
        targets: where stores are that are not in the run, by teacher; perhaps in object storage.
        follow: the targets may be still being written; waits for the first shard of them.

    Raises:
        ConfigurationError: the recipe is not the one that the run was begun with, a package is
            missing, or the student's tokenizer is not the stores'.
        InputError: no student there, or a dataset that cannot be read.
        StoreError: a teacher's targets are missing or damaged.
    """
    agreement.check_recipe(recipe, run)
    check_packages(recipe)
    check_student(recipe.student)
    tokenizer = load_tokenizer(recipe.student)
    teachers = sorted({name for o in recipe.objectives for name in o.teachers})
    elsewhere = targets or {}
    if unknown := sorted(elsewhere.keys() - {*teachers}):
        raise ConfigurationError(
            f"targets are named of {unknown[0]!r}, of whom no objective learns; they learn of: "
            f"{', '.join(teachers) or 'nobody'}"
        )
    places = {name: elsewhere.get(name, run / "targets" / name) for name in teachers}
    follower = _follower(recipe, places) if follow else None
    if follower is not None:
        stores = {teachers[0]: check_targets(follower.wait_for(1), tokenizer)}
    else:
        stores = {name: open_targets(here(at), name, tokenizer) for name, at in places.items()}
    _check_temperature(recipe, stores)
    _bring(stores, in_windows=recipe.training.window_shards is not None)
    examples = recipe_sets.training_examples(recipe)
    return Prepared(recipe, run, tokenizer, stores, examples, follower)


def _follower(recipe: Recipe, places: Mapping[str, str | Path]) -> Follower:
    if recipe.training.window_shards is None:
        raise ConfigurationError(
            "with --follow the order of rows must not depend on all of them; set "
            "training.window_shards, the shards of targets whose rows are shuffled together"
        )
    (place,) = places.values()  # as the recipe was checked for
    return Follower(place)


def _bring(stores: Mapping[str, Store], *, in_windows: bool) -> None:
    """Fetch what is in object storage, or say what it means that it does not fit."""
    for name, store in stores.items():
        if not bring_all(store.path, store.records) and not in_windows:
            notice(
                f"the targets of {name} are larger than the cache of {bytes_text(limit())}: shards "
                f"will be fetched again and again; set SPECIALIZE_CACHE_GB higher, or "
                f"training.window_shards"
            )


def _check_temperature(recipe: Recipe, stores: Mapping[str, Store]) -> None:
    """Distributions are learned at the temperature that their rows were carried over at."""
    wanted = recipe.training.temperature
    for name in {n for o in recipe.objectives if o.target == "distribution" for n in o.teachers}:
        found = row_temperature(stores[name].description)
        if found != wanted and stores[name].description.k:
            raise ConfigurationError(
                f"{stores[name].path} has rows at temperature {found:g}, but training.temperature "
                f"is {wanted:g}; align again with --temperature {wanted:g}"
            )


def check_recipe(recipe: Recipe) -> None:
    """Refuse what a run could not train, before a teacher is asked anything.

    Raises:
        ConfigurationError: a package is missing, or the student cannot be asked in a chat.
        InputError: no student there, or a chat template that cannot be rendered.
    """
    check_packages(recipe)
    check_student(recipe.student)
    check_chats(recipe)


def check_packages(recipe: Recipe) -> None:
    """Refuse a recipe that needs a package which is not installed.

    Raises:
        ConfigurationError: names the package and what to do.
    """
    if recipe.lora is not None and importlib.util.find_spec("peft") is None:
        raise ConfigurationError(
            "lora needs the package peft; pip install 'specialize[lora]', or leave lora out"
        )
    for name in recipe.running.report_to:
        if importlib.util.find_spec(name) is None:
            raise ConfigurationError(
                f"running.report_to names {name}, which is not installed; pip install {name}, or "
                f"leave it out: metrics.jsonl has every figure"
            )


def check_student(student: str) -> None:
    """Refuse a directory that holds no model; what the hub holds is seen when it is loaded.

    Raises:
        ConfigurationError: a GGUF file, and the package that reads it is missing.
        InputError: no such directory, or one without configuration or weights.
    """
    path = Path(student)
    if is_gguf(student) and not path.is_dir():
        check_gguf_package()
        read_gguf(path)
        return
    if not path.is_dir():
        if student.startswith((".", "/", "~")) or student.count("/") > 1:
            raise InputError(f"no usable model at {student}: there is no such directory")
        return
    for pattern in ("config.json", "*.safetensors"):
        if not any(path.glob(pattern)):
            named = sorted(path.glob("*.gguf"))[:1]
            advice = f"; name the file itself, {named[0]}" if named else ""
            raise InputError(f"no usable model at {student}: it has no {pattern}{advice}")


def check_chats(recipe: Recipe) -> None:
    """Refuse a student that cannot be asked in a chat, before a teacher has written anything.

    Raises:
        ConfigurationError: a chat format, and no template in the student's tokenizer.
        InputError: its template cannot be rendered, or has no marks for thinking that is wanted.
    """
    formats = [objective.format for objective in recipe.objectives]
    if any(map(is_chat, [*formats, *recipe.evaluation.formats])):
        style = recipe.chat.style
        asked = by_name("chat", chat=style).prompt(Example("chat", "?", ""))
        tokenizer = load_tokenizer(recipe.student)
        tokenizer.encode_prompts([asked])
        thinking_of(recipe.chat, tokenizer, hard=False)


def open_targets(path: Path, teacher: str, tokenizer: Tokenizer) -> Store:
    """The target store of a teacher, if it is one in the vocabulary of ``tokenizer``."""
    if not path.exists():
        raise StoreError(
            f"no targets of teacher {teacher!r} at {path}; run specialize align into it first"
        )
    return check_targets(Store.open(path), tokenizer)


def check_targets(store: Store, tokenizer: Tokenizer) -> Store:
    """``store``, if it is one of targets in the vocabulary of ``tokenizer``.

    Raises:
        ConfigurationError: it is not.
    """
    path, about = store.path, store.description
    if about.kind != "targets":
        raise ConfigurationError(
            f"{path} is a store of {about.kind}, in the teacher's vocabulary; run specialize align"
        )
    if about.fingerprint != tokenizer.fingerprint:
        raise ConfigurationError(
            f"{path} was aligned to tokenizer {about.tokenizer} ({about.fingerprint[:12]}), but "
            f"the student has {tokenizer.name} ({tokenizer.fingerprint[:12]}); align again with "
            f"--student, or train the student that the targets were made for"
        )
    return store
