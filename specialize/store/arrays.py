"""A shard to the arrays of its file, and the rules that its numbers keep.

n samples with R positions become (``docs/store.md`` has types and order)::

    key_ptr (n+1) key_data  sample (n)     the keys: example ids as UTF-8, sample numbers
    row_ptr (n+1)                          sample i owns positions row_ptr[i]:row_ptr[i+1]
    text_ptr (n+1)                         and the bytes text_ptr[i]:text_ptr[i+1] of the texts
    token_id (R) token_logprob (R) topk_id (R,k) topk_logprob (R,k) tail_logprob (R)
    tempered_tails (R,M)                   only where the description names temperatures

In the layout ``ragged`` the entries are stored as ``ragged`` says, without unused slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from specialize.store import passes
from specialize.store.description import StoreDescription
from specialize.store.half import are_nothing
from specialize.store.lines import keys_of
from specialize.store.ragged import COUNT, Arrays, Number, packed
from specialize.store.shard import Shard

Scalar = TypeVar("Scalar", bound=np.generic)

MASS_TOLERANCE = 2e-3  # float16 rounds each probability by up to 2.5e-4
KEY_ARRAYS = ("key_ptr", "key_data", "sample")
POSITION_ARRAYS = (
    "token_id",
    "token_logprob",
    "topk_id",
    "topk_logprob",
    "tail_logprob",
    "tempered_tails",
    "entries",
    "entry_id",
    "entry_logprob",
)


def position_arrays(shard: Shard, description: StoreDescription) -> Arrays:
    """The per-position arrays in stored precision, k slots a position; unused slots have id 0.

    Raises:
        ValueError: a row of more than k entries, tempered tails at another number of temperatures,
            or an id that the stored type cannot hold.
    """
    k, tails = description.k, len(description.tail_temperatures)
    rows = shard.distributions
    size = np.diff(rows.indptr)
    if size.max(initial=0) > k:
        where = _owner(shard.tokens.indptr, int(size.argmax()))
        raise ValueError(
            f"sample {shard.responses[where].key} has {size.max()} entries at a position, "
            f"the store at most {k}"
        )
    if len(shard.tokens.ids) and shard.tempered_tails.shape[1] != tails:
        where = _owner(shard.tokens.indptr, 0)
        raise ValueError(
            f"sample {shard.responses[where].key} has tempered tails at "
            f"{shard.tempered_tails.shape[1]} temperatures; the store wants {tails} a position"
        )
    used = np.arange(k, dtype=np.int32) < size.astype(np.int32)[:, None]
    logprobs = _logprobs(_slots(rows.logprobs, used, -np.inf), description)
    ids = _slots(rows.ids, used, 0)
    ids[are_nothing(logprobs)] = 0
    arrays: Arrays = {
        "token_id": _ids(shard.tokens.ids, description),
        "token_logprob": _logprobs(shard.token_logprob, description),
        "topk_id": _ids(ids, description),
        "topk_logprob": logprobs,
        "tail_logprob": _logprobs(rows.tail, description),
    }
    if tails:
        stored = shard.tempered_tails.reshape(-1, tails)
        arrays["tempered_tails"] = _logprobs(stored, description)
    return arrays


def _owner(row_ptr: NDArray[np.int64], position: int) -> int:
    """The sample that position ``position`` of a shard belongs to."""
    return int(np.searchsorted(row_ptr, position, side="right")) - 1


def _slots(values: NDArray[Scalar], used: NDArray[np.bool_], unused: float) -> NDArray[Scalar]:
    """(R, k) ragged ``values`` in the slots ``used`` (R, k), which come first in each row;
    ``unused`` in the others."""
    if used.size == len(values):
        return values.reshape(used.shape).copy()
    slots = np.full(used.shape, unused, values.dtype)
    slots[used] = values
    return slots


def _logprobs(values: NDArray[np.float32], description: StoreDescription) -> NDArray[np.floating]:
    """Rounded; values above 0 by rounding are 0, those below float16's reach -inf."""
    if values.max(initial=0) > 0:
        above = (values > 0) & (values < MASS_TOLERANCE)
        values = np.where(above, np.float32(0), values)
    with np.errstate(over="ignore"):
        return values.astype(description.logprob_type)


def _ids(ids: NDArray[np.int32], description: StoreDescription) -> NDArray[np.integer]:
    most = np.iinfo(description.id_type).max
    if len(ids) and ids.size and (ids.min() < 0 or ids.max() > most):
        outside = ids[(ids < 0) | (ids > most)]
        raise ValueError(
            f"token id {int(outside[0])} is outside a vocabulary of {description.vocabulary_size}"
        )
    return ids.astype(description.id_type)


def key_arrays(keys: Sequence[tuple[str, int]]) -> Arrays:
    encoded = [example.encode() for example, _ in keys]
    return {
        "key_ptr": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        "key_data": np.frombuffer(b"".join(encoded), np.uint8),
        "sample": np.array([sample for _, sample in keys], np.int32),
    }


def shard_arrays(
    shard: Shard, text_ptr: NDArray[np.int64], description: StoreDescription
) -> Arrays:
    """All arrays of a shard whose texts begin, and the last ends, at ``text_ptr`` (n + 1,).

    Raises:
        ValueError: a number that breaks a rule; says in which sample and position.
    """
    arrays = {
        **key_arrays(keys_of(shard.responses)),
        "row_ptr": shard.tokens.indptr,
        "text_ptr": text_ptr,
        **position_arrays(shard, description),
    }
    for position, problem in row_problems(arrays, description):
        owner = _owner(shard.tokens.indptr, position)
        raise ValueError(
            f"sample {shard.responses[owner].key} cannot be stored: at its position "
            f"{position - int(shard.tokens.indptr[owner])} {problem}"
        )
    return packed(arrays) if description.layout == "ragged" else arrays


def expected_shapes(
    description: StoreDescription, samples: int, positions: int, key_bytes: int, entries: int
) -> dict[str, tuple[np.dtype[Number], tuple[int, ...]]]:
    """Type and shape of every array of a shard; nothing else may be in the file.

    ``entries`` counts those of all positions in the layout ``ragged``, and is 0 in any other.
    """
    ids, logprobs, k = description.id_type, description.logprob_type, description.k
    pointer, tails = np.dtype(np.int64), len(description.tail_temperatures)
    shapes: dict[str, tuple[np.dtype[Number], tuple[int, ...]]] = {
        "key_ptr": (pointer, (samples + 1,)),
        "key_data": (np.dtype(np.uint8), (key_bytes,)),
        "sample": (np.dtype(np.int32), (samples,)),
        "row_ptr": (pointer, (samples + 1,)),
        "text_ptr": (pointer, (samples + 1,)),
        "token_id": (ids, (positions,)),
        "token_logprob": (logprobs, (positions,)),
        "tail_logprob": (logprobs, (positions,)),
    }
    if description.layout == "ragged":
        shapes["entries"] = (COUNT, (positions,))
        shapes |= {"entry_id": (ids, (entries,)), "entry_logprob": (logprobs, (entries,))}
    else:
        shapes |= {"topk_id": (ids, (positions, k)), "topk_logprob": (logprobs, (positions, k))}
    return shapes | ({"tempered_tails": (logprobs, (positions, tails))} if tails else {})


def row_problems(
    arrays: Mapping[str, NDArray[Number]], description: StoreDescription
) -> list[tuple[int, str]]:
    """The first position that breaks each rule, and the rule, from the stored arrays."""
    if passes.ids_of_sound_rows(arrays, description) is not None:
        return []
    ids = arrays["topk_id"].astype(np.int64)
    logprobs = arrays["topk_logprob"].astype(np.float64)
    tail = arrays["tail_logprob"].astype(np.float64)
    token = arrays["token_logprob"].astype(np.float64)
    used = ~np.isneginf(logprobs)
    values = [logprobs, tail[:, None], token[:, None]]
    if "tempered_tails" in arrays:
        values.append(arrays["tempered_tails"].astype(np.float64))
    every = np.concatenate(values, axis=1)
    size = description.vocabulary_size
    broken: dict[str, NDArray[np.bool_]] = {
        "a log-probability is NaN": _in_row(np.isnan(every)),
        "a log-probability is above 0": _in_row(every > 0),
        f"a token id is not below {size}": (arrays["token_id"] >= size) | _in_row(ids >= size),
        "an unused slot has an id": _in_row((ids != 0) & ~used),
        "entries are not sorted, most probable first": _rises(logprobs),
        "an id is repeated in a row": _repeats(ids, used),
        **_mass_rules(logprobs, tail, description),
    }
    return [(int(np.argmax(rows)), rule) for rule, rows in broken.items() if rows.any()]


def _in_row(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(R,) whether any is marked in each row of (R, K)."""
    rows: NDArray[np.bool_] = np.logical_or.reduce(marked, axis=1)
    return rows


def _rises(logprobs: NDArray[np.float64]) -> NDArray[np.bool_]:
    return _in_row(logprobs[:, 1:] > logprobs[:, :-1])


def _repeats(ids: NDArray[np.int64], used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    unused = -1 - np.arange(ids.shape[1])  # a number of its own for every unused slot
    inside = np.sort(np.where(used, ids, unused), axis=1)
    return _in_row(inside[:, 1:] == inside[:, :-1])


def _mass_rules(
    logprobs: NDArray[np.float64], tail: NDArray[np.float64], description: StoreDescription
) -> dict[str, NDArray[np.bool_]]:
    with np.errstate(invalid="ignore"):
        stored = np.exp(logprobs).sum(axis=1)
        total = stored + np.exp(tail)
    if description.tail_is_complement:
        rule = f"stored entries have a mass above 1 + {MASS_TOLERANCE}"
        return {rule: stored > 1 + MASS_TOLERANCE}
    rule = f"stored and tail mass are not 1 within {MASS_TOLERANCE}"
    return {rule: np.abs(total - 1) > MASS_TOLERANCE}
