"""Which row foretells which token, and which of a record's tokens belong together.

    tokens    a b c d | x y z     segments 1 1 1 1 2 2 2, as many rows as tokens
    next      row 0 foretells b, row 1 c, row 2 d; row 3 foretells a token that is cut off
    own       row 0 foretells a: rows beside the tokens they are of
    last      fewer rows than tokens: they are of the last ones

A packed record holds several texts, numbered from 1 by a segment; 0 is padding. A mask of a loss is
read the same way: what it leaves out before a run is the run's prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Beside = Literal["next", "own", "last"]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring tokens with their rows: tokens ``first:end``, the rows that foretell them, and
    where the text of the prompt before them begins."""

    begin: int
    first: int
    end: int
    rows: slice


def runs(
    tokens: int, rows: int, beside: Beside, segments: Integers | None = None
) -> Iterator[Run] | str:
    """The runs of a record, or why it has none.

    Args:
        tokens: how many the record has.
        beside: which token a row is of; with ``next`` the last row may be of a token that is cut.
        segments: (tokens,) one number for each text, 0 for what is left out; None: one text.
    """
    if segments is not None and len(segments) != tokens:
        return "segments are not those of the tokens"
    counts = {"next": (tokens - 1, tokens), "own": (tokens,), "last": range(1, tokens + 1)}[beside]
    if rows not in counts:
        return "entries are not those of the tokens"
    ahead = {"next": 1, "own": 0, "last": tokens - rows}[beside]
    return _runs(tokens, rows, ahead, beside, segments)


def _runs(
    tokens: int, rows: int, ahead: int, beside: Beside, segments: Integers | None
) -> Iterator[Run]:
    marks = np.ones(tokens, np.int64) if segments is None else segments
    foretold = np.zeros(tokens, np.bool_)
    foretold[ahead : ahead + rows] = True
    foretold &= marks != 0
    if beside == "next":  # a row of another text, or of the padding, foretells nothing here
        foretold[1:] &= marks[1:] == marks[:-1]
    begins = foretold & ~np.concatenate([[False], foretold[:-1]])
    begins[1:] |= foretold[1:] & (marks[1:] != marks[:-1])
    starts = np.flatnonzero(begins)
    last = 0
    for first in starts.tolist():
        inside = foretold[first:] & (marks[first:] == marks[first])
        end = first + (len(inside) if inside.all() else int(np.argmin(inside)))
        yield Run(last, first, end, slice(first - ahead, end - ahead))
        last = end
