"""The trainer: transformers' ``Trainer`` with our loss, our steps and our checkpoints.

What is left to transformers and accelerate: devices, several processes, optimizer, schedule,
clipping, the loop. What is ours:

* A step arrives whole, as micro-batches with the token counts of all of them on all processes, so
  its loss is  sum over objectives o of  weight_o * nats_o / tokens_o  however it is split.
  (``Trainer`` knows accumulation as 1: its own scaling, which differs between models, is not used.)
* Checkpoints are complete or absent; resuming is exact, and a lengthened run follows the schedule
  of its new length from its first further step on.
* A loss or gradient that is not finite stops the run before it can be saved.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.io.files import write_atomically
from specialize.io.nested import flatten
from specialize.io.progress import Advance
from specialize.io.times import timed
from specialize.losses import RowMeasures, beta_of, fused_kl, measured_kl
from specialize.students import checkpoints
from specialize.students.student import Student, copy_tokenizer
from specialize.tokens import Tokenizer
from specialize.train import metrics
from specialize.train.collate import Batch
from specialize.train.helpers import Helpers, dealt, helpful
from specialize.train.loader import Step, StepLoader
from specialize.train.overhead import pass_overhead
from specialize.train.stopping import never

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a trainer needs besides the student and the steps."""

    recipe: Recipe
    run: Path
    tokenizer: Tokenizer
    arguments: TrainingArguments


class SparseTrainer(Trainer):
    """Trains a ``Student`` on the steps of a ``StepLoader``."""

    def __init__(
        self,
        student: Student,
        steps: StepLoader,
        setting: Setting,
        advance: Advance,
        *,
        asked_to_stop: Callable[[], bool] = never,
    ) -> None:
        super().__init__(model=student, args=setting.arguments)
        self.remove_callback(PrinterCallback)
        self.asked_to_stop, self.stopping = asked_to_stop, False
        self.add_callback(_SaveAndStop(self))
        self.student = student
        self.steps = steps
        self.setting = setting
        self.advance = advance
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            # the projection is not whole on any process, and each micro-batch gathers weights
            student.fused = student.fusible = False
            self.steps = replace(steps, in_step=True)
        self.metrics_file = setting.run / metrics.FILE
        weights = [objective.weight for objective in setting.recipe.objectives]
        self.objective_weights = torch.tensor(weights, dtype=torch.float64)
        self.temperatures = _temperatures(setting.recipe, self.args.device)
        self.betas = _betas(setting.recipe, self.args.device)
        spelled = setting.tokenizer.pieces(range(setting.tokenizer.size))
        self.token_bytes = torch.tensor([len(piece) for piece in spelled], device=self.args.device)
        self.helpers: Helpers | None = None
        self.overhead = 0
        self.sums: Tensor | None = None
        self.keys: Sequence[tuple[str, int]] = ()
        self.clock = time.perf_counter()

    def get_train_dataloader(self) -> StepLoader:  # type: ignore[override]  # no DataLoader
        return self.steps

    def get_batch_samples(
        self, epoch_iterator: Iterator[Step], num_batches: int, device: torch.device
    ) -> tuple[list[Step], None]:
        """One step at a time; its token counts are already in it."""
        return [step for step in [next(epoch_iterator, None)] if step is not None], None

    def training_step(  # type: ignore[override]  # the loader gives steps, not dicts of tensors
        self, model: nn.Module, inputs: Step, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Forward and backward of every micro-batch, here and in helpers where there are some."""
        model.train()
        self.keys = inputs.keys
        tokens = torch.from_numpy(inputs.tokens).clamp(min=1)
        # gradients are averaged over processes, so each contributes its part that many times
        scale = self.objective_weights / tokens * self.accelerator.num_processes
        scale = scale.float().to(self.args.device)
        if self.helpers is None:
            self.helpers = self._helped()
        mine, *theirs = dealt(inputs.batches, self.helpers.count + 1, self.overhead)
        self.helpers.ask(theirs, scale)
        total, sums = self._gradients(model, mine, scale, idle=inputs.idle)
        for their_total, their_sums in self.helpers.collect():
            total += their_total
            sums += their_sums
        metrics.note_stopping(sums, asked=self.asked_to_stop())
        self.sums = self.accelerator.reduce(sums, "sum")
        self.stopping = metrics.asked_to_stop(self.sums)
        self._refuse_not_finite(self.sums[:-1, 0].sum(), "loss")
        return total

    def _helped(self) -> Helpers:
        """The processes that help; notes what a micro-batch costs them whatever it holds."""
        count = helpful(self.student) if self.accelerator.num_processes == 1 else 0
        if count:
            self.overhead = pass_overhead(self.student, self.args.device.type)
        return Helpers(self.student, partial(self._gradients, self.student), count)

    def _gradients(
        self, model: nn.Module, batches: Sequence[Batch], scale: Tensor, *, idle: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Add the gradients of ``batches``, exchanged in the last one, to the weights'.

        Returns:
            The sum of the losses, and ``metrics.Measures.sums``.
        """
        measures = metrics.Measures(len(self.objective_weights), self.token_bytes)
        total = torch.zeros((), device=self.args.device)
        for position, batch in enumerate(batches):
            batch = batch.to(self.args.device)
            later = position < len(batches) - 1
            with self.accelerator.no_sync(model) if later else contextlib.nullcontext():
                weight = scale[batch.objective] * (position < len(batches) - idle)
                loss, rows = self._loss(model, batch, weight)
                self.accelerator.backward(loss)
            total += loss.detach()
            measures.add(batch, rows)
        return total, measures.sums

    def close(self) -> None:
        """End the processes that helped."""
        if self.helpers is not None:
            self.helpers.close()

    def _loss(self, model: nn.Module, batch: Batch, weight: Tensor) -> tuple[Tensor, RowMeasures]:
        """The weighted sum of the micro-batch's nats; the caller has put the division in."""
        output = model(
            batch.input_ids,
            batch.attention_mask,
            batch.decoder_input_ids,
            batch.positions,
            batch.position_ids,
        )
        targets = (batch.ids, batch.logprobs, batch.tail, weight)
        warm = 1.0 if self.temperatures is None else self.temperatures[batch.objective]
        beta = self.betas if isinstance(self.betas, float) else self.betas[batch.objective]
        if self.student.fuses(len(batch.positions)):
            return fused_kl(output, self.student.projection, *targets, temperature=warm, beta=beta)
        return measured_kl(output, *targets, temperature=warm, beta=beta, reuse_logits=True)

    def _refuse_not_finite(self, value: Tensor, what: str) -> None:
        if torch.isfinite(value):
            return
        step = self.state.global_step + (what == "loss")
        path = self.setting.run / f"not_finite-step-{step:06d}.json"
        if self.accelerator.is_main_process:
            keys = [list(key) for key in self.keys]
            write_atomically(path, json.dumps({"step": step, "rows": keys}).encode())
        raise ConfigurationError(
            f"the {what} of step {step} is {value.item()}; the rows of the step are in {path}; "
            f"lower optimization.learning_rate or optimization.clip, then run the same command "
            f"in a new directory"
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write the step's line; what transformers logs at the end of a run is left out."""
        if "learning_rate" not in logs or self.sums is None:
            return
        self._refuse_not_finite(torch.tensor(logs["grad_norm"]), "gradient norm")
        plan = self.steps.plan.at(self.state.global_step - 1)
        found = metrics.describe(self.sums, plan.rows.objectives)
        # transformers counts from where this call began
        self.state.epoch = round(plan.epoch(self.state.global_step), 6)
        now, before = time.perf_counter(), self.clock
        self.clock = now
        tokens = self.sums[:-1, 3]
        loss = (self.objective_weights * self.sums[:-1, 0].cpu() / tokens.cpu().clamp(min=1)).sum()
        line = {
            "step": self.state.global_step,
            "epoch": self.state.epoch,
            "loss": round(loss.item(), 6),
            "gradient_norm": round(logs["grad_norm"], 6),
            "learning_rate": logs["learning_rate"],
            "tokens_per_second": round(tokens.sum().item() / (now - before), 1),
            "memory_mib": metrics.memory_mib(self.args.device),
            **found,
        }
        if self.accelerator.is_main_process:
            metrics.append(self.metrics_file, line)
        leaves = flatten(line, separator="/")  # objectives/<name>/nats, for ``report_to``
        figures = {name: leaf for name, leaf in leaves.items() if isinstance(leaf, int | float)}
        super().log({**logs, **figures}, start_time)
        self.state.log_history.clear()  # it would grow in every checkpoint
        self.advance(1)

    def floating_point_ops(self, inputs: object) -> int:
        """Not counted: it walks over the whole model in every step."""
        return 0

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        """Nothing: the student was loaded from the checkpoint before it came here."""

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        """Everything a resumed run needs, complete or absent."""
        run, step, main = self.setting.run, self.state.global_step, self.accelerator.is_main_process
        partial = checkpoints.folder(run) / f"{checkpoints.name_of(step)}.partial"
        with timed(run, "save", process=not main), checkpoints.room_needed(partial):
            if main:
                checkpoints.begin(run, step)
            self.accelerator.wait_for_everyone()
            state = self.accelerator.get_state_dict(self.model_wrapped)
            if main:
                save_student(self.student, self.setting, partial, state)
                self.state.save_to_json(str(partial / "trainer_state.json"))
                if self.stopping and not self._is_scheduled(step):
                    checkpoints.mark_interrupted(partial)
            self._save_optimizer_and_scheduler(str(partial))
            self._save_rng_state(str(partial))
            self.accelerator.wait_for_everyone()
            if main:
                checkpoints.commit(partial)
                checkpoints.retain(run, self.setting.recipe.training.keep_checkpoints)
        self.clock = time.perf_counter()

    def _is_scheduled(self, step: int) -> bool:
        """Whether an uninterrupted run saves after ``step`` too."""
        steps = self.setting.recipe.optimization.steps
        return step == steps or step % self.setting.recipe.training.checkpoint_every == 0


def _temperatures(recipe: Recipe, device: torch.device) -> Tensor | None:
    """(objectives,) at which each is learned: labels and texts at 1; None where all are."""
    warm = recipe.training.temperature
    if warm == 1:
        return None
    each = [warm if o.target == "distribution" else 1.0 for o in recipe.objectives]
    return torch.tensor(each, device=device)


def _betas(recipe: Recipe, device: torch.device) -> float | Tensor:
    """(objectives,) the divergence of each, as the kernel knows it; one number where all agree."""
    training = recipe.training
    each = [beta_of(o.loss or training.loss, training.jsd_beta) for o in recipe.objectives]
    return each[0] if len({*each}) == 1 else torch.tensor(each, device=device)


class _SaveAndStop(TrainerCallback):
    """Ends the run after a step in which some process was asked to stop.

    At the start it sets the learning rate to that of the schedule. Transformers takes the one that
    was saved, which in a lengthened run is the end of the shorter schedule: its first further step
    would change nothing.
    """

    def __init__(self, trainer: SparseTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **of: object
    ) -> None:
        optimizer, schedule = of["optimizer"], of["lr_scheduler"]
        if not isinstance(schedule, LambdaLR) or not isinstance(optimizer, Optimizer):
            return  # a plugin has made its own
        factors = [factor(schedule.last_epoch) for factor in schedule.lr_lambdas]
        rates = [base * factor for base, factor in zip(schedule.base_lrs, factors, strict=True)]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        schedule.load_state_dict({**schedule.state_dict(), "_last_lr": rates})

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        if self.trainer.stopping:
            control.should_save = control.should_training_stop = True


def save_student(
    student: Student, setting: Setting, folder: Path, state: dict[str, Tensor] | None = None
) -> None:
    """Weights, configuration and the tokenizer as it came."""
    student.save(folder, state)
    copy_tokenizer(setting.recipe.student, setting.tokenizer, folder)


def training_arguments(recipe: Recipe, run: Path) -> TrainingArguments:
    """The recipe in transformers' words; also tells this process's place among several."""
    wanted = recipe.optimization
    return TrainingArguments(
        output_dir=str(checkpoints.folder(run)),
        max_steps=wanted.steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        learning_rate=wanted.learning_rate,
        lr_scheduler_type=_SCHEDULES[wanted.schedule],
        warmup_steps=wanted.warmup_steps,
        max_grad_norm=wanted.clip,
        weight_decay=wanted.weight_decay,
        seed=recipe.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.training.checkpoint_every,
        ignore_data_skip=True,  # the loader begins at the right step by itself
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=list(recipe.running.report_to) or ["none"],
        log_level="error",
    )
