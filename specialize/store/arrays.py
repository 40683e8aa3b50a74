"""Samples to the arrays of a shard, and the rules that its numbers keep.

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

import numpy as np
from numpy.typing import NDArray

from specialize.store.description import StoreDescription
from specialize.store.ragged import COUNT, Arrays, packed
from specialize.store.sample import Sample

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
MASS_TOLERANCE = 2e-3  # float16 rounds each probability by up to 2.5e-4


def position_arrays(samples: Sequence[Sample], description: StoreDescription) -> Arrays:
    """The per-position arrays in stored precision; unused slots have id 0.

    Raises:
        ValueError: a sample of another k, or an id that the stored type can not hold.
    """
    k, tails = description.k, len(description.tail_temperatures)
    for sample in samples:
        if sample.topk_id.shape[1] != k:
            raise ValueError(
                f"sample {sample.response.key} has {sample.topk_id.shape[1]} entries a position, "
                f"the store {k}"
            )
        found = sample.tempered_tails
        if found.shape != (len(sample), tails) if tails else found.size:
            raise ValueError(
                f"sample {sample.response.key} has tempered tails of shape "
                f"{sample.tempered_tails.shape}; the store wants {tails} a position"
            )
    logprobs = _logprobs([s.topk_logprob for s in samples], (0, k), description)
    ids = _ids([s.topk_id for s in samples], (0, k), description, used=~np.isneginf(logprobs))
    arrays: Arrays = {
        "token_id": _ids([s.token_id for s in samples], (0,), description, used=None),
        "token_logprob": _logprobs([s.token_logprob for s in samples], (0,), description),
        "topk_id": ids,
        "topk_logprob": logprobs,
        "tail_logprob": _logprobs([s.tail_logprob for s in samples], (0,), description),
    }
    if tails:
        parts = [s.tempered_tails for s in samples]
        arrays["tempered_tails"] = _logprobs(parts, (0, tails), description)
    return arrays


def _logprobs(
    parts: Sequence[NDArray[np.floating]], empty: tuple[int, ...], description: StoreDescription
) -> NDArray[np.floating]:
    """Joined and rounded; values above 0 by rounding are 0, those below float16's reach -inf."""
    joined = np.concatenate([np.zeros(empty, np.float32), *parts])
    joined[(joined > 0) & (joined < MASS_TOLERANCE)] = 0
    with np.errstate(over="ignore"):
        return joined.astype(description.logprob_type)


def _ids(
    parts: Sequence[NDArray[np.integer]],
    empty: tuple[int, ...],
    description: StoreDescription,
    *,
    used: NDArray[np.bool_] | None,
) -> NDArray[np.integer]:
    joined = np.concatenate([np.zeros(empty, np.int64), *parts])
    if used is not None:
        joined[~used] = 0
    outside = (joined < 0) | (joined > np.iinfo(description.id_type).max)
    if outside.any():
        raise ValueError(
            f"token id {int(joined[outside][0])} is outside a vocabulary of "
            f"{description.vocabulary_size}"
        )
    return joined.astype(description.id_type)


def key_arrays(samples: Sequence[Sample]) -> Arrays:
    encoded = [sample.response.example_id.encode() for sample in samples]
    return {
        "key_ptr": _pointers([len(name) for name in encoded]),
        "key_data": np.frombuffer(b"".join(encoded), np.uint8),
        "sample": np.array([sample.response.sample for sample in samples], np.int32),
    }


def _pointers(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


def shard_arrays(
    samples: Sequence[Sample], text_lengths: Sequence[int], description: StoreDescription
) -> Arrays:
    """All arrays of a shard whose texts take ``text_lengths`` bytes each.

    Raises:
        ValueError: a number that breaks a rule; says in which sample and position.
    """
    arrays = {
        **key_arrays(samples),
        "row_ptr": _pointers([len(sample) for sample in samples]),
        "text_ptr": _pointers(text_lengths),
        **position_arrays(samples, description),
    }
    for position, problem in row_problems(arrays, description):
        owner = int(np.searchsorted(arrays["row_ptr"], position, side="right")) - 1
        raise ValueError(
            f"sample {samples[owner].response.key} can not be stored: at its position "
            f"{position - int(arrays['row_ptr'][owner])} {problem}"
        )
    return packed(arrays) if description.layout == "ragged" else arrays


def expected_shapes(
    description: StoreDescription, samples: int, positions: int, key_bytes: int, entries: int
) -> dict[str, tuple[np.dtype[np.generic], tuple[int, ...]]]:
    """Type and shape of every array of a shard; nothing else may be in the file.

    ``entries`` counts those of all positions in the layout ``ragged``, and is 0 in any other.
    """
    ids, logprobs, k = description.id_type, description.logprob_type, description.k
    pointer, tails = np.dtype(np.int64), len(description.tail_temperatures)
    shapes: dict[str, tuple[np.dtype[np.generic], tuple[int, ...]]] = {
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
    arrays: Mapping[str, NDArray[np.generic]], description: StoreDescription
) -> list[tuple[int, str]]:
    """The first position that breaks each rule, and the rule, from the stored arrays."""
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
        "a log-probability is NaN": np.isnan(every).any(axis=1),
        "a log-probability is above 0": (every > 0).any(axis=1),
        f"a token id is not below {size}": (arrays["token_id"] >= size) | (ids >= size).any(axis=1),
        "an unused slot has an id": ((ids != 0) & ~used).any(axis=1),
        "entries are not sorted, most probable first": _rises(logprobs),
        "an id stands twice in a row": _repeats(ids, used),
        **_mass_rules(logprobs, tail, description),
    }
    return [(int(np.argmax(rows)), rule) for rule, rows in broken.items() if rows.any()]


def _rises(logprobs: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (logprobs[:, 1:] > logprobs[:, :-1]).any(axis=1)


def _repeats(ids: NDArray[np.int64], used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    unused = -1 - np.arange(ids.shape[1])  # a number of its own for every unused slot
    inside = np.sort(np.where(used, ids, unused), axis=1)
    return (inside[:, 1:] == inside[:, :-1]).any(axis=1)


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
