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
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from specialize.artifacts.learned_tokens import record_learned
from specialize.config.recipe import Recipe
from specialize.errors import StoreError
from specialize.io.lock import LOCK, sole_holder
from specialize.io.progress import notice, progress, waiting
from specialize.io.times import timed
from specialize.rows import Plan, RowSet, build_rows, plan_steps
from specialize.rows.build import targets_of
from specialize.rows.windows import GrowingPlan, windows
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


def train(recipe: Recipe, run: Path, *, follow: bool = False) -> TrainSummary:
    """Train the recipe's student, or go on where an earlier call stopped.

    Killed at any moment and called again, it ends with the weights of an uninterrupted run (bit
    for bit on a CPU with the same number of threads). With more steps than it was begun with it
    goes on from its last checkpoint, with the optimizer's state and the schedule of the longer run.

    Args:
        recipe: of the run.
        run: the run's directory, with targets of every teacher.
        follow: the targets may be still being written; the run is the one that a finished store
            would have led to.

    Raises:
        ConfigurationError: the recipe is not the one that the run began with, the student's
            tokenizer is not the stores', or the loss is no longer finite.
        StoreError: a store or the checkpoint to go on from is damaged.
        DiskFullError: the checkpoints do not fit.
        LockedError: another process trains here.
        KeyboardInterrupt: SIGTERM or SIGINT came; the step was finished and saved.
    """
    return finished(recipe, run) or train_prepared(prepare(recipe, run, follow=follow))


def train_prepared(prepared: Prepared) -> TrainSummary:
    """Train on what was prepared; see ``train``."""
    began = time.perf_counter()
    recipe, run, tokenizer = prepared.recipe, prepared.run, prepared.tokenizer
    arguments = training_arguments(recipe, run)
    with _sole_trainer(run, arguments.process_index):
        before = checkpoints.last(run)  # another process may have trained since it was prepared
        if before is not None and before.step >= recipe.optimization.steps:
            return summarize(run, before.step, 0, time.perf_counter() - began)
        setting = Setting(recipe, run, tokenizer, arguments)
        trained, rows = _go_on(prepared, setting, before)
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


def _row_sets(prepared: Prepared, *, writes: bool) -> Iterator[RowSet]:
    """The run's rows: all at once, or window after window where its recipe says so."""
    recipe, run, training = prepared.recipe, prepared.run, prepared.examples
    if recipe.training.window_shards is None:
        with timed(run, "rows", process=not writes):
            rows = _rows(prepared, run / "rows")
        yield rows
        return
    targets = targets_of(
        recipe, training.examples, prepared.stores, prepared.tokenizer,
        encoder_decoder=is_encoder_decoder(recipe.student), unlabelled=training.unlabelled,
    )  # fmt: skip
    (store,) = prepared.stores.values()
    follower = prepared.follower
    written = (lambda _: store) if follower is None else follower.wait_for
    yield from agreement.checked(windows(targets, written, run / "rows"), run, writes=writes)


def _unknown_share(rows: RowSet) -> dict[str, float]:
    """Share of target tokens that represent text outside the student's vocabulary."""
    shares, lengths = {}, rows.lengths
    for number, name in enumerate(rows.objectives):
        mine = lengths.objective == number
        share = lengths.unknown[mine].sum() / max(1, lengths.target[mine].sum())
        shares[name] = round(float(share), 6)
    return shares


# ---- training ----------------------------------------------------------------------------------


def _go_on(
    prepared: Prepared, setting: Setting, before: checkpoints.Checkpoint | None
) -> tuple[int, RowSet]:
    """Train from ``before`` (None: from the recipe's student) to the end.

    Returns:
        The steps, and the rows that were taken up.
    """
    recipe, run, arguments = setting.recipe, setting.run, setting.arguments
    main = arguments.process_index == 0
    sets = _row_sets(prepared, writes=main)
    first = next(sets)  # before the model: it may refuse
    agreement.check_rows(recipe, run, first)
    if before is not None:
        checkpoints.check(before)
    start, steps = before.step if before else 0, recipe.optimization.steps
    student = _student(setting, before)
    checkpoints.check_room(run, _bytes_needed(student, steps - start, recipe))
    plan = _plan(recipe, first, sets, pass_overhead(student, arguments.device.type))
    learned = plan.at(start).rows.counts()  # waits for what the first step needs
    if main:
        checkpoints.remove_partial(run)
        metrics.cut_back(run / metrics.FILE, start)
        if (lengthened := agreement.lengthen(recipe, run, first, start)) is not None:
            notice(f"the run is {lengthened}")
    with progress("train", steps, done=start) as advance:
        if before is None and main:
            agreement.write(recipe, run, first)  # first: no checkpoint may exist without it
            record_learned(run, learned)
            with timed(run, "save"), checkpoints.writing(run, 0) as folder:
                save_student(student, setting, folder)
        with listening() as asked, _plain_states(before):
            if prepared.follower is not None:
                prepared.follower.asked_to_stop = asked
            loader = _loader(plan, student, setting, start)
            trainer = SparseTrainer(student, loader, setting, advance, asked_to_stop=asked)
            with closing(trainer):
                trainer.train(resume_from_checkpoint=str(before.path) if before and start else None)
    if trainer.stopping and trainer.state.global_step < steps:
        raise KeyboardInterrupt(f"stopped and saved after step {trainer.state.global_step}")
    rows = plan.at(steps - 1).rows
    if main and recipe.training.window_shards is not None:
        record_learned(run, rows.counts())
    return steps - start, rows


def _loader(plan: Plan | GrowingPlan, student: Student, setting: Setting, start: int) -> StepLoader:
    """This process's share of the steps from ``start`` on."""
    recipe, arguments = setting.recipe, setting.arguments
    return StepLoader(
        plan,
        student.shape,
        recipe.training.tail,
        hard_label_weight=recipe.training.hard_label_weight,
        packed=recipe.running.packing,
        stop=recipe.optimization.steps,
        start=start,
        process=arguments.process_index,
        processes=arguments.world_size,
        ahead=0 if arguments.device.type == "cpu" else 2,
    )


def _plan(
    recipe: Recipe, first: RowSet, others: Iterator[RowSet], overhead: int
) -> Plan | GrowingPlan:
    """The steps over ``first``, which are all rows, or over windows of which it is the first."""
    if recipe.training.window_shards is not None:
        return GrowingPlan(chain([first], others), recipe, overhead=overhead)
    return plan_steps(first, recipe.training, recipe.optimization, recipe.seed, overhead=overhead)


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
    return recipe.training.saves(steps) * 3 * 4 * parameters
