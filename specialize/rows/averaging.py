"""Distributions of several teachers over one text, averaged position by position.

Teachers with different tokenizers are in one currency once they are projected: rows over the
student's vocabulary. Two rows with shares 3/4 and 1/4::

    {"12": .6, "10": .4}, tail 0      {"12": .9}, tail .1
    -> {"12": .675, "10": .3}, tail .025

An entry that one teacher did not store counts as 0 there and stays in that teacher's tail, so that
every row keeps mass 1 and every stored entry is a lower bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from align.sparse import SparseDistributions
from specialize.rows.targets import Target

_Targets = tuple[list[Target], Counter[str]]


def average_targets(found: Mapping[str, _Targets], shares: Mapping[str, float]) -> _Targets:
    """The targets that every teacher has, with averaged rows; the others are counted as lost.

    Two targets are the same if example, sample and token ids are.

    Args:
        found: targets of each teacher, and what it lost.
        shares: of each teacher; they are divided by their sum.
    """
    names = list(shares)
    lost: Counter[str] = Counter()
    for name in names:
        lost.update({f"{name}_{reason}": count for reason, count in found[name][1].items()})
    others = [{_key(t): t for t in found[name][0]} for name in names[1:]]
    total = sum(shares.values())
    weights = [shares[name] / total for name in names]
    averaged = []
    for target in found[names[0]][0]:
        matching = [targets.get(_key(target)) for targets in others]
        if any(match is None for match in matching):
            lost["not_of_every_teacher"] += 1
            continue
        rows = [target.distributions, *(match.distributions for match in matching if match)]
        averaged.append(replace(target, distributions=average_rows(rows, weights)))
    return averaged, lost


def _key(target: Target) -> tuple[str, int, bytes]:
    return target.example.id, target.sample, np.asarray(target.ids, np.int32).tobytes()


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
