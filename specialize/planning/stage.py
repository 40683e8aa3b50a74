"""What the command does: count, measure where that is asked for, forecast, and say what limits.

plan(recipe, Path("mine.figures.yaml"))    -> Plan(stages=(...), limits=(...), notes=(...))
make_pilot(recipe, Path("mine.figures.yaml"), seconds=10)
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from specialize.config.recipe import Recipe
from specialize.config.yaml_files import recorded_recipe
from specialize.errors import ConfigurationError, InputError
from specialize.io.cores import usable_cores
from specialize.io.progress import notice
from specialize.io.times import Took, read_times
from specialize.io.units import bytes_text, number_text
from specialize.planning.assumed import (
    ACCELERATOR,
    PROCESSOR,
    parameters_of,
    with_assumptions,
)
from specialize.planning.completion import Expected, expect
from specialize.planning.counting import count
from specialize.planning.figures import (
    Cluster,
    Figures,
    TeacherFigures,
    read_figures,
    write_figures,
)
from specialize.planning.forecast import Forecast, forecast, limiting, relief
from specialize.planning.work import PARAMETER_BYTES, work_of

_UNTIMED = frozenset({"rounds", "seed", "name", "selection", "smooth"})  # speed is the same


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One line of the plan; ``seconds`` is of the wall's clock, ``measured`` says who knows it."""

    stage: str
    items: int
    what: str
    tokens_read: int
    tokens: int
    requests: int
    bytes: int
    seconds: float | None
    processor_seconds: float | None
    money: float
    speed: str  # measured, given, assumed or unknown
    took_seconds: float | None = None
    took_processor_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A stage that takes a tenth of the time or more, what it waits for, and what would help."""

    stage: str
    share: float
    bound: str
    relief: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of a recipe will take.

    Attributes:
        recipe: its name.
        questions: that are trained on; further ones for teachers included.
        stages: in the order of the run.
        limits: longest first: the first one holds up the run, the next when that is relieved.
        device_hours: of the stages whose speed is known, one after another.
        money: of devices and tokens.
        bytes: on the disk at the end. bytes_free: where it would be written.
        notes: what is assumed.
        cluster: its simulated stages.
    """

    recipe: str
    questions: int
    stages: tuple[PlannedStage, ...]
    limits: tuple[Limit, ...]
    device_hours: float
    money: float
    bytes: int
    bytes_free: int
    notes: tuple[str, ...]
    cluster: tuple[Expected, ...] = ()


def figures_path(recipe: Recipe) -> Path:
    """Where the pilot of a recipe leaves its figures, and where a plan looks for them."""
    return Path(f"{recipe.name}.figures.yaml")


def speed_digest(recipe: Recipe) -> str:
    """Equal for recipes whose stages are equally fast: the same models, formats and batches, of any
    size."""
    values = recipe.model_dump(mode="json", exclude=set(_UNTIMED))
    for spec in (values["train_on"], *values["unlabelled"]):
        del spec["fraction"], spec["limit"]
    for spec in values["evaluation"]["sets"]:
        del spec["limit"]
    for teacher in values["teachers"].values():
        del teacher["samples"], teacher["server"]
    del values["optimization"]["steps"], values["optimization"]["warmup_steps"]
    del values["training"]["checkpoint_every"]
    del values["training"]["keep_checkpoints"], values["running"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def machine() -> str:
    """Where figures hold."""
    return f"{platform.machine()}, {usable_cores()} cores"


def plan(
    recipe: Recipe,
    figures: Figures | None,
    *,
    teraflops: float | None = None,
    against: Path | None = None,
    processes: int = 1,
    workers: int | None = None,
) -> Plan:
    """What every stage of ``recipe`` will take.

    Args:
        recipe: what the run is.
        figures: measured or given; None: speeds are assumed where models are known.
        teraflops: sustained, for assumed speeds; None: those of a core, or of a GPU for a model
            that is not here.
        against: a finished run, whose own times are put beside the forecast.
        processes: as of ``specialize run``.
        workers: that a simulated cluster has; None: nothing is simulated.

    Raises:
        ConfigurationError: what the run would refuse.
        InputError: data that cannot be read.
    """
    made = _forecast(recipe, figures or Figures(), teraflops, processes)
    took, notes = _took(against), made.notes
    if against is not None and recorded_recipe(against) != recipe:
        notes += (f"{against} is a run of another recipe",)
    known = [each.took.seconds for each in made.stages if each.took is not None]
    return Plan(
        recipe=recipe.name,
        questions=made.questions,
        stages=tuple(_planned(each, made, took.get(each.stage.name)) for each in made.stages),
        limits=_limits(recipe, made.stages, sum(known)),
        device_hours=sum(known) / 3600,
        money=round(sum(each.money for each in made.stages), 4),
        bytes=round(sum(each.stage.bytes for each in made.stages)),
        bytes_free=shutil.disk_usage(Path.cwd()).free,
        notes=notes,
        cluster=_simulated(recipe, made, workers),
    )


class _Made(NamedTuple):
    """The forecast, and what it was made of."""

    questions: int
    figures: Figures  # assumed ones among them
    assumed: frozenset[str]
    stages: list[Forecast]
    notes: tuple[str, ...]


def _forecast(recipe: Recipe, own: Figures, teraflops: float | None, processes: int) -> _Made:
    counted = count(recipe)
    each = own.checkpoint_bytes or PARAMETER_BYTES * (parameters_of(recipe.student) or 0.0)
    stages = work_of(recipe, counted, own, checkpoint_bytes=each)
    speed = teraflops or (PROCESSOR if Path(recipe.student).exists() else ACCELERATOR)
    full, assumed = with_assumptions(own, recipe, stages, speed)
    notes = [*counted.notes, *_doubts(recipe, own, assumed, speed)]
    if processes > 1 and own.recipe is not None and own.evaluate and not own.evaluate.divided:
        notes.append(
            f"what processes take to start was not measured; --pilot --processes {processes} does"
        )
    if not each:
        notes.append(f"the size of {recipe.student} is not known: checkpoints are not counted")
    made = forecast(recipe, stages, full, processes=processes)
    return _Made(counted.questions, full, assumed, made, tuple(notes))


def _simulated(recipe: Recipe, made: _Made, workers: int | None) -> tuple[Expected, ...]:
    if workers is None:
        return ()
    cluster = (made.figures.cluster or Cluster()).model_copy(update={"workers": workers})
    return tuple(expect(recipe, [each.stage for each in made.stages], made.figures, cluster))


def _took(run: Path | None) -> dict[str, Took]:
    """What the stages of a finished run took, apart from one another.

    Raises:
        InputError: no such run, or one that noted no times.
    """
    if run is None:
        return {}
    times = read_times(run)
    if not times:
        raise InputError(f"{run} has no times of its stages; name a run that `specialize run` made")
    if "train" in times:
        times["train"] -= times.get("rows", Took())
    return times


def _limits(recipe: Recipe, made: Sequence[Forecast], total: float) -> tuple[Limit, ...]:
    found = []
    for each in limiting(made):
        seconds = each.took.seconds if each.took is not None else 0.0
        share = round(seconds / total, 3)
        found.append(Limit(each.stage.name, share, each.bound, relief(recipe, each)))
    return tuple(found)


def _planned(each: Forecast, made: _Made, took: Took | None) -> PlannedStage:
    stage, forecasted = each.stage, each.took
    speed = "measured" if made.figures.recipe else "given"
    if forecasted is None or stage.name in made.assumed:
        speed = "unknown" if forecasted is None else "assumed"
    processor = forecasted.processor_seconds if forecasted is not None else 0.0
    return PlannedStage(
        stage=stage.name,
        items=stage.items,
        what=stage.what,
        tokens_read=round(stage.tokens_read),
        tokens=round(stage.tokens),
        requests=stage.requests,
        bytes=round(stage.bytes),
        seconds=None if forecasted is None else round(forecasted.seconds, 3),
        processor_seconds=round(processor, 3) or None,
        money=round(each.money, 4),
        speed=speed,
        took_seconds=None if took is None else took.seconds,
        took_processor_seconds=None if took is None else took.processor_seconds,
    )


def _doubts(recipe: Recipe, own: Figures, assumed: frozenset[str], teraflops: float) -> list[str]:
    """What of the speeds was not measured here and for this recipe."""
    found = []
    if own.recipe is not None and own.recipe != speed_digest(recipe):
        found.append(
            "the figures are of another recipe (other models, formats, limits or batches); make a "
            "--pilot of this one"
        )
    if strange := _strange(recipe, own):
        found.append(f"not used, as the recipe has none of that name: figures of {strange}")
    if own.recipe is not None and own.machine != machine():
        found.append(f"the figures are of another machine: {own.machine}; this one: {machine()}")
    if assumed:
        advice = "; --pilot measures it" if not _imported(recipe) else ""
        found.append(
            f"assumed speed: {', '.join(sorted(assumed))} (models at {number_text(teraflops)} "
            f"teraflops){advice}"
        )
    if recipe.rounds is not None:
        found.append("rounds are not planned: each takes its texts, their scores and a training")
    return found


def _strange(recipe: Recipe, own: Figures) -> str:
    """Teachers, objectives and sets of the figures that the recipe does not have."""
    evaluation = recipe.evaluation
    sets = {f"{spec.label}/{form}" for spec in evaluation.sets for form in evaluation.formats}
    strange = [
        *(own.teachers.keys() - recipe.teachers.keys()),
        *(own.rows_per_question.keys() - {each.name for each in recipe.objectives}),
        *(own.answers.keys() - sets),
    ]
    return ", ".join(sorted(strange))


def _imported(recipe: Recipe) -> list[str]:
    """The teachers that cannot be asked."""
    return [name for name, teacher in recipe.teachers.items() if teacher.model is None]


# ---- the pilot ---------------------------------------------------------------------------------


def make_pilot(recipe: Recipe, path: Path, *, seconds: float, processes: int = 1) -> Figures:
    """Run the pilot and keep its figures in ``path``, beside the prices that are there.

    Args:
        recipe: what is planned.
        path: of the figures.
        seconds: of the processor that each part of its longer run should take, about.
        processes: of the run that is planned; what these pay at their start is measured too.

    Raises:
        SpecializeError: what the run would refuse.
    """
    from specialize.planning.fitting import fit
    from specialize.planning.pilot import run_pilot
    from specialize.train.preparation import check_recipe

    before = read_figures(path) if path.exists() else Figures()
    check_recipe(recipe)
    if imported := _imported(recipe):
        raise ConfigurationError(
            f"a pilot asks every teacher, and {imported[0]!r} has no model: it was imported; give "
            f"speeds by hand with --figures (docs/planning.md)"
        )
    for line in announced(recipe, seconds, before, processes):
        notice(line)
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pilot-", dir=path.absolute().parent) as folder:
        found = fit(run_pilot(recipe, Path(folder) / "runs", seconds, processes=processes))
    figures = _with_prices(found, before).model_copy(
        update={"recipe": speed_digest(recipe), "machine": machine()}
    )
    write_figures(figures, path)
    return figures


def announced(recipe: Recipe, seconds: float, before: Figures, processes: int = 1) -> list[str]:
    """What the pilot will cost, at most, before it begins."""
    from specialize.planning.short_runs import EXAMPLES, MOST, RESPONSES, STEPS

    lines = [
        f"pilot: twice {RESPONSES} responses of each teacher, {STEPS} steps and {EXAMPLES} examples"
        f" of each set, then up to {MOST} times as many, about {number_text(seconds)} s of the "
        f"processor each for dumping, training and answering, beside imports"
        + (f"; then as at first in {processes} processes" if processes > 1 else "")
    ]
    for name, teacher in recipe.teachers.items():
        if teacher.server is None:
            continue
        most = RESPONSES * (2 + MOST + (processes > 1))
        tokens = most * teacher.max_new_tokens
        price = before.teachers.get(name, TeacherFigures()).price_per_million_output_tokens
        money = f", {number_text(tokens * price / 1e6)} of money for these" if price else ""
        lines.append(
            f"pilot: {name} is asked over the network for at most {most:,} responses, "
            f"{tokens:,} tokens{money}"
        )
    return lines


def _with_prices(found: Figures, before: Figures) -> Figures:
    """``found`` with what a pilot does not measure."""
    prices = ("price_per_million_input_tokens", "price_per_million_output_tokens")
    teachers = {
        name: own.model_copy(
            update={key: getattr(before.teachers.get(name, own), key) for key in prices}
        )
        for name, own in found.teachers.items()
    }
    own = ("devices", "price_per_device_hour", "cluster")
    kept = {key: getattr(before, key) for key in own}
    return found.model_copy(update={"teachers": teachers, **kept})


def disk_note(made: Plan) -> str | None:
    """A sentence where the disk has no room."""
    if made.bytes <= made.bytes_free:
        return None
    return (
        f"the disk has {bytes_text(made.bytes_free)} free, and {bytes_text(made.bytes)} are needed"
    )
