"""What the align stage kept: rows by kind, by class of token, and masses, shard by shard.

    {"rows": 15063, "soft": 14700, "same": 13100, "class number": 3020, "soft number": 2990, ...}

Counts are whole numbers, masses whole millionths, so that those of the shards add up exactly to
those of the store, in whatever order they were written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from align import Projection, Vocabulary
from align.projection import KINDS
from align.vocabulary import SPECIAL, UNKNOWN
from specialize.store import StoreDescription
from specialize.store.sealed import Json

CLASSES = ("number", "word start", "word inside", "punctuation", "non-ASCII", "unknown", "special")
_MASSES = ("kept", "inconsistent", "stored")
_MILLION = 1_000_000


def token_classes(vocabulary: Vocabulary) -> NDArray[np.uint8]:
    """(V,) An index into CLASSES for every id, by what it spells."""
    data, flags = vocabulary.data, vocabulary.flags
    size = np.diff(vocabulary.indptr)
    owner = np.repeat(np.arange(len(vocabulary)), size)
    first, second = (_nth_byte(vocabulary, nth) for nth in (0, 1))
    rules = {  # the first that holds
        "unknown": flags & UNKNOWN != 0,
        "special": flags & SPECIAL != 0,
        "number": _any(owner, (data >= 48) & (data < 58), len(vocabulary)),
        "non-ASCII": _any(owner, data >= 128, len(vocabulary)),
        "word inside": _is_letter(first),
        "word start": _is_letter(second),
    }
    names = [CLASSES.index(name) for name in rules]
    other = CLASSES.index("punctuation")
    return np.select(list(rules.values()), names, other).astype(np.uint8)


def _nth_byte(vocabulary: Vocabulary, nth: int) -> NDArray[np.uint8]:
    """(V,) byte ``nth`` of every piece; 0 where it is shorter."""
    found = np.zeros(len(vocabulary), np.uint8)
    long = np.diff(vocabulary.indptr) > nth
    found[long] = vocabulary.data[vocabulary.indptr[:-1][long] + nth]
    return found


def _any(owner: NDArray[np.int64], marks: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """(count,) whether any of the bytes of each ``owner`` is marked."""
    return np.bincount(owner[marks], minlength=count) > 0


def _is_letter(byte: NDArray[np.uint8]) -> NDArray[np.bool_]:
    lower = byte | 32
    return (lower >= ord("a")) & (lower <= ord("z"))


def row_counts(
    projection: Projection, stored: NDArray[np.floating], classes: NDArray[np.uint8]
) -> Counter[str]:
    """Counts of one shard.

    Args:
        stored: (rows,) what is left of the mass that found a token in the entries that are kept.
        classes: (rows,) of the student's tokens.
    """
    soft = projection.is_soft
    kinds = np.bincount(projection.kind, minlength=len(KINDS)).tolist()
    every, of_soft = (
        np.bincount(each, minlength=len(CLASSES)).tolist() for each in (classes, classes[soft])
    )
    counts = Counter(dict(zip(KINDS, kinds, strict=True)))
    for name, rows, soft_rows in zip(CLASSES, every, of_soft, strict=True):
        counts[f"class {name}"], counts[f"soft {name}"] = rows, soft_rows
    masses = (projection.kept, projection.inconsistent, stored)
    for name, mass in zip(_MASSES, masses, strict=True):
        counts[name] = round(float(mass[soft].sum(dtype=np.float64)) * _MILLION)
    return counts + Counter({"rows": len(projection.kind), "soft": int(soft.sum())})


def summarize(counts: Mapping[str, int], description: StoreDescription) -> dict[str, Json]:
    """Totals over all shards; masses as means over the soft rows, soft shares by class."""
    rows, soft = counts.get("rows", 0), counts.get("soft", 0)
    by_class = {name: counts.get(f"class {name}", 0) for name in CLASSES}
    return {
        "samples": counts.get("samples", 0),
        "left_out": counts.get("left out", 0),
        "positions": rows,
        "bytes_per_position": description.bytes_per_position,
        "soft_share": soft / rows if rows else 0.0,
        **{f"rows_{name}": counts.get(name, 0) for name in KINDS},
        **{
            f"mean_{name}": counts.get(name, 0) / _MILLION / soft if soft else 0.0
            for name in _MASSES
        },
        "by_class": {
            name: {"rows": count, "soft_share": counts.get(f"soft {name}", 0) / count}
            for name, count in by_class.items()
            if count
        },
    }
