"""Rows that come as arrays: the proof of ``teacher.served.proof`` for a whole record at once.

    tokens (R,)   ids (R, K)   logprobs (R, K) nats     ->  a ScoredText of the k likeliest entries

A record of a public set holds thousands of rows of a hundred entries, so that nothing here is done
by row. Entries that are not kept, and padded ids beyond the tokenizer's, join the tail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions, from_padded
from specialize.store.arrays import MASS_TOLERANCE
from specialize.teacher.protocol import Finish, ScoredText
from specialize.teacher.served.proof import PADDING, TOLERANCE
from specialize.teacher.served.wire import BadReplyError
from specialize.tokens import Tokenizer

Floats = NDArray[np.float64]
_ROUNDING = 0.02  # mass above 1 that half precision and a fitted polynomial may leave
_NEVER = -9999.0  # for a token that its row leaves no mass


def scored_rows(
    tokens: NDArray[np.int64],
    ids: NDArray[np.int64],
    logprobs: Floats,
    *,
    tokenizer: Tokenizer,
    k: int,
    width: int,
    finish: Finish,
) -> ScoredText:
    """The text of R tokens with the ``k`` likeliest entries of each row.

    Args:
        tokens: (R,).
        ids: (R, K), distinct in a row where they are in use.
        logprobs: (R, K) nats; -inf: not in use.
        width: ids of a distribution; those above the tokenizer's are padding.
        finish: how the text ended.

    Raises:
        BadReplyError: the first rule that a row breaks, as for a served reply.
    """
    _check(tokens, ids, logprobs, k, width)
    masses = np.exp(logprobs)
    total = masses.sum(axis=1)
    if (total > 1 + _ROUNDING).any():
        raise BadReplyError("a mass above 1")
    lifted = np.where(total > 1 + MASS_TOLERANCE, total, 1)  # more than half precision explains
    logprobs = logprobs - np.log(lifted)[:, None]
    own = _own(tokens, ids, logprobs)
    rows = _likeliest(ids, np.where(ids < width, logprobs, -np.inf), k)
    return ScoredText(
        tokenizer.decode(tokens.tolist()),
        tokens.astype(np.int32),
        np.minimum(own, 0).astype(np.float32),
        rows,
        finish,
    )


def _likeliest(ids: NDArray[np.int64], logprobs: Floats, k: int) -> SparseDistributions:
    """The ``k`` likeliest entries of each row, the rest in the tail."""
    order = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)[:, :k].copy()
    with np.errstate(invalid="ignore"):
        wild = ~(logprobs[:, 1:] < logprobs[:, :-1]).all(axis=1)
    order[wild] = np.lexsort((ids[wild], -logprobs[wild]), axis=1)[:, :k]
    kept = np.take_along_axis(logprobs, order, axis=1)
    entries = np.where(np.isneginf(kept), 0, np.take_along_axis(ids, order, axis=1))
    with np.errstate(divide="ignore"):
        tails = np.log(np.maximum(1 - np.exp(kept).sum(axis=1), 0))
    return from_padded(
        entries.astype(np.int32), np.minimum(kept, 0).astype(np.float32), tails.astype(np.float32)
    )


def _check(
    tokens: NDArray[np.int64], ids: NDArray[np.int64], logprobs: Floats, k: int, width: int
) -> None:
    if ids.shape != logprobs.shape or len(ids) != len(tokens):
        raise BadReplyError("entries are not those of the tokens")
    if ids.shape[1] < k:
        raise BadReplyError("fewer entries than asked for")
    used = ~np.isneginf(logprobs)
    if not np.isfinite(logprobs[used]).all():
        raise BadReplyError("a log-probability is not finite")
    if (logprobs > _ROUNDING).any():
        raise BadReplyError("a log-probability above 0")
    if ((tokens < 0) | (tokens >= width)).any():
        raise BadReplyError("an id outside the vocabulary")
    if ((ids < 0) | (ids >= width + PADDING))[used].any():
        raise BadReplyError("an id outside the vocabulary")
    distinct = np.sort(np.where(used, ids, -1 - np.arange(ids.shape[1])), axis=1)
    if (distinct[:, 1:] == distinct[:, :-1]).any():
        raise BadReplyError("an id is repeated in a row")
    if ((used.sum(axis=1) < k) & (np.exp(logprobs).sum(axis=1) < 1 - TOLERANCE)).any():
        raise BadReplyError("fewer entries than asked for")


def _own(tokens: NDArray[np.int64], ids: NDArray[np.int64], logprobs: Floats) -> Floats:
    """(R,) Of each token in its row; of one that is not listed the most that it can have had."""
    hit = (ids == tokens[:, None]) & ~np.isneginf(logprobs)
    least = np.where(np.isneginf(logprobs), np.inf, logprobs).min(axis=1, initial=0)
    own = np.where(hit, logprobs, -np.inf).max(axis=1, initial=-np.inf)
    with np.errstate(divide="ignore"):
        rest = np.log(np.maximum(1 - np.exp(logprobs).sum(axis=1), 0))
    most: Floats = np.maximum(np.minimum(least, rest), _NEVER)
    return np.where(hit.any(axis=1), own, most)
