"""What experiments on the bundled world share: its files, a base recipe, teachers made uncertain.

The families and the models are those of ``specialize quickstart``. A teacher is made uncertain
without being trained: dividing the weights of its last normalization by T divides its logits by T,
so that rows and samples alike come from its distribution at temperature T.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from safetensors.numpy import load_file, save_file

from specialize import datasets
from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.experiments.design import INPUTS
from specialize.quickstart import world
from specialize.quickstart.run import MODELS, Size, quickstart_recipe

TEACHER, STEPS, ROWS, RATE = "tiny", 100, 24, 2e-4
EVALUATED = ("shop", "farm")  # the set that is trained on, and one out of distribution
GENERAL = world.GENERAL
EVERYTHING = (*world.FAMILIES, *GENERAL)
_LAST_NORMS = ("transformer.ln_f.weight", "transformer.ln_f.bias", "model.norm.weight")


def prepare(
    folder: Path,
    questions: int,
    examples: int,
    *,
    fewer: tuple[str, ...],
    temperatures: tuple[float, ...] = (),
) -> None:
    """Write the world's sets and the flattened teachers; what is there stays.

    Args:
        questions: of the training set. examples: of each evaluation set and split.
        fewer: sets of which a third of the examples is enough. temperatures: of the teachers.
    """
    wanted: list[tuple[str, world.Split, int]] = [(world.FAMILIES[0], "train", questions)]
    for name in EVERYTHING:
        count = examples // 3 if name in fewer else examples
        wanted += [(name, "validation", count), (name, "test", count)]
    for name, split, count in wanted:
        path = folder / "data" / f"{name}.{split}.jsonl"
        if not path.is_file():
            datasets.write_jsonl(path, world.examples(name, split, count))
    for temperature in temperatures:
        flatten_teacher(MODELS / "teacher", flattened(folder, temperature), temperature)


def refuse_unbuilt(
    folder: Path, kind: str, names: Iterable[str], script: str, minutes: str
) -> None:
    """Refuse to begin without models that are not shipped.

    Args:
        folder: of the models. kind: the word for one. names: of those that are needed.
        script: that builds them. minutes: in words, what that takes.

    Raises:
        ConfigurationError: some are missing; names them and the command.
    """
    missing = [name for name in names if not (folder / name / "config.json").is_file()]
    if missing:
        raise ConfigurationError(
            f"{folder} has no {kind} {', '.join(missing)}, and it is not shipped; build what is "
            f"missing, in about {minutes}, with `python {script} --out {folder}`"
        )


def prepare_built(
    folder: Path,
    questions: int,
    examples: int,
    *,
    teachers: Iterable[str],
    script: str,
    minutes: str,
) -> None:
    """The sets of an experiment whose teachers are not shipped, and have to be there.

    Args:
        folder, questions, examples: as for ``prepare``.
        teachers, script, minutes: as for ``refuse_unbuilt``.

    Raises:
        ConfigurationError: a teacher was not built.
    """
    refuse_unbuilt(folder / "teachers", "teacher", teachers, script, minutes)
    prepare(folder, questions, examples, fewer=("farm",))


def flattened(folder: Path, temperature: float) -> Path:
    """Where the teacher at ``temperature`` is."""
    return folder / "models" / f"teacher-T{temperature:g}"


def draws(samples: int) -> str:
    """The override of an arm whose teacher draws that many solutions of each question."""
    return f"teachers.{TEACHER}.samples={samples}"


def with_teacher_at(temperature: float) -> str:
    """The override of an arm that learns from the teacher at ``temperature``."""
    return f"teachers.{TEACHER}.model={flattened(Path(INPUTS), temperature)}"


def flatten_teacher(model: Path, out: Path, temperature: float) -> None:
    """Copy the model directory with all logits divided by ``temperature``.

    Args:
        model: of a causal model whose output projection has no bias (GPT-2, Llama).
        temperature: above 1 flatter, below 1 sharper.

    Raises:
        ValueError: the model has no last normalization that is known here.
    """
    if out.is_dir():
        return
    weights = load_file(model / "model.safetensors")
    found = [name for name in _LAST_NORMS if name in weights]
    if not found:
        raise ValueError(f"{model} has none of {', '.join(_LAST_NORMS)}; it cannot be flattened")
    for name in found:
        weights[name] = weights[name] / weights[name].dtype.type(temperature)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(model, partial)
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    partial.rename(out)


def base_recipe(
    folder: Path,
    *,
    steps: int = STEPS,
    every: int = 50,
    samples: int = 8,
    sets: tuple[str, ...] = EVALUATED,
) -> Recipe:
    """The quickstart's recipe with one objective: the chain of thought, asked without examples.

    Args:
        steps: of the optimizer, ``ROWS`` rows each. every: steps between checkpoints.
        samples: solutions drawn of each question.
        sets: that are evaluated.
    """
    recipe = quickstart_recipe(folder, Size(steps=steps, samples=samples))
    evaluated = tuple(s for s in recipe.evaluation.sets if s.label in sets)
    optimization = {"learning_rate": RATE, "batch_rows": ROWS, "accumulation": 1}
    training = {"checkpoint_every": every}
    return recipe.model_copy(
        update={
            "objectives": recipe.objectives[:1],
            "training": recipe.training.model_copy(update=training),
            "optimization": recipe.optimization.model_copy(update=optimization),
            "evaluation": recipe.evaluation.model_copy(update={"sets": evaluated}),
        }
    )
