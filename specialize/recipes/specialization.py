"""Fu et al. 2023, "Specializing Smaller Language Models towards Multi-Step Reasoning".

arXiv:2301.12726. Flan-T5 learns GSM8K from code-davinci-002: four formats (in-context or
zero-shot, chain-of-thought or answer-only), forward KL to the teacher's top-5 distributions on
the chain-of-thought rows, cross-entropy on the answer-only rows, every checkpoint evaluated in-
and out-of-distribution. Where we differ from the published code, on purpose: the learning rate
really decays, gradients are clipped, rows are weighted by tokens and not by micro-batches, held-
out questions are never trained on, and the tail of the teacher is a bucket of its own
(``training.tail=renormalize`` has the published optimum).
"""

from __future__ import annotations

from specialize.config.recipe import (
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Recipe,
    Teacher,
)
from specialize.config.training import Optimization, Training

FORMATS = ("in-context-cot", "in-context-answer", "zero-shot-cot", "zero-shot-answer")


def four_formats(teacher: str, *, demonstrations: int = 4) -> tuple[Objective, ...]:
    """One objective per format: distributions for chain-of-thought, gold labels for answers."""
    return tuple(
        Objective(
            name=name,
            format=name,
            target="distribution" if name.endswith("cot") else "answer",
            teacher=teacher if name.endswith("cot") else None,
            num_fewshot=demonstrations,
        )
        for name in FORMATS
    )


def specialization() -> Recipe:
    """Fu et al. 2023: four formats, KL on chain-of-thought, selection across distributions."""
    in_distribution = EvaluationSet(set="gsm8k", role="in-distribution", split="test")
    others = tuple(
        EvaluationSet(set=name, role="out-of-distribution")
        for name in ("multiarith", "asdiv", "svamp")
    )
    return Recipe(
        name="specialization",
        student="google/flan-t5-base",
        train_on=Dataset(set="gsm8k", split="train"),
        teachers={"codex": Teacher(samples=40, temperature=0.5)},
        objectives=four_formats("codex"),
        training=Training(checkpoint_every=1000),
        optimization=Optimization(steps=40_000, learning_rate=5e-4, batch_rows=32, accumulation=3),
        evaluation=Evaluation(
            sets=(in_distribution, *others), formats=("in-context-cot", "zero-shot-cot")
        ),
        selection="out-of-distribution",
    )
