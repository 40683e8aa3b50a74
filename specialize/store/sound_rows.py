"""Whether the rows of a shard keep every rule, in one pass over their bits, and which ids they use.

Log-probabilities of half precision are bits that rise as the number falls::

    -0.25  0xb400    -1.5  0xbe00    -inf  0xfc00    0.0  0x0000    -0.0  0x8000

so that no row is made into other numbers. What breaks which rule is named by ``arrays``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import quick_entry
from specialize.store.arrays import MASS_TOLERANCE
from specialize.store.description import StoreDescription
from specialize.store.half import EXPONENTIALS, NOTHING, are_logprobs
from specialize.store.ragged import COUNT, Number

FEW = 2000  # positions of a shard that are read closely sooner than what is compiled is loaded
_ROUNDING = 1e-9  # of sums: what is so near to the tolerance is looked at closely
_LARGEST, _LEAST = 0x8000, NOTHING  # -0.0 and -inf


class _Rows(NamedTuple):
    """R positions as they are stored, log-probabilities as bits.

    Attributes:
        token_id, tail: (R,).
        entries: (R,) of the layout ``ragged``, how many each has; (0,): each has ``k``.
        ids, logprobs: (entries,).
    """

    token_id: NDArray[np.unsignedinteger]
    tail: NDArray[np.uint16]
    entries: NDArray[np.unsignedinteger]
    ids: NDArray[np.unsignedinteger]
    logprobs: NDArray[np.uint16]


def ids_of_sound_rows(
    arrays: Mapping[str, NDArray[Number]], description: StoreDescription
) -> NDArray[np.bool_] | None:
    """Which ids the tokens and entries of a shard are, if every rule holds.

    Args:
        arrays: as they are stored, in either layout.

    Returns:
        (vocabulary size,); None where it takes a closer look to know what is broken, if anything.
    """
    others = [arrays[name] for name in ("token_logprob", "tempered_tails") if name in arrays]
    if len(arrays["token_id"]) < FEW:
        return None
    if any(values.dtype != np.float16 or not are_logprobs(values) for values in others):
        return None
    prefix = "entry" if "entries" in arrays else "topk"
    rows = _Rows(
        _flat(arrays["token_id"]),
        _flat(arrays["tail_logprob"]).view(np.uint16),
        _flat(arrays.get("entries", np.zeros(0, COUNT))),
        _flat(arrays[f"{prefix}_id"]),
        _flat(arrays[f"{prefix}_logprob"]).view(np.uint16),
    )
    least = 0.0 if description.tail_is_complement else 1 - MASS_TOLERANCE + _ROUNDING
    seen = np.zeros(description.vocabulary_size, np.int32)
    k = 0 if "entries" in arrays else arrays["topk_id"].shape[1]
    sound = _look(rows, k, (least, 1 + MASS_TOLERANCE - _ROUNDING), EXPONENTIALS, seen)
    return seen != 0 if sound else None


def _flat(values: NDArray[Number]) -> NDArray[np.unsignedinteger]:
    """One after another; not to be written to, so that arrays of files and others are one type."""
    flat = cast("NDArray[np.unsignedinteger]", values.ravel().view())
    flat.flags.writeable = False
    return flat


@quick_entry
def _look(
    rows: _Rows,
    k: int,
    limits: tuple[float, float],
    exponentials: NDArray[np.float64],
    seen: NDArray[np.int32],
) -> bool:
    """Whether no rule is broken; False may be wrong beside the limits.

    Args:
        k: entries of each position in the layout ``padded``.
        limits: of the mass; the tail counts where the lower one is not 0.
        exponentials: (65536,) of every number of half precision, by its bits.
        seen: (V,) zeros; what is still 0 then is not in use.
    """
    token_id, tail, entries, ids, logprobs = rows
    (least, most), size, padded, end = limits, len(seen), len(entries) == 0, 0
    for row in range(len(token_id)):
        if tail[row] > _LEAST or 0 < tail[row] < _LARGEST:
            return False
        mass, last = exponentials[tail[row]] if least > 0 else 0.0, _LARGEST
        first, end = end, end + (k if padded else entries[row])
        for at in range(first, end):
            # 0.0 and -0.0 are one number, and all that is positive has smaller bits than it
            bits = logprobs[at] if logprobs[at] else _LARGEST
            if bits < last or bits > _LEAST:
                return False
            last = bits
            if bits == _LEAST:
                # a slot that is not in use; the layout without such slots is looked at closely
                if padded and ids[at] == 0:
                    continue
                return False
            # the row's number says that the id came in this row before
            token = ids[at]
            if token >= size or seen[token] == row + 1:
                return False
            seen[token], mass = row + 1, mass + exponentials[bits]
        token = token_id[row]
        if mass < least or mass > most or token >= size:
            return False
        # never the number of a later row, which has its token as an entry, too
        if seen[token] == 0:
            seen[token] = -1
    return True
