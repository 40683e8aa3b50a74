"""What the kernels of the policy ``prefix`` read and write, as one value each.

A shard is a set of samples with everything that was found out about their tokens. Kernels take it
apart once and hand flat values on: a nested one costs more to pass than a row to write.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.prefix.continuations import Seen
from align.prefix.retokenize import Resolved
from align.vocabulary import PrefixIndex

UNASKED = -2  # instead of a place: the target's tokenizer was not asked about the entry


class Sums(NamedTuple):
    """Masses of each teacher row (n,): of the ``written`` token, of those that begin a new word
    (``begun``), of the end of sequence (``ended``), of what spells nothing (``silent``), and the
    ``rest`` that is not stored."""

    written: NDArray[np.float32]
    begun: NDArray[np.float32]
    ended: NDArray[np.float32]
    silent: NDArray[np.float32]
    rest: NDArray[np.float32]


class Rows(NamedTuple):
    """The teacher's rows: row r has the entries ``ptr[r]:ptr[r + 1]`` of ``ids`` with ``prob``, and
    ``node`` and ``role`` of ``words.Walk``; what it does not store has ``rest`` (n,)."""

    ptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    prob: NDArray[np.float32]
    rest: NDArray[np.float32]
    node: NDArray[np.int32]
    role: NDArray[np.uint8]


class Slots(NamedTuple):
    """The rows of one sample, proper distributions, by what their entries would do.

    Row r has the slots ``ptr[r]:ptr[r + 1]``. They hold, but for the written token and what spells
    nothing, first the *kin*, which continue the word before, up to ``middle[r]``, and from
    ``low[r]`` on those that begin a new word: their ``ids``, ``mass`` and ``node``, ``first``, the
    first target token of the node or -1, and ``seen``, its place in ``continuations.Seen``, -1 or
    UNASKED. ``met`` (marks,) tells in which row an id with this mark was last listed.
    """

    ids: NDArray[np.int32]
    mass: NDArray[np.float32]
    node: NDArray[np.int32]
    first: NDArray[np.int32]
    seen: NDArray[np.int32]
    ptr: NDArray[np.int64]
    middle: NDArray[np.int64]
    low: NDArray[np.int64]
    sums: Sums
    met: NDArray[np.int32]


class Path(NamedTuple):
    """What the source wrote: (n,) each.

    ``ids``; ``state``, the node of the word before; ``inks``, whether that is more than whitespace;
    ``begins``, whether the token begins a word; ``cut``, where in its bytes another one begins (0:
    nowhere); ``anchor`` and ``own``, the target tokens, counted within the sample, with which the
    word before and the token itself begin.
    """

    ids: NDArray[np.int32]
    state: NDArray[np.int32]
    inks: NDArray[np.bool_]
    begins: NDArray[np.bool_]
    cut: NDArray[np.int32]
    anchor: NDArray[np.int32]
    own: NDArray[np.int32]


class Target(NamedTuple):
    """The target's tokens: ``ids`` (m,), their places ``token`` and ``offset`` (m,) as of
    ``places.Places``, and the ``flags`` (V,) of all ids."""

    ids: NDArray[np.int32]
    token: NDArray[np.int32]
    offset: NDArray[np.int32]
    flags: NDArray[np.uint8]


class Alike(NamedTuple):
    """``counts`` (bytes,) of ``vocabulary.count_prefixes`` of the source, and how many of its
    ``pieces`` spell anything."""

    counts: NDArray[np.int32]
    pieces: int


class Ends(NamedTuple):
    """``source`` and ``target`` end of sequence, -1 for none; ``fold``: the target's; ``asked``:
    whether the target's tokenizer was."""

    source: int
    target: int
    fold: bool
    asked: bool


class Shard(NamedTuple):
    """All that the kernels read.

    ``source_ptr`` and ``target_ptr`` (samples + 1,) bound the samples; ``same`` (samples,) marks
    those of which both sides hold the same ids of one vocabulary. ``pieces`` are the target's.
    """

    source_ptr: NDArray[np.int64]
    target_ptr: NDArray[np.int64]
    same: NDArray[np.bool_]
    rows: Rows
    path: Path
    target: Target
    resolved: Resolved
    seen: Seen
    ends: Ends
    side: Side
    alike: Alike
    pieces: PrefixIndex


class Lines(NamedTuple):
    """What is written for each target row (m,), its entries apart: how many it has, the mass of the
    tail, of all that found a token (``kept``, entries that were left out too) and of what
    contradicted the row, and its kind."""

    size: NDArray[np.int64]
    tail: NDArray[np.float32]
    kept: NDArray[np.float32]
    wrong: NDArray[np.float32]
    kind: NDArray[np.uint8]
