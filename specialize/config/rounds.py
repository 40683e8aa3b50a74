"""Rounds of on-policy training after a run: the student writes, its teacher scores, it goes on.

rounds: {count: 2, steps: 100, loss: reverse_kl, weight: 1.0, off_policy_weight: 0.5}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from specialize.config.section import Positive, PositiveNumber, Strict


class Rounds(Strict):
    """How often the student's own texts are scored, and how it learns from them."""

    count: Positive = 1
    """Rounds: draw texts, score them, train on."""
    steps: Positive = 100
    """Optimizer steps of a round, with a schedule of its own."""
    samples: Positive = 1
    """Texts that the student writes to each training question in a round."""
    temperature: PositiveNumber = 1.0
    """At which they are drawn."""
    # X16: 11 points ahead of the forward KL
    loss: Literal["forward_kl", "reverse_kl", "jsd"] = "reverse_kl"
    """The divergence on the student's own texts."""
    weight: PositiveNumber = 1.0
    """Of the student's own texts, times that of their objective."""
    off_policy_weight: Annotated[float, Field(ge=0)] = 1.0
    """Multiplies the weights of the recipe's objectives in a round. 0: they are left out."""
    objective: str | None = None
    """Whose format the student is asked in. None: the first that learns distributions."""
    teacher: str | None = None
    """Scores the texts; must be the model that wrote for the objective. None: its own teacher."""
    learning_rate: PositiveNumber | None = None
    """Of a round. None: that of optimization."""
