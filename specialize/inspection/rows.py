"""The very rows that the loss sees: prompt, target tokens, and a distribution for each.

    objective zero-shot-cot   gsm8k/train/00000, sample 3
    prompt    "Q: Natalia sold clips to 48 of her friends ...\\nLet's think step by step\\n"
    target    " Natalia" soft .98   " sold" soft .99   ...   "</s>" hard

They are made as training makes them, from the same recipe and the same stores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specialize.errors import ConfigurationError
from specialize.inspection.aligned import Candidate, Cell
from specialize.rows import RowSet
from specialize.rows.row import Row
from specialize.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of one objective, in words."""

    objective: str
    format: str
    example: str
    sample: int
    prompt: str
    prompt_tokens: int
    cells: tuple[Cell, ...]


def show_rows(
    rows: RowSet, tokenizer: Tokenizer, *, objective: str | None, example: str | None, count: int
) -> list[ShownRow]:
    """The first ``count`` rows of every objective, or of one; of one example where it is named.

    Raises:
        ConfigurationError: no such objective, or no row of such an example.
    """
    if objective is not None and objective not in rows.objectives:
        raise ConfigurationError(
            f"no objective {objective!r}; the recipe has {', '.join(rows.objectives)}"
        )
    shown: list[ShownRow] = []
    lengths = rows.lengths
    for number, name in enumerate(rows.objectives):
        if objective in (None, name):
            wanted = lengths.objective == number
            if example is not None:
                wanted &= np.array([known == example for known in lengths.names])[lengths.example]
            first = np.flatnonzero(wanted)[:count].tolist()
            shown += [_shown(rows.rows[i], rows, tokenizer) for i in first]
    if not shown:
        raise ConfigurationError(f"no row of example {example!r}; it may have been left out")
    return shown


def _shown(row: Row, rows: RowSet, tokenizer: Tokenizer) -> ShownRow:
    vocabulary = tokenizer.vocabulary()
    cells = []
    for i, token in enumerate(row.target_ids.tolist()):
        part = slice(*row.distributions.indptr[i : i + 2].tolist())
        probabilities = np.exp(row.distributions.logprobs[part].astype(np.float64)).tolist()
        pieces = vocabulary.pieces(row.distributions.ids[part].tolist())
        entries = sorted(
            (Candidate(piece, p) for piece, p in zip(pieces, probabilities, strict=True)),
            key=lambda entry: -entry.probability,
        )
        kept = min(1.0, sum(probabilities))
        cells.append(Cell(vocabulary.piece(token), tuple(entries), kept))
    return ShownRow(
        objective=rows.objectives[row.objective],
        format=rows.formats[row.objective],
        example=row.key[0],
        sample=row.key[1],
        prompt=tokenizer.decode(row.prompt_ids.tolist()),
        prompt_tokens=len(row.prompt_ids),
        cells=tuple(cells),
    )
