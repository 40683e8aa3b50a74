"""The whole method on the bundled models: a tiny teacher specializes a tiny student.

    quickstart(Path("runs/quickstart"), Size()) -> Outcome(before, after, teacher, ...)

The run's directory is that of any run; its recipe is written there and can be copied, edited and
run again with ``specialize run``.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from specialize import datasets
from specialize.artifacts.scores import read_scores
from specialize.artifacts.selection import read_selection
from specialize.config.recipe import (
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Recipe,
    Role,
    Teacher,
)
from specialize.config.training import Optimization, Training
from specialize.errors import ConfigurationError
from specialize.io.progress import notice
from specialize.pipeline import report_runs, run_recipe
from specialize.quickstart import world

MODELS = Path(__file__).parent / "models"
_TEACHER = "tiny"


@dataclass(frozen=True, slots=True)
class Size:
    """How long a run is; the defaults take a few minutes on two cores.

    Attributes:
        questions: of the training set. samples: solutions that the teacher writes to each.
        steps: of the optimizer. examples: of each validation and test split.
    """

    questions: int = 1200
    samples: int = 2
    steps: int = 300
    examples: int = 100

    @classmethod
    def of(
        cls,
        *,
        questions: int | None,
        samples: int | None,
        steps: int | None,
        examples: int | None,
    ) -> Size:
        """The default size with what is given changed."""
        given = {
            "questions": questions, "samples": samples, "steps": steps, "examples": examples
        }  # fmt: skip
        return replace(cls(), **{key: value for key, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Outcome:
    """Accuracy on the test split per set: before and after, and the teacher's.

    Attributes:
        text: of a second student that learnt the same solutions without their distributions; None:
            ``both`` was refused.
        report: its path.
        comparison: path of the two students' comparison; None: there is one student.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    teacher: Mapping[str, float]
    text: Mapping[str, float] | None
    selected_step: int
    seconds: float
    report: str
    comparison: str | None

    def as_json(self) -> dict[str, object]:
        return {
            "before": dict(self.before),
            "after": dict(self.after),
            "teacher": dict(self.teacher),
            "text": None if self.text is None else dict(self.text),
            "in_distribution": world.FAMILIES[0],
            "out_of_distribution": list(world.OUT_OF_DISTRIBUTION),
            "general": list(world.GENERAL),
            "selected_step": self.selected_step,
            "seconds": round(self.seconds, 1),
            "report": self.report,
            "comparison": self.comparison,
        }


def quickstart(out: Path, size: Size, *, both: bool = True, restart: bool = False) -> Outcome:
    """Dump, align, train, evaluate, select and report, in the directory ``out``.

    Args:
        both: a second student learns the same solutions as text, in ``out/text``.
        restart: what is in ``out`` is deleted.

    Raises:
        ConfigurationError: ``out`` holds something else, or a run of another size.
    """
    started = time.monotonic()
    if restart and (out / "recipe.yaml").is_file():
        shutil.rmtree(out)
    if out.exists() and any(out.iterdir()) and not (out / "data").is_dir():
        raise ConfigurationError(f"{out} is not empty and no quickstart run; name another --out")
    write_data(out / "data", size)
    recipe, text = quickstart_recipe(out, size), out / "text"
    report, comparison = run_recipe(recipe, out)["report"], None
    if both:
        notice(f"a second student, in {text}: the same solutions as text")
        run_recipe(_as_text(recipe), text, source=out)
        comparison = str(report_runs([out, text], out, None)["comparison"])
    return Outcome(
        before=_tested(out, 0),
        after=_tested(out, _selected(out)),
        teacher=_tested(out, -1),
        text=_tested(text, _selected(text)) if both else None,
        selected_step=_selected(out),
        seconds=time.monotonic() - started,
        report=str(report),
        comparison=comparison,
    )


def _as_text(recipe: Recipe) -> Recipe:
    """The same with tokens in place of their distributions."""
    objectives = tuple(
        o.model_copy(update={"target": "rationale"}) if o.target == "distribution" else o
        for o in recipe.objectives
    )
    return recipe.model_copy(update={"name": "quickstart as text", "objectives": objectives})


def write_data(folder: Path, size: Size) -> None:
    """The world's sets as files, one per set and split; those that are there stay."""
    wanted: list[tuple[str, world.Split, int]] = [(world.FAMILIES[0], "train", size.questions)]
    for name in (*world.FAMILIES, *world.GENERAL):
        wanted += [(name, "validation", size.examples), (name, "test", size.examples)]
    for name, split, count in wanted:
        path = folder / f"{name}.{split}.jsonl"
        if not path.is_file():
            datasets.write_jsonl(path, world.examples(name, split, count))


def quickstart_recipe(out: Path, size: Size) -> Recipe:
    """The method of Fu et al. (arXiv:2301.12726) over the tiny world."""
    folder = out / "data"
    return Recipe(
        name="quickstart",
        student=str(MODELS / "student"),
        train_on=Dataset(set="jsonl", path=str(folder / f"{world.FAMILIES[0]}.train.jsonl")),
        teachers={
            _TEACHER: Teacher(
                model=str(MODELS / "teacher"),
                samples=size.samples,
                temperature=0.7,
                max_new_tokens=96,
            )
        },
        objectives=_objectives(),
        training=Training(checkpoint_every=max(1, size.steps // 5), max_target_tokens=160),
        optimization=Optimization(
            steps=size.steps, learning_rate=2e-4, warmup_steps=10, batch_rows=24, accumulation=2
        ),
        evaluation=Evaluation(
            sets=tuple(_evaluation_set(folder, name) for name in (*world.FAMILIES, *world.GENERAL)),
            formats=("zero-shot-cot",),
            max_new_tokens=96,
        ),
        selection="mean",
    )


def _objectives() -> tuple[Objective, ...]:
    return tuple(
        Objective(
            name=name,
            format=name,
            target="distribution" if name.endswith("cot") else "answer",
            teacher=_TEACHER if name.endswith("cot") else None,
            num_fewshot=1,
            weight=weight,
        )
        for name, weight in (
            ("zero-shot-cot", 1.0),
            ("in-context-cot", 0.5),
            ("zero-shot-answer", 0.1),
            ("in-context-answer", 0.1),
        )
    )


def _evaluation_set(folder: Path, name: str) -> EvaluationSet:
    role: Role = "general"
    if name in world.FAMILIES:
        role = "out-of-distribution" if name in world.OUT_OF_DISTRIBUTION else "in-distribution"
    return EvaluationSet(
        set="jsonl",
        name=name,
        role=role,
        path=str(folder / f"{name}.{{split}}.jsonl"),
        protocol="files",
        kind="number" if name in world.FAMILIES else "text",
    )


def _selected(run: Path) -> int:
    selection = read_selection(run)
    return selection.step if selection else 0


def _tested(run: Path, step: int) -> dict[str, float]:
    scores = read_scores(run / "scores.jsonl")
    return {s.set: round(s.macro_average, 4) for s in scores if (s.split, s.step) == ("test", step)}


def summary_table(outcome: Outcome) -> str:
    """Student before and specialized, the second one and the teacher, per set, in percent."""
    second = "" if outcome.text is None else f"{'as text':>9}"
    lines = [f"{'set':24}{'before':>8}{'after':>8}{'change':>8}{second}{'teacher':>9}"]
    for name in (*world.FAMILIES, *world.GENERAL):
        before, after = outcome.before.get(name, 0.0), outcome.after.get(name, 0.0)
        teacher = outcome.teacher.get(name, 0.0)
        second = "" if outcome.text is None else f"{outcome.text.get(name, 0.0):9.1%}"
        lines.append(
            f"{name + _role_mark(name):24}{before:8.1%}{after:8.1%}{after - before:+8.1%}"
            f"{second}{teacher:9.1%}"
        )
    lines.append(f"selected step {outcome.selected_step}, {outcome.seconds:.0f} s")
    lines.append(f"report: {outcome.report}")
    if outcome.comparison is not None:
        lines.append(f"comparison: {outcome.comparison}")
    return "\n".join(lines)


def _role_mark(name: str) -> str:
    if name in world.GENERAL:
        return " (general)"
    return " (in)" if name == world.FAMILIES[0] else " (out)"
