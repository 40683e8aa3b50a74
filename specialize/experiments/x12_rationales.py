"""X12: published rationales of large teachers, learnt by a small pretrained model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from specialize import datasets
from specialize.config.recipe import (
    Dataset,
    Evaluation,
    EvaluationSet,
    Lora,
    Objective,
    Optimization,
    Recipe,
    Running,
    Training,
)
from specialize.errors import InputError
from specialize.experiments.design import (
    INPUTS,
    STORES,
    Arm,
    Contrast,
    Experiment,
    Quantity,
    Scale,
)
from specialize.experiments.one_step import label
from specialize.formats import by_name
from specialize.imports.palm import import_palm
from specialize.imports.tinyllm import import_tinyllm
from specialize.store import link_store

SCRIPT = "scripts/real_experiments.sh"
STUDENT, FRACTION = "SmolLM2.gguf", 0.125
_NATS = "nats of the right label"


@dataclass(frozen=True, slots=True)
class Published:
    """One set: its folder below the data, its training questions, its teachers."""

    folder: str
    train: int
    teachers: tuple[str, ...]


SETS: Mapping[str, Published] = {
    "cqa": Published("step_by_step/cqa", 8766, ("palm",)),
    "arc": Published("tinyllm/arc", 1117, ("flan-t5", "llama-2")),
    "obqa": Published("tinyllm/obqa", 4957, ("flan-t5", "llama-2")),
}


@dataclass(frozen=True, slots=True)
class Size:
    """Sets, steps, questions in each, test questions of each set."""

    sets: tuple[str, ...]
    steps: int
    together: int
    examples: int
    rate: float


SHORT = Size(sets=("arc",), steps=35, together=4, examples=160, rate=5e-4)
NIGHT = Size(sets=("cqa", "arc", "obqa"), steps=200, together=4, examples=300, rate=3e-4)


def prepare(folder: Path, _questions: int, _examples: int) -> None:
    """Import the rationales of every set; what is there stays.

    Args:
        folder: has the student and the published sets already.

    Raises:
        InputError: there is no student, or no sets; names the script that puts them there.
    """
    missing = [name for name in (STUDENT, "data") if not (folder / name).exists()]
    if missing:
        raise InputError(f"{folder} has no {', '.join(missing)}; run {SCRIPT} first")
    for name, published in SETS.items():
        source = folder / "data" / published.folder
        wanted = [each for each in published.teachers if not _store(folder, name, each).is_dir()]
        if wanted:
            _import(name, source, folder / "imported" / name)
        for teacher in wanted:
            link_store(folder / "imported" / name / teacher, _store(folder, name, teacher))


def _store(folder: Path, name: str, teacher: str) -> Path:
    return folder / STORES / f"{name}-{teacher}"


def _import(name: str, source: Path, out: Path) -> None:
    examples = datasets.load(name, str(source / f"{name}_train.json"))
    if name == "cqa":
        import_palm(
            source / "llm", out / "palm", examples=examples, kind="choice", split="train",
            restart=True,
        )  # fmt: skip
    else:
        import_tinyllm(
            source / "llm", out, examples=examples, kind="choice", split="train", restart=True
        )


def base_recipe(size: Size, folder: Path) -> Recipe:
    """Labels of CQA alone; the arms set everything that is of a set."""
    return Recipe(
        student=str(folder / STUDENT),
        train_on=_train_on("cqa", folder),
        teachers={},
        objectives=(label(),),
        training=Training(mixing="joint", checkpoint_every=size.steps, max_target_tokens=160),
        optimization=Optimization(
            steps=size.steps, learning_rate=size.rate, warmup_steps=min(10, size.steps // 6),
            schedule="linear", batch_rows=size.together, accumulation=1, precision="bf16",
        ),
        lora=Lora(),
        running=Running(packing=True),
        evaluation=Evaluation(
            sets=(_asked("cqa", size, folder),), formats=("predict",), max_new_tokens=12
        ),
    )  # fmt: skip


def _train_on(name: str, folder: Path) -> Dataset:
    path = str(folder / "data" / SETS[name].folder)
    return Dataset(set=name, path=path, split="train", limit=SETS[name].train, fraction=FRACTION)


def _asked(name: str, size: Size, folder: Path) -> EvaluationSet:
    path = str(folder / "data" / SETS[name].folder)
    return EvaluationSet(
        set=name, role="in-distribution", path=path, protocol="published", limit=size.examples
    )


def _arms(size: Size) -> Iterator[Arm]:
    for name in size.sets:
        published = SETS[name]
        for count, method in enumerate(("label", "step-by-step", "two teachers")):
            if count <= len(published.teachers):
                against = f"{name} label" if count else None
                changes = _changes(size, name, published.teachers[:count])
                yield Arm(f"{name} {method}", changes, against)


def _changes(size: Size, name: str, teachers: tuple[str, ...]) -> tuple[str, ...]:
    """A set, and as objectives its label and the rationale of each of the teachers."""
    folder = Path(INPUTS)
    rationales = [
        Objective(
            name=f"explain-{teacher}", format=f"explain-{teacher}", target="rationale",
            teacher=f"{name}-{teacher}", keep="all",
        )
        for teacher in teachers
    ]  # fmt: skip
    objectives = [o.model_dump(mode="json", exclude_defaults=True) for o in (label(), *rationales)]
    asked = _asked(name, size, folder).model_dump(mode="json", exclude_defaults=True)
    trained = _train_on(name, folder).model_dump(mode="json", exclude_defaults=True)
    known: dict[str, dict[str, object]] = {f"{name}-{teacher}": {} for teacher in teachers}
    return (
        f"train_on={json.dumps(trained)}",
        f"evaluation.sets={json.dumps([asked])}",
        f"teachers={json.dumps(known)}",
        f"objectives={json.dumps(objectives)}",
        f"optimization.batch_rows={size.together * (1 + len(teachers))}",
    )


def quantify(recipe: Recipe, _folder: Path, checkpoint: Path) -> Mapping[str, list[float]]:
    """The nats of every test question's right label, as it is asked for."""
    from specialize.experiments import text_quantities as measured  # torch is slow to import

    [asked] = recipe.evaluation.sets
    form = by_name("predict")
    texts = [
        measured.Asked(str(form.prompt(e)), f"{form.separator}{form.target('', e.answer)}")
        for e in datasets.load(asked.set, str(asked.path), split="test")[: asked.limit]
    ]
    values = measured.of_texts(*measured.open_model(checkpoint), texts)["nats"]
    return {_NATS: [round(value, 4) for value in values]}


def _contrasts(size: Size) -> Iterator[Contrast]:
    for name in size.sets:
        plain, one, two = f"{name} label", f"{name} step-by-step", f"{name} two teachers"
        pairs = [("one teacher's rationale {} the label alone", one, plain)]
        if len(SETS[name].teachers) > 1:
            pairs += [("two teachers' rationales {} the label alone", two, plain)]
            pairs += [("two teachers' rationales {} one teacher's", two, one)]
        for claim, better, worse in pairs:
            beats = claim.format("beats" if better == one else "beat")
            leaves = claim.format("leaves fewer than" if better == one else "leave fewer than")
            yield Contrast(f"{name.upper()}: {beats}", (better,), (worse,))
            yield Contrast(f"{name.upper()}: {leaves}", (worse,), (better,), _NATS)


def _design(size: Size) -> str:
    sets = ", ".join(
        f"{name.upper()} ({round(FRACTION * SETS[name].train):,})" for name in size.sets
    )
    return (
        "The student is SmolLM2-135M-Instruct with adapters of rank 16 (a GGUF file, Q4_1, read in "
        "float32; 135 million weights). The questions are 12.5 % of the training questions: "
        f"{sets}. The rationales are those published with the papers, right or wrong: PaLM-540B's "
        "for CQA, FLAN-T5's and LLaMA-2's for ARC and OBQA. *Label*: the gold label alone. "
        "*Step-by-step*: the rationale of one teacher, FLAN-T5 where there are two, as a second "
        "task of the same weight. *Two teachers*: one task more. Every arm has "
        f"{size.steps} steps of {size.together} questions with a row for each task, and a peak "
        f"learning rate of {size.rate:g} that no arm was tuned for. Accuracy of the last "
        f"checkpoint on the first {size.examples} test questions, the label said directly; and, "
        "for what accuracy is too coarse for, the nats that it leaves of the right label. The arms "
        "and claims were written down before the runs. **Limits.** A run reads "
        f"{size.steps * size.together:,} questions, and {size.examples} test questions separate "
        "only what is far apart."
    )


def _experiment(
    name: str, size: Size, title: str, *, minutes: int | None = None, notes: str = ""
) -> Experiment:
    return Experiment(
        name=name,
        title=title,
        hypothesis="With an eighth of the training questions, a student that learns a large "
        "teacher's rationales as a second task predicts labels better than one fine-tuned on "
        "labels, and one that learns those of several teachers better still.",
        source="Hsieh et al. 2023, arXiv:2305.02301, section 4; Tian et al. 2024, arXiv:2402.04616",
        design=_design(size),
        prepare=prepare,
        base=partial(base_recipe, size),
        arms=tuple(_arms(size)),
        contrasts=tuple(_contrasts(size)),
        questions=max(published.train for published in SETS.values()),
        examples=size.examples,
        quantities=(Quantity(_NATS, "nats a question"),),
        quantify=quantify,
        columns=("in-distribution", _NATS),
        scale=Scale(
            student="SmolLM2-135M", data=", ".join(size.sets), question_tokens=65,
            solution_tokens=60, parameters=135e6, teacher_parameters=0,
        ),
        minutes=minutes,
        notes=notes,
    )  # fmt: skip


RATIONALES = _experiment(
    "X12",
    SHORT,
    "Published rationales for a pretrained student",
    minutes=29,
    notes="With 140 questions, each seen once, rationales do not pay: each teacher's costs half a "
    "nat of the right label (.52, .31 to .72, for the first, .54, .43 to .65, for the second). "
    "Accuracy separates nothing: 8 to 11 % are right, where a guess among four is right in 25 %, "
    "since the label's text has to be written and these students have hardly learnt to. In so few "
    "steps a task more takes its share of every step from the label's. The papers train for "
    "thousands of steps; whether rationales pay there, X12N asks, and it was not run.",
)
RATIONALES_NIGHT = _experiment("X12N", NIGHT, "X12 at a night's size")
