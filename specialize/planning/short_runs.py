"""Short real runs of a recipe: three, one after another in one process, and perhaps a fourth.

    first     32 responses, 4 steps, 4 examples of a set     pays imports, kernels, first calls
    again     the same                                       what is left once those are paid
    longer    up to 16 times as much, by the seconds given   less ``again``: what the units cost
    divided   as the first, in another process, with parts   what processes pay, each for itself

All are runs by ``run_recipe``, of the recipe with fewer examples, samples and steps, and
``times.jsonl`` says how long their stages took. Nothing here imports what a run has yet to import.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specialize.config.recipe import EvaluationSet, Recipe
from specialize.datasets.recipe_sets import RecipeSets, TrainingSet
from specialize.engines import Engine
from specialize.io.part import Part
from specialize.io.times import Took, read_times
from specialize.pipeline import run_recipe

RESPONSES, STEPS, EXAMPLES, SAMPLES = 32, 4, 4, 4
COMPILED = "compiled"  # a mark in the folder
MOST = 16  # times as long is the longer run, at most
LEARNING, WARMUP = 20, 2  # steps of the longer run at least, and those of them that warm up


@dataclass(frozen=True, slots=True)
class Size:
    """Of a short run, in multiples of the shortest."""

    questions: int = 1
    steps: int = 1
    examples: int = 1


def perform(recipe: Recipe, folder: Path, seconds: float, _part: Part) -> None:
    """Run three times into ``folder``, and note there how large each run was.

    Where kernels had to be compiled for the first run, which happens once on a machine, nothing
    more is run: another process begins again.
    """
    with _compiling() as compiled:
        run_recipe(short(recipe, Size()), _note(folder, 0, Size()))
    if compiled:
        (folder / COMPILED).touch()
        return
    run_recipe(short(recipe, Size()), _note(folder, 1, Size()))
    longer = _longer(read_times(folder / "1"), seconds)
    run_recipe(short(recipe, longer), _note(folder, 2, longer))


def perform_divided(recipe: Recipe, folder: Path, processes: int, _part: Part) -> None:
    """Run once more as ``specialize run --processes`` does; kernels are compiled already."""
    run = _note(folder, 3, Size())
    run_recipe(short(recipe, Size()), run, engine=Engine(processes))


class _Heard(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def _compiling() -> Iterator[list[logging.LogRecord]]:
    """What the kernels' package says inside the block: that it compiles."""
    handler, logger = _Heard(), logging.getLogger("align")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    try:
        yield handler.records
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _note(folder: Path, number: int, size: Size) -> Path:
    (folder / f"{number}.json").write_text(json.dumps([size.questions, size.steps, size.examples]))
    return folder / str(number)


def sizes_of(folder: Path) -> list[tuple[Path, Size]]:
    """The runs in ``folder``, and how large each was."""
    notes = sorted(folder.glob("?.json"))
    return [(note.with_suffix(""), Size(*json.loads(note.read_text()))) for note in notes]


def _longer(times: Mapping[str, Took], seconds: float) -> Size:
    """As large as fits into ``seconds`` of the processor each for dumping, training and answering.

    Responses are doubled, so that they fill a teacher's batches as those of a whole shard do: what
    is left over for another batch would keep one core busy and the others waiting. A student is
    trained for as many steps as it takes to answer at a teacher's length.
    """

    def factor(*kinds: str) -> int:
        took = sum(t.processor_seconds for name, t in times.items() if name.split()[0] in kinds)
        return int(min(MOST, max(2, seconds / max(took, 1e-3))))

    steps = max(factor("train"), LEARNING // STEPS)
    responses = 1 << (factor("dump", "align").bit_length() - 1)
    return Size(responses, steps, factor("evaluate", "test"))


def short(recipe: Recipe, size: Size) -> Recipe:
    """``recipe`` with fewer questions, samples, steps and examples, and no rounds."""
    samples = max((min(t.samples, SAMPLES) for t in recipe.teachers.values()), default=1)
    wanted = max(2, RESPONSES * size.questions // samples)
    sets = RecipeSets(recipe)
    training = sets.training()
    steps = min(STEPS * size.steps, recipe.optimization.steps)
    changes: dict[str, object] = {
        "rounds": None,
        **_fewer_questions(recipe, training, wanted),
        "teachers": {
            name: t.model_copy(update={"samples": min(t.samples, SAMPLES)})
            for name, t in recipe.teachers.items()
        },
        "optimization": recipe.optimization.model_copy(
            update={"steps": steps, "warmup_steps": min(WARMUP, recipe.optimization.warmup_steps)}
        ),
        "training": recipe.training.model_copy(update={"checkpoint_every": steps}),
        "running": recipe.running.model_copy(update={"report_to": ()}),
        "evaluation": recipe.evaluation.model_copy(
            update={"sets": _fewer_examples(recipe, sets, EXAMPLES * size.examples)}
        ),
    }
    return recipe.model_copy(update=changes)


def _fewer_questions(recipe: Recipe, training: TrainingSet, wanted: int) -> dict[str, object]:
    """An equal share of every set of questions; what is held out stays held out."""
    share = min(1.0, wanted / len(training.questions))
    kept = {"fraction": recipe.train_on.fraction * share}
    return {
        "train_on": recipe.train_on.model_copy(update=kept),
        "unlabelled": tuple(
            spec.model_copy(update={"fraction": spec.fraction * share})
            for spec in recipe.unlabelled
        ),
    }


def _fewer_examples(recipe: Recipe, sets: RecipeSets, wanted: int) -> tuple[EvaluationSet, ...]:
    found = []
    for spec in recipe.evaluation.sets:
        most = wanted
        if spec.protocol == "first":  # its limit is of every task
            tasks = len({example.task for example in sets.evaluation(spec, "validation")})
            most = max(1, wanted // tasks)
        limit = min(spec.limit or most, most)
        found.append(spec.model_copy(update={"limit": limit}))
    return tuple(found)
