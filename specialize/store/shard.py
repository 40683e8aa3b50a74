"""Texts with a teacher's sparse distributions, as columns: one type from dump to loss.

Two samples of 2 and 1 positions, with at most 2 entries at each::

    responses                the texts and their keys, (2,)
    tokens.indptr            0         2    3
    tokens.ids               3347 29339 464          the token at each position
    token_logprob            -1.2  -0.3 -0.9         nats, of these tokens
    distributions.indptr     0 2        4   5        entries of each position, most probable first
    distributions.ids        3347 464  29339 318  464
    distributions.logprobs   -1.2 -1.5 -0.3 -2.1  -0.9   nats at temperature 1
    distributions.tail       -0.7 -2.0 -0.5          log of the mass outside the stored entries

``shard[i]`` is sample i, its arrays views of these. A sample is made on its own by
``Sample(response, token_id, token_logprob, distributions)``; ``shard_of`` joins samples to a shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from align.ragged import Ragged, pointers
from align.sparse import SparseDistributions, concatenate, taken
from specialize.records import Response


def _no_tails() -> NDArray[np.float32]:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A response with R scored positions.

    Attributes:
        response: the text and its key.
        token_id: (R,) integer.
        token_logprob: (R,) float, nats; of the token at each position, stored entry or not.
        distributions: R rows; in each the entries are distinct and come most probable first.
        tempered_tails: (R, M) float, the log-mass outside the same entries at each of the
            description's ``tail_temperatures``; (0, 0) where there are none.
    """

    response: Response
    token_id: NDArray[np.integer]
    token_logprob: NDArray[np.floating]
    distributions: SparseDistributions
    tempered_tails: NDArray[np.floating] = field(default_factory=_no_tails)

    def __post_init__(self) -> None:
        fault = misfit(self.token_id, self.token_logprob, self.distributions, self.tempered_tails)
        if fault is not None:
            raise ValueError(f"sample {self.response.key}: {fault}")

    def __len__(self) -> int:
        return len(self.token_id)

    def thought(self) -> Sample:
        """The thinking alone: the first ``thinking_tokens`` of its tokens, with their rows."""
        return self._part(0, self.response.thinking_tokens)

    def content(self) -> Sample:
        """What was said alone: without the tokens of the thinking; itself where there are none."""
        first = self.response.thinking_tokens
        if not first:
            return self
        said = replace(self.response, thinking_tokens=0)
        return replace(self._part(first, len(self)), response=said)

    def _part(self, first: int, last: int) -> Sample:
        tails = self.tempered_tails
        return replace(
            self,
            token_id=self.token_id[first:last],
            token_logprob=self.token_logprob[first:last],
            distributions=self.distributions[first:last],
            tempered_tails=tails[first:last] if tails.size else tails,
        )


def misfit(
    token_id: NDArray[np.integer],
    token_logprob: NDArray[np.floating],
    distributions: SparseDistributions,
    tempered_tails: NDArray[np.floating],
) -> str | None:
    """Which of a sample's columns are not of the same positions; None where all are."""
    rows = len(token_id)
    if not token_id.shape == token_logprob.shape == (rows,):
        return f"token_id {token_id.shape} and token_logprob {token_logprob.shape} differ"
    tempered = tempered_tails.size == 0 or tempered_tails.shape[:-1] == (rows,)
    if len(distributions) != rows or not tempered:
        return (
            f"{rows} tokens, but {len(distributions)} rows of entries and {len(tempered_tails)} "
            f"of tempered tails"
        )
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """n samples without the teacher's distributions.

    Attributes:
        responses: (n,) texts and keys.
        tokens: the ids of every sample.
    """

    responses: Sequence[Response]
    tokens: Ragged

    def __post_init__(self) -> None:
        if len(self.responses) != len(self.tokens):
            raise ValueError(
                f"{len(self.responses)} responses, but tokens of {len(self.tokens)} samples"
            )

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.responses)

    def where(self, wanted: NDArray[np.bool_]) -> Texts:
        """The samples of which ``wanted`` (n,) is True; the texts themselves where all are."""
        if wanted.all():
            return self
        ids = self.tokens.ids[np.repeat(wanted, self.tokens.lengths)]
        return Texts(
            [self.responses[index] for index in np.flatnonzero(wanted).tolist()],
            Ragged(pointers(self.tokens.lengths[wanted]), ids),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """n samples with R positions together, column by column.

    Attributes:
        responses: (n,) texts and keys.
        tokens: the ids of every sample.
        token_logprob: (R,) float32, nats.
        distributions: R rows.
        tempered_tails: (R, M) float32, nats; M = 0 where there are none.
    """

    responses: Sequence[Response]
    tokens: Ragged
    token_logprob: NDArray[np.float32]
    distributions: SparseDistributions
    tempered_tails: NDArray[np.float32]

    def __post_init__(self) -> None:
        Texts(self.responses, self.tokens)  # which refuses what does not fit
        rows = (len(self.token_logprob), len(self.distributions), len(self.tempered_tails))
        if any(count != len(self.tokens.ids) for count in rows):
            raise ValueError(
                f"{len(self.tokens.ids)} tokens, but {rows[0]} log-probabilities, {rows[1]} "
                f"distributions and {rows[2]} rows of tempered tails"
            )

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.responses)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        first, last = self.tokens.indptr[index : index + 2].tolist()
        tails = self.tempered_tails[first:last]
        return Sample(
            self.responses[index],
            self.tokens.ids[first:last],
            self.token_logprob[first:last],
            self.distributions[first:last],
            tails if tails.shape[1] else _no_tails(),
        )

    @property
    def texts(self) -> Texts:
        """Responses and tokens alone."""
        return Texts(self.responses, self.tokens)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def where(self, wanted: NDArray[np.bool_]) -> Shard:
        """The samples of which ``wanted`` (n,) is True; the shard itself where all are."""
        if wanted.all():
            return self
        texts = self.texts.where(wanted)
        position = np.repeat(wanted, self.tokens.lengths)
        return Shard(
            texts.responses,
            texts.tokens,
            self.token_logprob[position],
            taken(self.distributions, position),
            self.tempered_tails[position],
        )


def shard_of(samples: Sequence[Sample]) -> Shard:
    """``samples`` as columns.

    Raises:
        ValueError: they have tempered tails at different numbers of temperatures.
    """
    tails = [sample.tempered_tails.reshape(len(sample), -1) for sample in samples if len(sample)]
    widths = {part.shape[1] for part in tails}
    if len(widths) > 1:
        odd = next(i for i, sample in enumerate(samples) if len(sample) and
                   sample.tempered_tails.size != len(sample) * max(widths))  # fmt: skip
        raise ValueError(
            f"sample {samples[odd].response.key} has tempered tails of shape "
            f"{samples[odd].tempered_tails.shape}, others {max(widths)} a position"
        )
    lengths = np.array([len(sample) for sample in samples], np.int64)
    ids = [np.asarray(sample.token_id, np.int32) for sample in samples]
    own = [np.asarray(sample.token_logprob, np.float32) for sample in samples]
    return Shard(
        [sample.response for sample in samples],
        Ragged(pointers(lengths), np.concatenate([np.zeros(0, np.int32), *ids])),
        np.concatenate([np.zeros(0, np.float32), *own]),
        concatenate([sample.distributions for sample in samples]),
        np.concatenate([np.zeros((0, max(widths, default=0)), np.float32), *tails]).astype(
            np.float32
        ),
    )


def own_logprobs(ids: NDArray[np.int32], rows: SparseDistributions) -> NDArray[np.float32]:
    """(R,) nats of each token of ``ids`` (R,) in its row; -inf where it is no entry of it."""
    found = np.full(len(rows), -np.inf, np.float32)
    owner = np.repeat(np.arange(len(rows), dtype=np.int32), np.diff(rows.indptr))
    at = np.flatnonzero(ids[owner] == rows.ids)
    found[owner[at]] = rows.logprobs[at]
    return found
