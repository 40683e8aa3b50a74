"""X04: a start that was tuned on other families' solutions, against the student as it comes."""

from __future__ import annotations

from pathlib import Path

from specialize import datasets
from specialize.config.recipe import Recipe
from specialize.experiments import world
from specialize.experiments.design import INPUTS, Arm, Contrast, Experiment
from specialize.pipeline import train_from
from specialize.quickstart.world import examples as bundled
from specialize.students import checkpoints

_QUESTIONS, _EXAMPLES = 400, 600
_OTHERS, _OF_EACH, _TUNING = ("farm_step", "depot_step"), 800, 100  # families, questions, steps
_STEPS = "optimization.steps"


def prepare(folder: Path, questions: int, examples: int) -> None:
    """The world's sets and the tuned start; goes on where it was killed."""
    world.prepare(folder, questions, examples, fewer=("errands",))
    if _tuned(folder).is_dir():
        return
    path = folder / "data" / "others.train.jsonl"
    datasets.write_jsonl(path, [e for name in _OTHERS for e in bundled(name, "train", _OF_EACH)])
    recipe = _base(folder)
    change = {
        "name": "tuning on other families",
        "train_on": recipe.train_on.model_copy(update={"path": str(path)}),
        "optimization": recipe.optimization.model_copy(update={"steps": _TUNING}),
    }
    train_from(recipe.model_copy(update=change), folder / "tuning", None)


def _tuned(folder: Path) -> Path:
    return checkpoints.folder(folder / "tuning") / checkpoints.name_of(_TUNING)


def _base(folder: Path) -> Recipe:
    recipe = world.base_recipe(folder, every=world.STEPS, samples=2, sets=("shop", "errands"))
    text = recipe.objectives[0].model_copy(update={"target": "rationale"})
    return recipe.model_copy(update={"objectives": (text,)})


def _beats(name: str, other: str) -> tuple[Contrast, Contrast]:
    claim = f"{name} beats {other}"
    return (
        Contrast(claim, (name,), (other,)),
        Contrast(claim, (name,), (other,), "out-of-distribution"),
    )


START = Experiment(
    name="X04",
    title="A raw against a tuned start",
    hypothesis="A student that was tuned on other tasks first becomes better by specialization "
    "than one that was not.",
    source="Fu et al. 2023, arXiv:2301.12726, T5 against FLAN-T5",
    design=f"The bundled student learns right solutions as text, two a question of {_QUESTIONS} "
    f"questions, for {world.STEPS} steps of {world.ROWS} rows. *Raw*: as it comes, which answers "
    f"directly even where a chain of thought is asked for. *Tuned*: after {_TUNING} steps of the "
    f"same form on the bundled teacher's right solutions to {len(_OTHERS) * _OF_EACH} problems of "
    "one step of two other families, once for all seeds. *Raw longer*: as many steps on the set "
    f"itself as the tuned start has had in all. Accuracy of the last checkpoint on {_EXAMPLES} "
    f"test questions of the set trained on, and on {_EXAMPLES // 3} with one step more, of a "
    "family that no arm was trained on. All arms and claims were written down before the runs.",
    prepare=prepare,
    base=_base,
    arms=(
        Arm("raw"),
        Arm("tuned", (f"student={_tuned(Path(INPUTS))}",), against="raw"),
        Arm("raw longer", (f"{_STEPS}={world.STEPS + _TUNING}",), against="raw"),
    ),
    contrasts=(*_beats("tuned", "raw"), *_beats("tuned", "raw longer"),
               *_beats("raw longer", "raw")),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
    minutes=5,
    notes="A start that was tuned on other families' solutions is not separable from the student "
    "as it comes (+1.3, -.7 to 3.3; with one step more +1.7, -3.0 to 6.5). What it cost in steps "
    "is worth more on the set itself: as many steps there gain 3.5 points (1.2 to 5.9), and 5.0 "
    "(.2 to 10.2) on problems with one step more, though the tuned start itself is not separable "
    "from that. Spend steps on the set that counts. The student as it comes has been tuned, too, "
    "to answer other tasks directly; a start without any tuning, such as T5 beside FLAN-T5, was "
    "not an arm.",
)  # fmt: skip
