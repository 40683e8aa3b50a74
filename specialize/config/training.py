"""How a student is trained: the optimizer's schedule, what rows count, what is trained at all.

    optimization: {steps: 2000, learning_rate: 5e-4, batch_rows: 32, accumulation: 3}
    training: {mixing: joint, tail: bucket, checkpoint_every: 500, keep_checkpoints: 4}
    lora: {rank: 16}
    running: {gradient_checkpointing: true, report_to: [tensorboard]}

``running`` alone may differ when a run is continued: it decides how, never what. The
experiments that comments name (X02) are in docs/experiments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from specialize.config.section import Count, Positive, PositiveNumber, Strict


class Optimization(Strict):
    """The optimizer's schedule, in optimizer steps."""

    transformers_names: ClassVar[Mapping[str, str]] = {
        "max_steps": "steps",
        "lr_scheduler_type": "schedule",
        "per_device_train_batch_size": "batch_rows",
        "gradient_accumulation_steps": "accumulation",
        "max_grad_norm": "clip",
    }

    steps: Positive = 1000
    """Optimizer steps of the run."""
    learning_rate: PositiveNumber = 5e-4
    """Of AdamW, at its highest."""
    # X17: what rows gain on text is not separably another under the others
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup_steps: Count = 10
    """Optimizer steps in which the learning rate rises from 0."""
    batch_rows: Positive = 16
    """Rows of a micro-batch, at most."""
    batch_tokens: Positive | None = None
    """Padded tokens of a micro-batch, at most. None: no limit."""
    accumulation: Positive = 4
    """Micro-batches of an optimizer step; batch_rows x accumulation rows, on any number of GPUs."""
    clip: PositiveNumber = 1.0
    """Largest norm of the gradient."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Of AdamW."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the computation; weights stay in fp32. fp16 overflows in T5."""


class Training(Strict):
    """What a row may be, what is minimized, and when the student is saved."""

    transformers_names: ClassVar[Mapping[str, str]] = {
        "save_steps": "checkpoint_every",
        "save_total_limit": "keep_checkpoints",
    }
    earlier_names: ClassVar[Mapping[str, str]] = {"label_share": "hard_label_weight"}

    # X05: steps of whole examples are not separably better or worse
    mixing: Literal["pooled", "joint"] = "pooled"
    """pooled: rows of all objectives in one order. joint: all of an example in one step."""
    # X02: reverse KL is not separable, X01: behind; X17: jsd is just ahead with many checked
    # texts, as text is
    loss: Literal["forward_kl", "reverse_kl", "jsd"] = "forward_kl"
    """The divergence between teacher and student, where an objective names no other."""
    jsd_beta: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of jsd: towards 0 it behaves as the forward KL, towards 1 as the reverse KL."""
    # X10: renormalize was just ahead, with one teacher; kept until a second says the same
    tail: Literal["bucket", "renormalize", "to_label", "drop"] = "bucket"
    """What becomes of the mass outside the stored entries: one more class, scaled away, given to
    the target's own token, forgotten."""
    temperature: PositiveNumber = 1.0
    """Of teachers' distributions in the loss; tails must be stored at it."""
    # X02, X11: half of the weight on the label is not separable from none; X17: .75 is ahead with
    # many checked texts, and then as good as text
    hard_label_weight: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """w in (1 - w) KL + w cross-entropy with the target's own token, on soft rows."""
    max_prompt_tokens: Positive = 1024
    """A longer prompt loses words of its context, or its row."""
    max_target_tokens: Positive = 256
    """A row with a longer target is left out, and counted."""
    # X02: what distributions gain on text does not depend on it while questions are many
    samples_per_question: Positive | None = None
    """Responses used of each question. None: every kept one."""
    window_shards: Positive | None = None
    """Shards of targets whose rows are shuffled together, window after window; training can then
    begin before the last is written. None: all."""
    checkpoint_every: Positive = 200
    """Optimizer steps between checkpoints."""
    keep_checkpoints: Positive | None = None
    """Only the newest; the first and the selected one stay. None: all."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Replaces the student's own rates. None: its own."""

    def saves(self, steps: int) -> int:
        """How many checkpoints ``steps`` leave, the student before training included."""
        return 1 + -(-steps // self.checkpoint_every)


class Lora(Strict):
    """Low-rank adapters instead of all weights (Hu et al. 2022, arXiv:2106.09685), by ``peft``."""

    rank: Positive = 16
    """Of the adapters' product."""
    alpha: PositiveNumber = 32.0
    """The adapters' product is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Before the adapters."""
    modules: tuple[str, ...] = ()
    """Ends of the names of modules that get adapters. None given: what peft chooses."""


class Running(Strict):
    """How a run is carried out; nothing here changes what is learned."""

    gradient_checkpointing: bool = False
    """Less memory for a third more time."""
    packing: bool = False
    """Several rows of a causal student on one line; none sees another."""
    report_to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Trackers that get every figure of metrics.jsonl; each must be installed."""
