"""Prompts of mode ``rationale``: templates by set, with random demonstrations of the same set.

    RationalePrompts(train, 2, forced=True).prompt(example, rng)
    -> "Question: ...\\nAnswer: (b) ...\\nRationale: ...\\n\\nQuestion: <question>\\nAnswer: ..."

The set is read from the example's id (``cqa/train/00012``), so that questions of several sets can
be asked in one dump.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialize.errors import ConfigurationError
from specialize.formats import DemonstrationPool, template_of
from specialize.records import Example


class RationalePrompts:
    """Puts a question into the template of its set, with random demonstrations of the same set."""

    def __init__(self, examples: Sequence[Example], demonstrations: int, *, forced: bool) -> None:
        """``examples`` are those that may be shown; of one without rationale the answer is.

        Raises:
            ConfigurationError: rationales are to be shown, and no example has one.
        """
        self._forced, self._count = forced, demonstrations
        shown = [example for example in examples if example.rationale.strip()]
        if demonstrations and not shown and not forced:
            raise ConfigurationError(
                f"{demonstrations} demonstrations with rationales wanted, but none of "
                f"{len(examples)} examples has a rationale; use a set or a prompt file that has "
                f"some, or give the teacher the answer (forced: true)"
            )
        self._pool = DemonstrationPool(shown or [e for e in examples if e.answer])

    def prompt(self, example: Example, rng: np.random.Generator) -> str:
        """The prompt; all samples of a question share it."""
        template = template_of(example.id.partition("/")[0])
        drawn = self._pool.draw(example, self._count, rng) if self._count else []
        return (template.forced if self._forced else template.few_shot)(example, drawn)
