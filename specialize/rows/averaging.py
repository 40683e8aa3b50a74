"""Distributions of several teachers over one text, averaged position by position.

Teachers with different tokenizers are in one currency once they are projected: rows over the
student's vocabulary. Two rows with shares 3/4 and 1/4::

    {"12": .6, "10": .4}, tail 0      {"12": .9}, tail .1
    -> {"12": .675, "10": .3}, tail .025

An entry that one teacher did not store counts as 0 there and stays in that teacher's tail, so that
every row keeps mass 1 and every stored entry is a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions
from specialize.rows.found import Found


def of_every_teacher(
    found: Sequence[Found], ids_of: Sequence[Callable[[int, Sequence[int]], NDArray[np.int32]]]
) -> tuple[Found, int]:
    """The targets that every teacher has, to be read from all of them; how many are left out.

    Two targets are the same if example, sample and token ids are.

    Args:
        found: of each teacher, the first one's order is kept.
        ids_of: of each teacher, the ids of its target, from the example's and its own place.
    """
    first, *others = found
    places = [
        {
            key: i
            for i, key in enumerate(zip(each.example.tolist(), each.sample.tolist(), strict=True))
        }
        for each in others
    ]
    kept, matching = [], []
    for number, key in enumerate(zip(first.example.tolist(), first.sample.tolist(), strict=True)):
        at = [number, *(place.get(key, -1) for place in places)]
        if -1 in at:
            continue
        mine, *theirs = (
            ids(key[0], each.where[:, i].tolist())
            for ids, each, i in zip(ids_of, found, at, strict=True)
        )
        if all(np.array_equal(mine, ids) for ids in theirs):
            kept.append(number)
            matching.append(at)
    rows = np.array(matching, np.int64).reshape(-1, len(found))
    where = [each.where[:, rows[:, i]] for i, each in enumerate(found)]
    whole = first.take(np.array(kept, np.int64)).at(np.concatenate(where))
    return whole, len(first) - len(kept)


def average_rows(
    rows: Sequence[SparseDistributions], weights: Sequence[float]
) -> SparseDistributions:
    """Row by row the weighted sum of several distributions, most probable entries first.

    Args:
        rows: of equal length, over one vocabulary.
        weights: one for each, with sum 1.
    """
    count = len(rows[0])
    owners = np.concatenate([part.row_of_entry() for part in rows])
    ids = np.concatenate([part.ids.astype(np.int64) for part in rows])
    mass = np.concatenate(
        [
            w * np.exp(part.logprobs.astype(np.float64))
            for part, w in zip(rows, weights, strict=True)
        ]
    )
    width = int(ids.max(initial=0)) + 1
    unique, place = np.unique(owners * width + ids, return_inverse=True)
    summed = np.bincount(place, weights=mass, minlength=len(unique))
    owner, entry = np.divmod(unique, width)
    order = np.lexsort((entry, -summed, owner))
    tail = sum(
        w * np.exp(part.tail.astype(np.float64)) for part, w in zip(rows, weights, strict=True)
    )
    with np.errstate(divide="ignore"):
        return SparseDistributions(
            np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=count)))).astype(np.int64),
            entry[order].astype(np.int32),
            np.log(summed[order]).astype(np.float32),
            np.log(tail).astype(np.float32),
        )
