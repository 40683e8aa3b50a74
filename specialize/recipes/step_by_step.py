"""Hsieh et al. 2023, "Distilling Step-by-Step!" (arXiv:2305.02301), and what it is compared with.

One student, two tasks distinguished by a prefix: ``predict`` asks for the label, ``explain`` for
the teacher's rationale. Both objectives of an example share a step and a forward pass; alpha weighs
the label::

    L = alpha L_label + (1 - alpha) L_rationale         the published code, alpha = 1/2
    L = L_label + lambda L_rationale                    the paper, lambda = 1

The baselines train the same student on the same questions: fine-tuning on gold labels, distillation
from the teacher's labels, and the single task of rationale and label in one text. Where we differ
from the published code, on purpose: a tenth of train decides which checkpoint is scored on test,
and only that one is; labels that the teacher did not give are masked.
"""

from __future__ import annotations

from collections.abc import Sequence

from specialize.config.recipe import (
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Recipe,
    Teacher,
)
from specialize.config.training import Optimization, Training

PALM = "palm"


def step_by_step(
    teacher: str = PALM,
    alpha: float = 0.5,
    *,
    lambda_: float | None = None,
    label: str | None = None,
    prefixes: tuple[str, str] = ("predict", "explain"),
) -> Recipe:
    """Hsieh et al. 2023: label and rationale as two tasks of one student.

    Args:
        alpha: weight of the label; the rationale has 1 - alpha.
        lambda_: the paper's form instead: the label has weight 1, the rationale this one.
        label: the teacher whose labels are learnt; None: the gold ones.
        prefixes: formats of label and rationale; the paper's are ``answer:[label]`` and
            ``rationale:[rationale]``.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1.
    """
    if lambda_ is None and not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}; name a baseline instead")
    weights = (1.0, lambda_) if lambda_ is not None else (alpha, 1 - alpha)
    return _recipe(
        "step-by-step",
        (
            Objective(
                name="predict", format=prefixes[0], target="answer", teacher=label, keep="all",
                weight=weights[0],
            ),
            Objective(
                name="explain", format=prefixes[1], target="rationale", teacher=teacher,
                keep="all", weight=weights[1],
            ),
        ),
        teachers=(teacher,),
        decides=prefixes[0],
    )  # fmt: skip


def fine_tuning() -> Recipe:
    """Baseline: standard fine-tuning on the gold labels, no prefix."""
    label = Objective(name="label", format="plain", target="answer")
    return _recipe("fine-tuning", (label,), teachers=(), decides="plain")


def distillation(teacher: str = PALM) -> Recipe:
    """Baseline: standard distillation, the teacher's labels in place of the gold ones."""
    label = Objective(name="label", format="plain", target="answer", teacher=teacher, keep="all")
    return _recipe("distillation", (label,), teachers=(teacher,), decides="plain")


def single_task(teacher: str = PALM) -> Recipe:
    """Baseline: the teacher's rationale and label in one text (their ablation)."""
    both = Objective(
        name="solution", format="plain-solution", target="solution", teacher=teacher, keep="all"
    )
    return _recipe("single-task", (both,), teachers=(teacher,), decides="plain-solution")


def _recipe(
    name: str, objectives: tuple[Objective, ...], *, teachers: Sequence[str], decides: str
) -> Recipe:
    """The published settings; ``decides`` is the format of prediction."""
    return Recipe(
        name=name,
        student="google/t5-v1_1-base",
        train_on=Dataset(set="cqa", split="train"),
        teachers={teacher: Teacher() for teacher in teachers},
        objectives=objectives,
        training=Training(mixing="joint", checkpoint_every=250),
        optimization=Optimization(
            steps=10_000, learning_rate=5e-5, schedule="linear", batch_rows=64, accumulation=2
        ),
        evaluation=Evaluation(
            sets=(EvaluationSet(set="cqa", role="in-distribution", protocol="published"),),
            formats=(decides,),
            max_new_tokens=256 if decides.endswith("solution") else 64,
        ),
        selection="in-distribution",
    )
