"""Every stage of a run, one after another in one process, and what each takes.

    recipe = Inputs("world", rows=512).write(folder)
    for taken in run_stages(recipe, folder / "run"):
        print(taken.stage, taken.rows, taken.processor, taken.model)

A stage's time is that of all its threads and of the processes that it starts. Of it ``model`` is
what was spent inside the model: its forward pass (where the output projection and the loss are one
kernel, that kernel too) and the backward pass. The rest (tokens, rows, files, the optimizer, the
choice of the next token, grading) is outside.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from unittest import mock

import torch
from transformers import PreTrainedModel

from specialize import datasets
from specialize.artifacts.predictions import prediction_files
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import record_recipe
from specialize.datasets.given_texts import texts_to_score
from specialize.datasets.recipe_sets import training_examples
from specialize.engines import Engine
from specialize.evaluate.t5_decoding import T5Decoding
from specialize.formats import DemonstrationPool
from specialize.pipeline import evaluate_run, report_runs, select_run
from specialize.rows import build_rows, plan_steps
from specialize.stages.stores import dump_set
from specialize.store import Sample, Store, StoreWriter
from specialize.students.student import is_encoder_decoder
from specialize.targets.stage import write_targets
from specialize.teacher import dump as teacher_dump
from specialize.teacher.dump import SHARD_SAMPLES, dump
from specialize.teacher.local.teacher import load_teacher
from specialize.train import trainer
from specialize.train.preparation import prepare
from specialize.train.session import train

STAGES = ("dump", "align", "rows", "train", "evaluate", "select", "report")
TEACHER = "big"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one stage took.

    Attributes:
        rows: responses, training rows or predictions: what its work is counted in.
        tokens: positions that it wrote or read, 0 where it has none.
        processor, wall: seconds.
        pilot: processor seconds of the texts (64 at most) that a dump tries at its end.
        model: processor seconds inside the model, without those of the pilot.
        peak_mib: largest resident memory of the process meanwhile.
    """

    stage: str
    rows: int
    tokens: int
    processor: float
    wall: float
    model: float
    pilot: float
    peak_mib: int


MODEL: tuple[tuple[object, str], ...] = (
    (PreTrainedModel, "__call__"), (T5Decoding, "__init__"), (T5Decoding, "advance"),
    (trainer, "fused_kl"), (trainer, "measured_kl"), (torch.autograd, "backward"),
)  # fmt: skip
PILOT: tuple[tuple[object, str], ...] = ((teacher_dump, "pilot"),)


class Meter:
    """Processor seconds inside some functions, while it is ``installed``.

    Args:
        functions: owner and name of each.
        apart: calls inside this one's functions do not count.
    """

    def __init__(
        self, functions: Sequence[tuple[object, str]], *, apart: Meter | None = None
    ) -> None:
        self.seconds, self._depth, self._functions, self._apart = 0.0, 0, functions, apart

    def around(self, function: Callable[..., object]) -> Callable[..., object]:
        """``function``, its time counted once where calls are inside one another."""

        def timed(*args: object, **options: object) -> object:
            if self._depth or (self._apart and self._apart._depth):
                return function(*args, **options)
            self._depth, began = 1, time.process_time()
            try:
                return function(*args, **options)
            finally:
                self._depth = 0
                self.seconds += time.process_time() - began

        return timed

    @contextmanager
    def installed(self) -> Iterator[Meter]:
        """Count calls inside the ``with`` block."""
        with ExitStack() as patches:
            for owner, name in self._functions:
                timed = self.around(getattr(owner, name))
                patches.enter_context(mock.patch.object(owner, name, timed))
            yield self


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def forget_peak() -> None:
    """Let ``peak_mib`` begin at what is resident now."""
    with suppress(OSError):  # elsewhere than on Linux the peak can only be read
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024


def run_stages(
    recipe: Recipe, run: Path, *, stages: Sequence[str] = STAGES, workers: int = 1
) -> Iterator[Taken]:
    """Run ``stages``, each of which needs those before it, and say what each took.

    Args:
        recipe: with one teacher, ``big``, which is a model.
        run: the run's directory, empty before the first stage.
        workers: processes of dump, align and evaluate. What their models take is not known then.
    """
    record_recipe(recipe, run)
    bodies: dict[str, Callable[[], tuple[int, int]]] = {
        "dump": lambda: _dump(recipe, run, workers),
        "align": lambda: _align(recipe, run, workers),
        "rows": lambda: _rows(recipe, run),
        "train": lambda: _train(recipe, run),
        "evaluate": lambda: _evaluate(recipe, run, workers),
        "select": lambda: _select(run),
        "report": lambda: _report(run),
    }
    for stage in stages:
        yield measured(stage, bodies[stage])


def measured(stage: str, body: Callable[[], tuple[int, int]]) -> Taken:
    """What ``body`` takes, which returns its rows and tokens."""
    forget_peak()
    pilot = Meter(PILOT)
    with pilot.installed(), Meter(MODEL, apart=pilot).installed() as model:
        wall, processor = time.perf_counter(), processor_seconds()
        rows, tokens = body()
        processor, wall = processor_seconds() - processor, time.perf_counter() - wall
    return Taken(stage, rows, tokens, processor, wall, model.seconds, pilot.seconds, peak_mib())


def _dump(recipe: Recipe, run: Path, workers: int) -> tuple[int, int]:
    asked, store = recipe.teachers[TEACHER], run / "responses" / TEACHER
    if workers > 1:
        dump_set(
            store, asked, recipe.train_on.set, recipe.train_on.path, split=None, limit=None,
            seed=recipe.seed, restart=False, dry_run=False, engine=Engine(workers),
        )  # fmt: skip
        return _size(store)
    examples = training_examples(recipe).examples
    dump(
        load_teacher(str(asked.model)), examples, store, asked,
        pool=DemonstrationPool(examples), kind=datasets.kind_of(recipe.train_on.set),
        seed=recipe.seed, texts=texts_to_score(asked, examples),
    )  # fmt: skip
    return _size(store)


def _align(recipe: Recipe, run: Path, workers: int) -> tuple[int, int]:
    store = run / "targets" / TEACHER
    write_targets(
        run / "responses" / TEACHER, store, student=recipe.student,
        top_k=recipe.alignment.top_k, threads=workers,
    )  # fmt: skip
    return _size(store)


def _size(path: Path) -> tuple[int, int]:
    store = Store.open(path)
    return len(store), store.positions


def _rows(recipe: Recipe, run: Path) -> tuple[int, int]:
    prepared = prepare(recipe, run)
    rows = build_rows(
        recipe, prepared.examples.examples, prepared.stores, prepared.tokenizer,
        encoder_decoder=is_encoder_decoder(recipe.student), folder=run / "rows",
    )  # fmt: skip
    plan = plan_steps(rows, recipe.training, recipe.optimization, recipe.seed)
    for step in range(recipe.optimization.steps):
        plan.micro_batches(step)
    return len(rows), int(rows.lengths.target.sum())


def _train(recipe: Recipe, run: Path) -> tuple[int, int]:
    counts = train(recipe, run).rows.values()
    rows, tokens = (sum(each[name] for each in counts) for name in ("rows", "target_tokens"))
    trained = recipe.optimization.steps * recipe.optimization.batch_rows
    return trained, round(tokens * trained / rows)


def _evaluate(recipe: Recipe, run: Path, workers: int) -> tuple[int, int]:
    steps = [] if recipe.optimization.batch_rows > 1 else [recipe.optimization.steps]
    evaluate_run(run, "validation", steps=steps, engine=Engine(workers))
    return _predictions(run)


def _predictions(run: Path) -> tuple[int, int]:
    found = [each for file in prediction_files(run) for each in file.read()]
    return len(found), sum(each.tokens for each in found)


def _select(run: Path) -> tuple[int, int]:
    select_run(run, None)
    return _predictions(run)


def _report(run: Path) -> tuple[int, int]:
    report_runs([run], run, None)
    return _predictions(run)


def align_again(recipe: Recipe, run: Path, first: int, count: int) -> Taken:
    """Align ``count`` responses that are the ``first`` of a run again and again, under other keys:
    every word but theirs is known by then."""
    store, again = Store.open(run / "responses" / TEACHER), run / "again"
    samples = list(islice(store, first))
    path = again / "responses" / TEACHER
    with StoreWriter(path, store.description, shard_samples=SHARD_SAMPLES) as writer:
        for shard, start in enumerate(range(0, count, SHARD_SAMPLES)):
            part = range(start, min(start + SHARD_SAMPLES, count))
            writer.write(shard, [_renamed(samples[i % len(samples)], i) for i in part])
        writer.finish(store.align_vocabulary(), {})
    return measured("align again", lambda: _align(recipe, again, 1))


def _renamed(one: Sample, number: int) -> Sample:
    return replace(one, response=replace(one.response, example_id=f"again/{number}"))
