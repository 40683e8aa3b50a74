"""Rates where nothing was measured: floating-point operations, and what this program's own stages
take on one core.

A step costs 6 operations a parameter and token, reading or writing a token 2 (Kaplan et al. 2020,
arXiv:2001.08361, section 2.1). Parameters are those of the weights on this machine, of a model that
is known, or what its name tells: ``SmolLM2-360M`` has 360 million.
"""

from __future__ import annotations

import re
from pathlib import Path

from safetensors import SafetensorError, safe_open

from specialize.config.recipe import Recipe
from specialize.planning.figures import Figures, Rate, TeacherFigures
from specialize.planning.work import Stage

# sustained, in 1e12 operations a second: a core's is about what steps of the bundled student come
# to; that of a GPU was not measured
PROCESSOR, ACCELERATOR = 0.05, 100.0
# of a core in a second (docs/results.md): 829,581 positions in 3.1 s, and 40 microseconds a row
ALIGNED, ROWS = 270_000.0, 25_000.0
# parameters of models whose names do not tell, from their cards
MODELS = {
    "google/flan-t5-small": 77e6,
    "google/flan-t5-base": 248e6,
    "google/flan-t5-large": 783e6,
    "google/flan-t5-xl": 2.85e9,
    "google/flan-t5-xxl": 11.1e9,
    "google/t5-v1_1-base": 248e6,
    "openai-community/gpt2": 124e6,
}


def parameters_of(model: str | None) -> float | None:
    """How many parameters a model has; None where that is not known without asking the network."""
    if model is None:
        return None
    if Path(model).is_dir():
        return _on_disk(Path(model))
    written = re.search(r"(\d+(?:\.\d+)?)([MB])\b", model)
    if model in MODELS:
        return MODELS[model]
    return float(written[1]) * {"M": 1e6, "B": 1e9}[written[2]] if written else None


def _on_disk(folder: Path) -> float | None:
    """The sum over the headers of all weights; nothing else is read."""
    total = 0.0
    try:
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, framework="numpy") as file:
                for name in sorted(file.keys()):
                    size = 1
                    for side in file.get_slice(name).get_shape():
                        size *= side
                    total += size
    except (OSError, SafetensorError):
        return None
    return total or None


def with_assumptions(
    figures: Figures, recipe: Recipe, stages: list[Stage], teraflops: float
) -> tuple[Figures, frozenset[str]]:
    """``figures`` with a rate for every stage that has none, where its model's size is known.

    Args:
        stages: whose tokens are multiplied.
        teraflops: sustained, in 1e12 operations a second.

    Returns:
        The figures, and the names of the stages whose rates are assumed.
    """
    by_name = {stage.name: stage for stage in stages}
    student, assumed = parameters_of(recipe.student), set()
    teachers = dict(figures.teachers)
    for name, teacher in recipe.teachers.items():
        stage, size = by_name.get(f"dump {name}"), parameters_of(teacher.model)
        own = teachers.get(name, TeacherFigures())
        if stage is not None and own.rate is None and size and teacher.server is None:
            teachers[name] = own.model_copy(update={"rate": _rate(stage, 2 * size, teraflops)})
            assumed.add(stage.name)
    changes: dict[str, object] = {"teachers": teachers}
    for name, operations in (("train", 6), ("evaluate", 2)):
        if getattr(figures, name) is None and student:
            changes[name] = _rate(by_name[name], operations * student, teraflops)
            assumed |= {name, "test"} if name == "evaluate" and figures.test is None else {name}
    for name, speed in (("align", ALIGNED), ("rows", ROWS)):
        if getattr(figures, name) is None:
            changes[name] = Rate(per_second=speed)
            assumed |= {stage for stage in by_name if stage.split()[0] == name}
    return figures.model_copy(update=changes), frozenset(assumed)


def _rate(stage: Stage, operations: float, teraflops: float) -> Rate:
    """Of a unit, so that all tokens that the stage reads and writes are paid for."""
    tokens = stage.tokens_read + stage.tokens
    total = max(tokens * operations / (teraflops * 1e12), 1e-9)
    return Rate(seconds=total / max(stage.units, 1))
