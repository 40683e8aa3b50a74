"""One sample: a response, and the teacher's sparse distribution at each of its R positions.

response.text  "She earns"                    R = 2
token_id       [3347, 29339]                  the tokens that stand there
token_logprob  [-1.2, -0.3]
topk_id        [[3347, 464], [29339, 318]]    most probable first
topk_logprob   [[-1.2, -1.5], [-0.3, -2.1]]   nats at temperature 1; -inf: slot not in use
tail_logprob   [-0.7, -2.0]                   log of the mass outside the stored entries
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions, from_padded
from specialize.records import Response


def _no_tails() -> NDArray[np.float16]:
    return np.zeros((0, 0), np.float16)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A response with R scored positions and K entries at each.

    Attributes:
        response: the text and its key.
        token_id: (R,) integer.
        token_logprob: (R,) float, nats; of the token that stands there, stored entry or not.
        topk_id: (R, K) integer, distinct in a row.
        topk_logprob: (R, K) float, nats, never rising along a row; -inf where the slot is unused.
        tail_logprob: (R,) float, log-mass of all that is not stored; -inf for none.
        tempered_tails: (R, M) float, the log-mass outside the same entries at each of the
            description's ``tail_temperatures``; (0, 0) where there are none.
    """

    response: Response
    token_id: NDArray[np.integer]
    token_logprob: NDArray[np.floating]
    topk_id: NDArray[np.integer]
    topk_logprob: NDArray[np.floating]
    tail_logprob: NDArray[np.floating]
    tempered_tails: NDArray[np.floating] = field(default_factory=_no_tails)

    def __post_init__(self) -> None:
        rows = len(self.token_id)
        if (
            not self.token_id.shape
            == self.token_logprob.shape
            == self.tail_logprob.shape
            == (rows,)
        ):
            raise ValueError(
                f"sample {self.response.key}: token_id {self.token_id.shape}, token_logprob "
                f"{self.token_logprob.shape} and tail_logprob {self.tail_logprob.shape} differ"
            )
        if self.topk_id.ndim != 2 or self.topk_id.shape != self.topk_logprob.shape:
            raise ValueError(
                f"sample {self.response.key}: topk_id {self.topk_id.shape} and topk_logprob "
                f"{self.topk_logprob.shape} must be one (R, K)"
            )
        tails = self.tempered_tails
        if len(self.topk_id) != rows or (tails.size and tails.shape[:-1] != (rows,)):
            raise ValueError(
                f"sample {self.response.key}: {rows} tokens, but {len(self.topk_id)} rows of "
                f"entries and {len(tails)} of tempered tails"
            )

    def __len__(self) -> int:
        return len(self.token_id)

    def rows(self) -> SparseDistributions:
        """The R distributions as ragged rows."""
        return from_padded(self.topk_id, self.topk_logprob, self.tail_logprob)


def sample_from_rows(
    response: Response,
    token_id: NDArray[np.integer],
    rows: SparseDistributions,
    k: int,
    *,
    token_logprob: NDArray[np.floating] | None = None,
) -> Sample:
    """A sample from ragged rows: the ``k`` most probable entries, the others into the tail.

    Args:
        token_id: (R,), one for each row.
        rows: of whole mass; what is stored makes 1 in half precision too.
        token_logprob: (R,) nats; None: the token's own entry in its row, -inf where it has none.
    """
    ids, logprobs, tail = rows.padded(k)
    logprobs, tail = _whole_in_half(logprobs, tail)
    if token_logprob is None:
        entries = np.repeat(np.asarray(token_id), np.diff(rows.indptr)) == rows.ids
        token_logprob = np.full(len(rows), -np.inf, np.float32)
        token_logprob[rows.row_of_entry()[entries]] = rows.logprobs[entries]
    return Sample(response, np.asarray(token_id), token_logprob, ids, logprobs, tail)


def _whole_in_half(
    logprobs: NDArray[np.floating], tail: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values of half precision, (R, K) and (R,), of which every row still makes 1: its largest part
    takes up what rounding the others changes, as far as the entries stay in order."""
    parts = np.concatenate([logprobs, tail[:, None]], axis=1).astype(np.float16)
    mass = np.exp(parts.astype(np.float64))
    largest = mass.argmax(axis=1)[:, None]
    own = np.take_along_axis(mass, largest, axis=1)
    left = np.maximum(1 - (mass.sum(axis=1, keepdims=True) - own), own / 2)
    np.put_along_axis(parts, largest, np.log(left).astype(np.float16), axis=1)
    if logprobs.shape[1] > 1:
        parts[:, 0] = np.maximum(parts[:, 0], parts[:, 1])
    halves = parts.astype(np.float32)
    return halves[:, :-1], halves[:, -1]
