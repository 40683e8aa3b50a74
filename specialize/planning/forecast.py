"""Work and figures -> what each stage will take, which one holds up the others, and what helps.

forecast(recipe, stages, figures)
-> [Forecast(stage=Stage("dump tiny", ...), seconds=31.2, processor_seconds=52.0, ...), ...]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specialize.config.recipe import Recipe
from specialize.config.teacher import Server
from specialize.io.cores import usable_cores
from specialize.io.forked import can_fork
from specialize.io.times import Took
from specialize.planning.figures import Figures, Rate, TeacherFigures
from specialize.planning.sharing import shared
from specialize.planning.work import Stage
from specialize.targets.processes import EACH, MOST

SERIAL = 0.39  # of align's work, that one process does: 1.44 times as fast with two


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one stage will take.

    Attributes:
        stage: its work.
        took: seconds; None: nothing is known of its speed.
        bound: what it waits for: device, requests a minute, tokens a minute.
        money: for devices and tokens.
    """

    stage: Stage
    took: Took | None
    bound: str
    money: float


def forecast(
    recipe: Recipe, stages: Sequence[Stage], figures: Figures, *, processes: int = 1
) -> list[Forecast]:
    """What every stage will take, in their order, each once from its beginning.

    Args:
        recipe: whose servers have limits.
        stages: their work.
        figures: rates and prices; a stage without a rate is not timed.
        processes: that share dump, align and evaluate on one machine.
    """
    return [_one(recipe, stage, figures, processes) for stage in stages]


def _one(recipe: Recipe, stage: Stage, figures: Figures, processes: int) -> Forecast:
    kind, _, name = stage.name.partition(" ")
    own = figures.teachers.get(name, TeacherFigures())
    rate = own.rate if kind == "dump" else rate_of(kind, figures)
    devices = max(1, min(figures.devices, stage.parts))
    if rate is None:
        took = None
    elif processes > 1:
        took = _in_processes(rate, stage, processes, recipe, figures)
    else:
        took = _on_devices(rate, stage, devices)
    money, bound = 0.0, "device"
    server = recipe.teachers[name].server if kind == "dump" else None
    if server is not None:
        took, bound = _limited(took, stage, server)
        money = tokens_money(stage, own)
    elif took is not None:
        money = took.seconds * devices / 3600 * figures.price_per_device_hour
    return Forecast(stage, took, bound, money)


def tokens_money(stage: Stage, own: TeacherFigures) -> float:
    """Of what a served teacher reads and writes."""
    read = stage.tokens_read * own.price_per_million_input_tokens
    return (read + stage.tokens * own.price_per_million_output_tokens) / 1e6


def rate_of(kind: str, figures: Figures) -> Rate | None:
    """Of a stage that no teacher's figures are about; None: not known."""
    if kind == "test":
        return figures.test or figures.evaluate
    found: Rate | None = getattr(figures, kind)
    return found


def _in_processes(
    rate: Rate, stage: Stage, processes: int, recipe: Recipe, figures: Figures
) -> Took:
    """Of a stage of a run with several processes, each of which starts and loads by itself."""
    work = rate.took(stage.units, starts=0)
    loads = rate.took(0, loads=stage.loads, starts=0)
    started = _started(rate, stage, processes, recipe, figures)
    if not stage.parts:
        return started + work + loads
    share, cores = stage.largest_share(processes), usable_cores()
    return started + shared(work, loads, share=share, processes=processes, cores=cores)


def _started(rate: Rate, stage: Stage, processes: int, recipe: Recipe, figures: Figures) -> Took:
    """What is paid once, as it was measured; of more processes than cores, all take longer."""
    measured, cores = rate.divided, usable_cores()
    if measured is None:
        return _begun_anew(rate, stage, processes, recipe, figures)
    once = Took(measured.seconds, measured.processor_seconds)
    if not stage.parts:
        return once
    longer = max(processes, cores) / max(measured.processes, cores)
    more = processes / measured.processes
    return Took(once.seconds * longer, once.processor_seconds * more)


def _begun_anew(rate: Rate, stage: Stage, processes: int, recipe: Recipe, figures: Figures) -> Took:
    """Where it was not measured: every process imports what the first stage of a run does."""
    own = rate.took(0)
    if not stage.parts:
        return own
    teachers = [figures.teachers.get(name, TeacherFigures()).rate for name in recipe.teachers]
    starts = [own, *(teacher.took(0) for teacher in teachers if teacher)]
    each = max(starts, key=lambda took: took.seconds)
    return shared(Took(), each, share=1.0, processes=processes, cores=usable_cores())


def _on_devices(rate: Rate, stage: Stage, devices: int) -> Took:
    """Of a stage of one process, or of one on each of several devices, which start by themselves.

    A process forks others to align.
    """
    work = rate.took(stage.units, starts=0)
    begun = rate.took(0, loads=stage.loads)
    forks = 1
    if stage.name.startswith("align") and can_fork():
        forks = max(1, min(usable_cores(), stage.parts // EACH, MOST))
    seconds = work.seconds * (SERIAL + (1 - SERIAL) / forks)
    share = stage.largest_share(devices) if devices > 1 else 1.0
    return Took(
        begun.seconds + seconds * share,
        begun.processor_seconds * devices + work.processor_seconds,
    )


def _limited(took: Took | None, stage: Stage, server: Server) -> tuple[Took | None, str]:
    """What a server's limits make of it, and which of them."""
    limits = {"device": took.seconds if took is not None else 0.0}
    if server.requests_per_minute:
        limits["requests a minute"] = 60 * stage.requests / server.requests_per_minute
    if server.tokens_per_minute:
        tokens = stage.tokens_read + stage.tokens
        limits["tokens a minute"] = 60 * tokens / server.tokens_per_minute
    bound = max(limits, key=lambda name: limits[name])
    if not limits[bound]:
        return None, "device"
    return Took(limits[bound], took.processor_seconds if took is not None else 0.0), bound


def limiting(forecasts: Sequence[Forecast]) -> list[Forecast]:
    """The stages that take a tenth of the time or more, longest first."""
    timed = [(each.took.seconds, each) for each in forecasts if each.took is not None]
    total = sum(seconds for seconds, _ in timed)
    timed.sort(key=lambda pair: -pair[0])
    return [each for seconds, each in timed if seconds >= total / 10]


_RELIEF = {
    "dump": "--processes or --shard on more machines; fewer samples; a shorter max_new_tokens",
    "align": "--processes or --shard on more machines",
    "rows": "nothing is needed: it is done once, a resume reads what it left",
    "train": "a GPU, or several under accelerate; fewer optimization.steps",
    "evaluate": "a larger training.checkpoint_every; evaluation.sets.N.limit; --processes",
    "test": "evaluation.sets.N.limit",
    "report": "nothing: it reads every answer once",
}
_SERVED = {
    "device": "more addresses in server.urls, a higher server.concurrency",
    "requests a minute": "server.choices, which asks several solutions in one request; a higher "
    "limit",
    "tokens a minute": "server.choices, which pays for a prompt once; fewer tokens; a higher limit",
}


def relief(recipe: Recipe, limit: Forecast) -> str:
    """What would make the stage shorter."""
    kind, _, name = limit.stage.name.partition(" ")
    if kind == "dump" and recipe.teachers[name].server is not None:
        return _SERVED[limit.bound]
    return _RELIEF[kind]
