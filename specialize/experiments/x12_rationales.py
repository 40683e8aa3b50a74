"""X12: published rationales of large teachers, learnt by a small pretrained model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
_NATS, _CHOSEN = "nats of the right label", "right among the choices"


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


_STEPS, _TOGETHER, _RATE = 60, 4, 5e-4
_LONGER, _LONG = "cqa", 300  # a set with a longer training, too; its steps: all questions once
_EXAMPLES = 120


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


def base_recipe(folder: Path) -> Recipe:
    """Labels of CQA alone; the arms set everything that is of a set."""
    return Recipe(
        student=str(folder / STUDENT),
        train_on=_train_on("cqa", folder),
        teachers={},
        objectives=(label(),),
        training=Training(mixing="joint", checkpoint_every=_STEPS, max_target_tokens=160),
        optimization=Optimization(
            steps=_STEPS, learning_rate=_RATE, warmup_steps=min(10, _STEPS // 6),
            schedule="linear", batch_rows=_TOGETHER, accumulation=1, precision="bf16",
        ),
        lora=Lora(),
        evaluation=Evaluation(
            sets=(_asked("cqa", folder),), formats=("predict",), max_new_tokens=12
        ),
    )  # fmt: skip


def _train_on(name: str, folder: Path) -> Dataset:
    path = str(folder / "data" / SETS[name].folder)
    return Dataset(set=name, path=path, split="train", limit=SETS[name].train, fraction=FRACTION)


def _asked(name: str, folder: Path) -> EvaluationSet:
    path = str(folder / "data" / SETS[name].folder)
    return EvaluationSet(
        set=name, role="in-distribution", path=path, protocol="published", limit=_EXAMPLES
    )


def _arms() -> Iterator[Arm]:
    for name in SETS:
        published = SETS[name]
        for count, method in enumerate(("label", "step-by-step", "two teachers")):
            if count <= len(published.teachers):
                against = f"{name} label" if count else None
                changes = _changes(name, published.teachers[:count])
                yield Arm(f"{name} {method}", changes, against)
    steps = f"optimization.steps={_LONG}", f"training.checkpoint_every={_LONG}"
    base, taught = (f"{_LONGER} {method} {_LONG}" for method in ("label", "step-by-step"))
    yield Arm(base, (*_changes(_LONGER, ()), *steps))
    yield Arm(taught, (*_changes(_LONGER, SETS[_LONGER].teachers[:1]), *steps), base)


def _changes(name: str, teachers: tuple[str, ...]) -> tuple[str, ...]:
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
    asked = _asked(name, folder).model_dump(mode="json", exclude_defaults=True)
    trained = _train_on(name, folder).model_dump(mode="json", exclude_defaults=True)
    known: dict[str, dict[str, object]] = {f"{name}-{teacher}": {} for teacher in teachers}
    return (
        f"train_on={json.dumps(trained)}",
        f"evaluation.sets={json.dumps([asked])}",
        f"teachers={json.dumps(known)}",
        f"objectives={json.dumps(objectives)}",
        f"optimization.batch_rows={_TOGETHER * (1 + len(teachers))}",
    )


def quantify(recipe: Recipe, _folder: Path, checkpoint: Path) -> Mapping[str, list[float]]:
    """Of every test question: the right label's nats, and whether no other choice has fewer."""
    from specialize.experiments import text_quantities as measured  # torch is slow to import

    [asked] = recipe.evaluation.sets
    form, opened = by_name("predict"), measured.open_model(checkpoint)
    nats, chosen = [], []
    for example in datasets.load(asked.set, str(asked.path), split="test")[: asked.limit]:
        texts = [f"{form.separator}{form.target('', choice)}" for choice in example.choices]
        found = measured.choice_nats(*opened, str(form.prompt(example)), texts)
        right = found[example.choices.index(example.answer)]
        nats.append(round(right, 4))
        chosen.append(float(right == min(found)))
    return {_NATS: nats, _CHOSEN: chosen}


def _contrasts() -> Iterator[Contrast]:
    for name in SETS:
        plain, one, two = f"{name} label", f"{name} step-by-step", f"{name} two teachers"
        yield from _beats(name.upper(), "one teacher's rationale", one, plain, "the label alone")
        if len(SETS[name].teachers) > 1:
            several = (name.upper(), "two teachers' rationales", two)
            yield from _beats(*several, plain, "the label alone")
            yield from _beats(*several, one, "one teacher's")
    plain, taught = (f"{_LONGER} label", f"{_LONGER} step-by-step")
    longer = (f"{taught} {_LONG}", f"{plain} {_LONG}")
    where = f"{_LONGER.upper()}, {_LONG} steps"
    yield from _beats(where, "one teacher's rationale", *longer, "the label alone")
    claim = f"{where}: one teacher's rationale costs less than in {_STEPS}"
    yield Contrast(claim, (taught, longer[1]), (plain, longer[0]), _NATS)


def _beats(where: str, what: str, better: str, worse: str, other: str) -> Iterator[Contrast]:
    """By the likeliest choice, by what is written, and by the right label's nats."""
    beats, leaves = ("beat", "leave") if what.endswith("s") else ("beats", "leaves")
    yield Contrast(f"{where}: {what} {beats} {other}", (better,), (worse,), _CHOSEN)
    yield Contrast(f"{where}: {what} {beats} {other}", (better,), (worse,))
    yield Contrast(f"{where}: {what} {leaves} fewer than {other}", (worse,), (better,), _NATS)


_SIZES = ", ".join(
    f"{name.upper()} ({round(FRACTION * each.train):,})" for name, each in SETS.items()
)
RATIONALES = Experiment(
    name="X12",
    title="Published rationales for a pretrained student",
    hypothesis="With an eighth of the training questions, a student that learns a large teacher's "
    "rationales as a second task predicts labels better than one fine-tuned on labels, and one "
    "that learns those of several teachers better still.",
    source="Hsieh et al. 2023, arXiv:2305.02301, section 4; Tian et al. 2024, arXiv:2402.04616",
    design="The student is SmolLM2-135M-Instruct with adapters of rank 16 (a GGUF file, Q4_1, read "
    "in float32; 135 million weights). The questions are 12.5 % of the training questions: "
    f"{_SIZES}. The rationales are those published with the papers, right or wrong: PaLM-540B's "
    "for CQA, FLAN-T5's and LLaMA-2's for ARC and OBQA. *Label*: the gold label alone. "
    "*Step-by-step*: the rationale of one teacher, FLAN-T5 where there are two, as a second task "
    "of the same weight. *Two teachers*: one task more. Every arm has "
    f"{_STEPS} steps, or those in its name, of {_TOGETHER} questions with a row for each task, and "
    f"a peak learning rate of {_RATE:g} that no arm was tuned for. The last checkpoint is asked "
    f"the first {_EXAMPLES} test questions of its set: whether the right label is the likeliest of "
    "the choices, whether the label that it writes is right, and the nats that it leaves of the "
    "right one. ARC alone had been run before, for 35 steps, where hardly a label that was written "
    "was right; so the choice among labels was added, and claims on it, before these runs. Those "
    f"of {_LONG} steps came when the others had been read. **Limits.** In {_STEPS} steps a run "
    f"reads {_STEPS * _TOGETHER:,} questions, in {_LONG} each of {_LONGER.upper()}'s once, and "
    f"{_EXAMPLES} test questions separate only what is far apart.",
    prepare=prepare,
    base=base_recipe,
    arms=tuple(_arms()),
    contrasts=tuple(_contrasts()),
    questions=max(published.train for published in SETS.values()),
    examples=_EXAMPLES,
    quantities=(Quantity(_CHOSEN, "share of questions"), Quantity(_NATS, "nats a question")),
    quantify=quantify,
    columns=(_CHOSEN, "in-distribution", _NATS),
    scale=Scale(
        student="SmolLM2-135M", data=", ".join(SETS), question_tokens=65,
        solution_tokens=60, parameters=135e6, teacher_parameters=0,
    ),
    minutes=190,
    notes="In 60 steps rationales do not pay with an eighth of any of the sets. One teacher's cost "
    ".30 nats of the right label on CQA (.15 to .46) and .59 on ARC (.34 to .86), on OBQA "
    "nothing that is separable; two teachers' .67 on ARC and .39 on OBQA, where the second "
    "one alone costs .29 (.14 to .46). Which label is the likeliest, and which one is "
    "written, separates nothing: 23 to 30 % are the likeliest, where a guess is right in 20 "
    "% (CQA) or 25 %, so that these students have hardly learnt to answer. In so few steps a "
    "task more takes its share of every step from the label's: in 300, which read each of "
    "CQA's questions once, the loss is gone (.018, -.128 to .158; .286 less than in 60, .096 "
    "to .472). Nothing is gained there either, and the students are no better than a guess. "
    "The papers train for thousands of steps; whether rationales pay there was not measured.",
)  # fmt: skip
