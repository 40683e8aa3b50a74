"""Rows -> the tensors of one micro-batch, padded only where a model needs rectangles.

Prompts are a rectangle (B, S), decoder inputs another (B, T); the N target tokens of all rows that
carry the loss follow one another with K entries each, so that nothing has V columns and no target
is padding::

    2 rows, targets of 3 and 2 tokens:  positions [0, 1, 2, 3, 4], ids (5, K)

Everything is made by numpy from arrays that were tokenized before training began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from align.sparse import SparseDistributions, concatenate, taken
from specialize.losses import Tail, apply_tail, mix_label
from specialize.rows import Row
from specialize.students.student import Shape

# Tokens of a line that rows share: to keep them apart takes a mask of its length for every token,
# in every layer.
_LINE = 2048


@dataclass(frozen=True, slots=True)
class Batch:
    """One micro-batch.

    Attributes:
        input_ids: (B, S) int64. attention_mask: the same shape; None for a causal student.
        decoder_input_ids: (B, T) int64, None for a causal student.
        position_ids: (B, S) int64, where rows are packed: each begins at 0. None otherwise.
        positions: (N,) int64, where the logits of the target tokens with loss are (``Student``).
        ids, logprobs: (N, K) the teacher's entries. tail: (N,) what is left of its mass.
        labels: (N,) the target's own tokens. objective: (N,) int64.
        seen: (objectives, 3) float64 sums over the tokens: tokens, tail mass as stored, hard rows.
        keys: (example id, sample) of the B rows.
        padding: positions of both rectangles that hold nothing. size: all their positions.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    decoder_input_ids: Tensor | None
    position_ids: Tensor | None
    positions: Tensor
    ids: Tensor
    logprobs: Tensor
    tail: Tensor
    labels: Tensor
    objective: Tensor
    seen: Tensor
    keys: tuple[tuple[str, int], ...]
    padding: int
    size: int

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        moved = {
            name: value.to(device, non_blocking=True)
            for name in self.__slots__
            if isinstance(value := self.__getattribute__(name), Tensor)
        }
        return replace(self, **moved)  # type: ignore[arg-type]  # tensors alone are in it


def make_batch(
    rows: Sequence[Row],
    shape: Shape,
    *,
    objectives: int,
    tail: Tail,
    hard_label_weight: float = 0.0,
    packed: bool = False,
) -> Batch:
    """The tensors of these rows.

    Args:
        rows: at least one. shape: of the student. objectives: how many the recipe has.
        tail: what becomes of the mass that the teacher's entries leave.
        hard_label_weight: of soft rows, given to the target's own token.
        packed: several rows of a causal student may share a line; none sees another.
    """
    prompt_lengths = np.array([len(row.prompt_ids) for row in rows])
    target_lengths = np.array([len(row.target_ids) for row in rows])
    learned = np.concatenate([row.carries_loss() for row in rows])
    objective = np.repeat([row.objective for row in rows], target_lengths)[learned]
    rectangle = _encoder_decoder if shape.encoder_decoder else _packed if packed else _causal
    made = rectangle(rows, shape, prompt_lengths, target_lengths)
    stored = taken(concatenate([row.distributions for row in rows]), learned)
    own = np.concatenate([row.target_ids for row in rows])[learned]
    labels = torch.tensor(own, dtype=torch.int64)
    ruled = apply_tail(tail, *_tensors(stored), labels)
    ids, logprobs, left = mix_label(*ruled, labels, hard_label_weight)
    unread = made.decoder is None  # a causal model's last targets
    return Batch(
        input_ids=torch.from_numpy(made.inputs),
        attention_mask=_tensor(made.mask),
        decoder_input_ids=_tensor(made.decoder),
        position_ids=_tensor(made.places),
        positions=torch.from_numpy(made.positions[learned]),
        ids=ids,
        logprobs=logprobs,
        tail=left,
        labels=labels,
        objective=torch.from_numpy(objective),
        seen=torch.from_numpy(_seen(objective, stored, objectives)),
        keys=tuple(row.key for row in rows),
        padding=made.size - int((prompt_lengths + target_lengths - unread).sum()),
        size=made.size,
    )


def _tensor(values: NDArray[np.int64] | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(values)


def _tensors(stored: SparseDistributions) -> tuple[Tensor, Tensor, Tensor]:
    """Ids and log-probabilities (N, K), as wide as the fullest row, and tail (N,)."""
    ids, logprobs, tail = stored.padded(max(1, int(np.diff(stored.indptr).max())))
    return torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(logprobs), torch.tensor(tail)


def _seen(
    objective: NDArray[np.int64], stored: SparseDistributions, objectives: int
) -> NDArray[np.float64]:
    """(objectives, 3) tokens, stored tail mass and hard rows of each objective."""
    sums = np.zeros((objectives, 3))
    tail_mass = np.exp(stored.tail.astype(np.float64))
    for column, values in enumerate((np.ones(len(stored)), tail_mass, stored.is_hard)):
        np.add.at(sums[:, column], objective, values)
    return sums


@dataclass(frozen=True, slots=True)
class _Rectangles:
    """A model's inputs, (B, S) or (B, T), and the (N,) positions of the target tokens' logits."""

    inputs: NDArray[np.int64]
    positions: NDArray[np.int64]
    mask: NDArray[np.int64] | None = None
    decoder: NDArray[np.int64] | None = None
    places: NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        """Positions of the rectangles that a model computes."""
        return self.inputs.size + (0 if self.decoder is None else self.decoder.size)


def _encoder_decoder(
    rows: Sequence[Row], shape: Shape, prompts: NDArray[np.int64], targets: NDArray[np.int64]
) -> _Rectangles:
    """Prompt to the encoder; the decoder reads the start token and all but the last target."""
    inputs, mask = _rectangle([row.prompt_ids for row in rows], prompts, shape.pad)
    start = np.array([shape.start], np.int64)
    shifted = [np.concatenate([start, row.target_ids[:-1]]) for row in rows]
    decoder, used = _rectangle(shifted, targets, shape.pad)
    return _Rectangles(inputs, np.flatnonzero(used), mask, decoder)


def _causal(
    rows: Sequence[Row], shape: Shape, prompts: NDArray[np.int64], targets: NDArray[np.int64]
) -> _Rectangles:
    """Prompt and all but the last target in one text; a token is predicted from the one before.

    No token sees the padding, which comes after it. A mask that said so would be expanded to the
    square of the longest row, in every layer.
    """
    texts = [np.concatenate([row.prompt_ids, row.target_ids[:-1]]) for row in rows]
    inputs, used = _rectangle(texts, prompts + targets - 1, shape.pad)
    predicts = used.astype(bool) & (np.arange(inputs.shape[1]) >= prompts[:, None] - 1)
    return _Rectangles(inputs, np.flatnonzero(predicts))


def _packed(
    rows: Sequence[Row], shape: Shape, prompts: NDArray[np.int64], targets: NDArray[np.int64]
) -> _Rectangles:
    """Rows one after another on common lines; positions restart with every row.

    From restarting positions and the absent mask transformers makes the attention of each row its
    own (``masking_utils.find_packed_sequence_indices``).
    """
    lengths = prompts + targets - 1
    line, start = pack(lengths)
    if not start.any():
        return _causal(rows, shape, prompts, targets)
    width = int((start + lengths).max())
    inputs = np.full((line.max() + 1, width), shape.pad, np.int64)
    places = np.empty_like(inputs)
    ends = np.zeros(len(inputs), np.int64)
    np.maximum.at(ends, line, start + lengths)
    places[:] = np.arange(width) - ends[:, None]  # the rest of a line is a row of its own
    positions = []
    for row, prompt, length, i, at in zip(rows, prompts, lengths, line, start, strict=True):
        inputs[i, at : at + length] = np.concatenate([row.prompt_ids, row.target_ids[:-1]])
        places[i, at : at + length] = np.arange(length)
        positions.append(i * width + at + np.arange(prompt - 1, length))
    return _Rectangles(inputs, np.concatenate(positions), places=np.maximum(places, 0))


def pack(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The line and the start of every row, so that the rectangle of all lines is small.

    First fit, longest first, into lines of one to four times the longest row; the smallest
    rectangle wins. Longer rows than ``_LINE`` have lines of their own.
    """
    widths = [times * int(lengths.max()) for times in range(1, 5)]
    alone = np.arange(len(lengths)), np.zeros_like(lengths)
    tries = [alone, *(_first_fit(lengths, width) for width in widths if width <= _LINE)]
    return min(tries, key=lambda found: (found[0].max() + 1) * (found[1] + lengths).max())


def _first_fit(
    lengths: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Line and start of every row on lines of at most ``most`` tokens."""
    line, start = np.zeros_like(lengths), np.zeros_like(lengths)
    filled: list[int] = []
    for row in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[row])
        chosen = next((i for i, end in enumerate(filled) if end + length <= most), len(filled))
        if chosen == len(filled):
            filled.append(0)
        line[row], start[row] = chosen, filled[chosen]
        filled[chosen] += length
    return line, start


def _rectangle(
    texts: Sequence[NDArray[np.integer]], lengths: NDArray[np.int64], pad: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(B, longest) ids padded on the right, and 1 where there is a token."""
    used = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(used.shape, pad, np.int64)
    ids[used] = np.concatenate(texts)
    return ids, used.astype(np.int64)
