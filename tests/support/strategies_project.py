"""Toy teachers and students for the tests of projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from align import Ragged, SparseDistributions, Vocabulary, build_vocabulary, ragged
from align.vocabulary import SPECIAL
from tests.reference.projection import ToyTokenizer

TEACHER_PIECES = (
    *(b"a", b"b", b"ab", b"ba", b"abb", b"bab", b" ", b"\n", b" a", b" b", b" ab", b"  b"),
    *(b"\na", b"a b", b"b\n", b"\n\n", b"a ", b" b a"),
)
STUDENT_PIECES = (b"ab", b"bb", b"aab", b"abb", b" a", b" b", b" ab", b" ba", b"\na", b"  ")
SINGLE_BYTES = (b"a", b"b", b" ", b"\n")

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One sample: the teacher's tokens and rows, the student's tokens; both end with 0."""

    teacher: tuple[bytes, ...]
    student: ToyTokenizer
    written: tuple[int, ...]
    rows: tuple[Mapping[int, float], ...]

    @property
    def tokens(self) -> list[int]:
        text = b"".join(self.teacher[token] for token in self.written)
        return [*self.student.encode(text), 0]

    def source(self) -> Vocabulary:
        return build_vocabulary(self.teacher, flags={0: SPECIAL}, eos=0)

    def shard(self) -> tuple[Ragged, SparseDistributions, Ragged]:
        return ragged([self.written]), sparse(self.rows), ragged([self.tokens])


def sparse(rows: tuple[Mapping[int, float], ...]) -> SparseDistributions:
    """Rows of probabilities; what they lack of 1 is the tail."""
    indptr = np.cumsum([0] + [len(row) for row in rows]).astype(np.int64)
    ids = np.array([v for row in rows for v in row], np.int32)
    with np.errstate(divide="ignore"):
        logprobs = np.log(np.array([p for row in rows for p in row.values()], np.float64))
        rest = np.array([1 - sum(row.values()) for row in rows], np.float64)
        tail = np.log(np.where(rest > 1e-9, rest, 0.0))
    return SparseDistributions(indptr, ids, logprobs.astype(np.float32), tail.astype(np.float32))


@lru_cache
def students(*, folds: bool | None = None) -> st.SearchStrategy[ToyTokenizer]:
    """Students that can spell everything, with some longer pieces."""
    longer = st.lists(st.sampled_from(STUDENT_PIECES), unique=True, max_size=6)
    folding = st.booleans() if folds is None else st.just(folds)
    return st.builds(lambda more, f: ToyTokenizer((*SINGLE_BYTES, *more), f), longer, folding)


@lru_cache
def rows_over(size: int, *, complete: bool = False) -> st.SearchStrategy[Mapping[int, float]]:
    """Rows over ``size`` ids; ``complete`` ones store everything."""
    weights = st.lists(st.integers(0, 9), min_size=size, max_size=size)
    return st.builds(_row, weights, st.just(0) if complete else st.integers(0, 9))


def _row(weights: Sequence[int], tail: int) -> Mapping[int, float]:
    total = sum(weights) + tail
    if total == 0:
        return {0: 1.0}
    stored = {v: w / total for v, w in enumerate(weights) if w}
    return stored if stored else {0: 1e-3}


@lru_cache
def some_of(
    values: tuple[T, ...], *, least: int, most: int, distinct: bool = True
) -> st.SearchStrategy[list[T]]:
    """Lists of ``values``. A strategy is made once, which takes longer than to draw from it."""
    return st.lists(st.sampled_from(values), unique=distinct, min_size=least, max_size=most)


@st.composite
def cases(draw: st.DrawFn, *, folds: bool | None = None) -> Case:
    """Any teacher, any student, any rows.

    Whitespace that leads the text is left out for folding students: whether they have read it is a
    matter of taste.
    """
    student = draw(students(folds=folds))
    teacher = (b"", *draw(some_of(TEACHER_PIECES, least=1, most=7)))
    ids = tuple(range(1, len(teacher)))
    first = tuple(v for v in ids if not (student.folds and teacher[v][:1].isspace()))
    assume(first)
    written = [
        *draw(some_of(first, least=1, most=1)),
        *draw(some_of(ids, least=0, most=5, distinct=False)),
        0,
    ]
    rows = tuple(draw(rows_over(len(teacher))) for _ in written)
    return Case(teacher, student, tuple(written), rows)


@dataclass(frozen=True)
class World:
    """A teacher that is a bigram model, what it wrote, and a student; everything is stored."""

    teacher: tuple[bytes, ...]
    after: Mapping[int, Mapping[int, float]]
    student: ToyTokenizer
    written: tuple[int, ...]

    def case(self) -> Case:
        last = (0, *self.written[:-1])
        rows = tuple(dict(self.after[token]) for token in last)
        return Case(self.teacher, self.student, self.written, rows)


@st.composite
def worlds(
    draw: st.DrawFn, pieces: tuple[bytes, ...], student: st.SearchStrategy[ToyTokenizer]
) -> World:
    """A teacher over some of ``pieces``, and a text that it can write."""
    teacher = (b"", *draw(some_of(pieces, least=2, most=5)))
    after = {v: draw(rows_over(len(teacher), complete=True)) for v in range(len(teacher))}
    written: list[int] = []
    while len(written) < 5 and (not written or written[-1] != 0):
        possible = tuple(sorted(after[written[-1] if written else 0]))
        written += draw(some_of(possible, least=1, most=1))
    if written[-1] != 0:  # every token can be the last one
        last = written[-1]
        after[last] = {v: p / 2 for v, p in after[last].items() if v} | {0: 0.0}
        after[last][0] = 1 - sum(after[last].values())
        written.append(0)
    return World(teacher, after, draw(student), tuple(written))


# No piece is the start of another, so that a text has one tokenization and every prefix of it
# tells which tokens may be next.
PREFIX_FREE = (b"aa", b"aba", b"abb", b"ba", b"bb ", b" a", b" bb", b"  ")
# Every piece ends its word and none begins like another word, so that nothing the teacher writes
# later changes what comes next.
WHOLE_WORDS = (b"aa ", b"aba ", b"abb ", b"baa ", b"bab ", b"bb\n")
