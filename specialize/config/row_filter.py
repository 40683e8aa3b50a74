"""Which of a teacher's rows carry the loss, where not all of them shall.

    objectives:
      - {name: cot, format: chat-cot, target: distribution, teacher: big,
         row_filter: {first_share: 0.5, min_entropy: 0.3}}

A row that does not pass stays in the text that the student reads, and nothing is learned from it.
``rows/filtering.py`` says how each condition is decided from what a store has.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from specialize.config.section import PositiveNumber, Share, Strict


class RowFilter(Strict):
    """Conditions on a teacher's rows; a row has to meet all that are given."""

    first_share: Share | None = None
    """Of each response's rows, the first ones. None: all."""
    min_entropy: PositiveNumber | None = None
    """Rows whose entropy is above it, in nats, by what is stored. None: all."""
    max_probability: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Rows in which the target's own token is less probable than this. None: all."""

    @property
    def passes_all(self) -> bool:
        """Whether nothing is asked of a row."""
        return self == RowFilter()
