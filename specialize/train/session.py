"""One call of ``train``: what is checked before it begins, where it goes on, what it tells.

run/targets/<teacher>/         read
run/rows/                      what was found in them for training, so that a later call need not
run/checkpoints/step-000000/   the student before
run/checkpoints/step-000200/   ... and every ``checkpoint_every`` steps
run/checkpoints/training.json  what must agree for a later call to continue
run/metrics.jsonl
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specialize.artifacts.learned_tokens import record_learned
from specialize.config.recipe import Recipe
from specialize.errors import StoreError
from specialize.io.lock import LOCK, sole_holder
from specialize.io.progress import notice, progress, waiting
from specialize.rows import RowSet, build_rows, plan_steps
from specialize.students import checkpoints
from specialize.students.lora import load_adapters
from specialize.students.student import Student, is_encoder_decoder, load_student
from specialize.train import agreement, metrics
from specialize.train.loader import StepLoader
from specialize.train.overhead import pass_overhead
from specialize.train.preparation import Prepared, finished, prepare
from specialize.train.stopping import listening
from specialize.train.summary import TrainSummary, summarize
from specialize.train.trainer import Setting, SparseTrainer, save_student, training_arguments


def train(recipe: Recipe, run: Path) -> TrainSummary:
    """Train the recipe's student, or go on where an earlier call stopped.

    Killed at any moment and called again, it ends with the weights of an uninterrupted run (bit
    for bit on a CPU with the same number of threads). With more steps than it was begun with it
    goes on from its last checkpoint, with the optimizer's state and the schedule of the longer run.

    Raises:
        ConfigurationError: the recipe is not the one that the run began with, the student's
            tokenizer is not the stores', or the loss is no longer finite.
        StoreError: a store or the checkpoint to go on from is damaged.
        DiskFullError: the checkpoints do not fit.
        LockedError: another process trains here.
        KeyboardInterrupt: SIGTERM or SIGINT came; the step was finished and saved.
    """
    return finished(recipe, run) or train_prepared(prepare(recipe, run))


def train_prepared(prepared: Prepared) -> TrainSummary:
    """Train on what was prepared; see ``train``."""
    began = time.perf_counter()
    recipe, run, tokenizer = prepared.recipe, prepared.run, prepared.tokenizer
    arguments = training_arguments(recipe, run)
    with _sole_trainer(run, arguments.process_index):
        before = checkpoints.last(run)  # another process may have trained since it was prepared
        if before is not None and before.step >= recipe.optimization.steps:
            return summarize(run, before.step, 0, time.perf_counter() - began)
        rows = _rows(prepared, run / "rows")
        agreement.check_rows(recipe, run, rows)
        trained = _go_on(Setting(recipe, run, tokenizer, arguments), rows, before)
        return summarize(
            run, before.step if before else None, trained, time.perf_counter() - began,
            rows=rows.counts(), held_out=prepared.examples.dropped,
            unknown_share=_unknown_share(rows),
        )  # fmt: skip


@contextmanager
def _sole_trainer(run: Path, process: int) -> Iterator[None]:
    """Hold the run's lock; of several processes that train together, the first one does."""
    if process:
        yield
        return
    checkpoints.folder(run).mkdir(parents=True, exist_ok=True)
    refusal = f"another process trains in {run}; wait for it, or name another directory"
    with sole_holder(checkpoints.folder(run) / LOCK, lambda: refusal):
        yield


# ---- what is trained on ------------------------------------------------------------------------


def prepare_rows(recipe: Recipe, run: Path) -> RowSet:
    """The rows that a run trains on, checked."""
    return _rows(prepare(recipe, run))


def _rows(prepared: Prepared, folder: Path | None = None) -> RowSet:
    """The rows of what was prepared; ``folder`` keeps what was found for the next call."""
    recipe, training = prepared.recipe, prepared.examples
    with waiting("building the training rows"):
        return build_rows(
            recipe, training.examples, prepared.stores, prepared.tokenizer,
            encoder_decoder=is_encoder_decoder(recipe.student), unlabelled=training.unlabelled,
            folder=folder,
        )  # fmt: skip


def _unknown_share(rows: RowSet) -> dict[str, float]:
    """Share of target tokens that represent text outside the student's vocabulary."""
    shares, lengths = {}, rows.lengths
    for number, name in enumerate(rows.objectives):
        mine = lengths.objective == number
        share = lengths.unknown[mine].sum() / max(1, lengths.target[mine].sum())
        shares[name] = round(float(share), 6)
    return shares


# ---- training ----------------------------------------------------------------------------------


def _go_on(setting: Setting, rows: RowSet, before: checkpoints.Checkpoint | None) -> int:
    """Train from ``before`` (None: from the recipe's student) to the end; returns the steps."""
    recipe, run, arguments = setting.recipe, setting.run, setting.arguments
    if before is not None:
        checkpoints.check(before)
    start, steps = before.step if before else 0, recipe.optimization.steps
    student = _student(setting, before)
    checkpoints.check_room(run, _bytes_needed(student, steps - start, recipe))
    plan = plan_steps(
        rows,
        recipe.training,
        recipe.optimization,
        recipe.seed,
        overhead=pass_overhead(student, arguments.device.type),
    )
    if arguments.process_index == 0:
        checkpoints.remove_partial(run)
        metrics.cut_back(run / metrics.FILE, start)
        if (lengthened := agreement.lengthen(recipe, run, rows, start)) is not None:
            notice(f"the run is {lengthened}")
    with progress("train", steps, done=start) as advance:
        if before is None and arguments.process_index == 0:
            agreement.write(recipe, run, rows)  # first: no checkpoint may exist without it
            record_learned(run, rows.counts())
            with checkpoints.writing(run, 0) as folder:
                save_student(student, setting, folder)
        loader = StepLoader(
            plan,
            student.shape,
            recipe.training.tail,
            hard_label_weight=recipe.training.hard_label_weight,
            packed=recipe.running.packing,
            stop=steps,
            start=start,
            process=arguments.process_index,
            processes=arguments.world_size,
            ahead=0 if arguments.device.type == "cpu" else 2,
        )
        with listening() as asked, _plain_states(before):
            trainer = SparseTrainer(student, loader, setting, advance, asked_to_stop=asked)
            trainer.train(resume_from_checkpoint=str(before.path) if before and start else None)
    if trainer.stopping and trainer.state.global_step < steps:
        raise KeyboardInterrupt(f"stopped and saved after step {trainer.state.global_step}")
    return steps - start


@contextmanager
def _plain_states(before: checkpoints.Checkpoint | None) -> Iterator[None]:
    """Refuse a checkpoint whose trainer states are no plain values; nothing of them is run."""
    try:
        if before is not None:
            _check_state(before)
        yield
    except Exception as error:
        if before is None or "Weights only load failed" not in str(error):
            raise
        raise _foreign(before) from None


def _check_state(before: checkpoints.Checkpoint) -> None:
    """What the library reads from ``trainer_state.json`` without a look."""
    path = before.path / "trainer_state.json"
    try:
        state = json.loads(path.read_bytes()) if path.is_file() else {}
    except (ValueError, RecursionError):
        raise _foreign(before) from None
    wanted = ("global_step", "max_steps", "train_batch_size")
    if not isinstance(state, dict) or any(type(state.get(key, 0)) is not int for key in wanted):
        raise _foreign(before)


def _foreign(before: checkpoints.Checkpoint) -> StoreError:
    return StoreError(
        f"{before.path}: the state of its optimizer, scheduler or trainer is damaged or holds more "
        f"than plain values, and was not read; remove this checkpoint to go on from the one before"
    )


def _student(setting: Setting, before: checkpoints.Checkpoint | None) -> Student:
    """The recipe's student, or what ``before`` made of it."""
    recipe = setting.recipe
    whole = before is not None and recipe.lora is None
    student = load_student(
        before.path if before and whole else recipe.student, setting.tokenizer,
        precision=recipe.optimization.precision, dropout=recipe.training.dropout,
        lora=recipe.lora, seed=recipe.seed,
    )  # fmt: skip
    if before is not None and not whole:
        load_adapters(student.model, before.path)
    if recipe.running.gradient_checkpointing:
        student.model.activation_checkpointing_enable({"use_reentrant": False})
    return student


def _bytes_needed(student: Student, steps: int, recipe: Recipe) -> int:
    """Weights and two moments of the optimizer, in float32, for every checkpoint to come."""
    parameters = sum(p.numel() for p in student.parameters())
    return (1 + -(-steps // recipe.training.checkpoint_every)) * 3 * 4 * parameters
