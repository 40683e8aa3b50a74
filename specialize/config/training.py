"""How a student is trained: the optimizer's schedule, what rows count, what is trained at all.

    optimization: {steps: 2000, learning_rate: 5e-4, batch_rows: 32, accumulation: 3}
    training: {mixing: joint, tail: bucket, checkpoint_every: 500, keep_checkpoints: 4}
    lora: {rank: 16}
    running: {gradient_checkpointing: true, report_to: [tensorboard]}

``running`` alone may differ when a run is continued: it decides how, never what.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
PositiveNumber = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """A section of a recipe: frozen; refuses keys it does not know, and numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Optimization(Strict):
    """The optimizer's schedule, in optimizer steps."""

    steps: Positive = 1000
    learning_rate: PositiveNumber = 5e-4
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 10
    batch_rows: Positive = 16  # rows of a micro-batch, at most
    batch_tokens: Positive | None = None  # padded tokens of a micro-batch, at most
    accumulation: Positive = 4  # micro-batches of an optimizer step
    clip: PositiveNumber = 1.0  # norm of the gradient
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"  # fp16 overflows in T5


class Training(Strict):
    """What a row may be, what is minimized, and when the student is saved."""

    mixing: Literal["pooled", "joint"] = "pooled"
    loss: Literal["forward_kl", "reverse_kl", "jsd"] = "forward_kl"  # the last two: experimental
    tail: Literal["bucket", "renormalize", "to_label", "drop"] = "bucket"
    temperature: PositiveNumber = 1.0  # of teachers' distributions; tails must be stored at it
    label_share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of soft rows, given to their token
    max_prompt_tokens: Positive = 1024
    max_target_tokens: Positive = 256
    samples_per_question: Positive | None = None  # None: every kept response
    checkpoint_every: Positive = 200  # optimizer steps
    keep_checkpoints: Positive | None = None  # the newest; first and selected stay. None: all
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None  # None: the student's own


class Lora(Strict):
    """Low-rank adapters instead of all weights (Hu et al. 2022, arXiv:2106.09685), by ``peft``."""

    rank: Positive = 16
    alpha: PositiveNumber = 32.0  # the adapters' product is scaled by alpha / rank
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    modules: tuple[str, ...] = ()  # ends of their names; none: what peft chooses


class Running(Strict):
    """How a run is carried out; nothing here changes what is learned."""

    gradient_checkpointing: bool = False  # less memory for a third more time
    packing: bool = False  # several rows of a causal student on one line, none sees another
    report_to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
