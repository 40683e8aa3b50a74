"""The policy ``prefix`` against its slow counterpart, and what must hold of every row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from align import Projection, Projector, concatenate, ragged
from align.projection import EMPTY, MID, SAME, UNKNOWN_TOKEN
from tests.reference import projection as oracles
from tests.support.strategies import EXAMPLES
from tests.support.strategies_project import WHOLE_WORDS, Case, cases, sparse, students, worlds


def projector(case: Case, *, threads: int = 1) -> Projector:
    return Projector(
        case.source(), case.student.vocabulary(), encode=case.student.encode_batch, threads=threads
    )


def entries(projection: Projection, row: int) -> dict[int, float]:
    """The stored part of a row."""
    rows = projection.distributions[row : row + 1]
    return dict(zip(rows.ids.tolist(), np.exp(rows.logprobs.astype(np.float64)), strict=True))


@given(cases())
@settings(max_examples=EXAMPLES)
def test_every_row_follows_the_rule(case):
    got = projector(case).project(*case.shard())
    for i in range(len(case.tokens)):
        found, tail, wrong = oracles.spread(
            case.teacher, case.student, case.written, case.rows, case.tokens, i
        )
        found = {token: mass for token, mass in found.items() if mass > 0}
        if not found:
            assert got.kind[i] == EMPTY
            assert entries(got, i) == {case.tokens[i]: 1.0}
            continue
        assert got.kind[i] in (SAME, MID)
        total = sum(found.values()) + tail
        assert entries(got, i) == pytest.approx({k: v / total for k, v in found.items()}, abs=2e-6)
        assert np.exp(got.distributions.tail[i]) == pytest.approx(tail / total, abs=2e-6)
        assert got.inconsistent[i] == pytest.approx(wrong, abs=2e-6)


@given(st.lists(cases(folds=True), min_size=1, max_size=3), st.booleans())
@settings(max_examples=EXAMPLES)
def test_p13_rows_are_distributions_over_plain_ids(batch, in_context):
    """P13, and a text with another student's tokens does no harm."""
    case = batch[0]
    encode = case.student.encode_batch if in_context else None
    for other in batch:
        got = Projector(case.source(), case.student.vocabulary(), encode=encode).project(
            ragged([case.written]), sparse(case.rows), ragged([tokens_in(case, other)])
        )
        assert got.distributions.mass() == pytest.approx(1, abs=1e-6)
        for i, token in enumerate(tokens_in(case, other)):
            row = got.distributions[i : i + 1].ids.tolist()
            assert len(set(row)) == len(row) > 0
            assert row == [token] if got.kind[i] >= UNKNOWN_TOKEN else 1 not in row
            assert 0 <= got.inconsistent[i] <= 1 + 1e-6


def tokens_in(case: Case, other: Case) -> list[int]:
    """The text of ``other``, as the student of ``case`` reads it."""
    text = b"".join(other.teacher[token] for token in other.written)
    return [*case.student.encode(text), 0]


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=EXAMPLES)
def test_p14_order_and_repetition_of_stored_entries_do_not_matter(case, random):
    """P14."""
    shuffled = []
    for row in case.rows:
        items = list(row.items())
        random.shuffle(items)
        shuffled.append(dict(items))
    source, rows, target = case.shard()
    one = projector(case).project(source, rows, target)
    other = projector(case).project(source, sparse(tuple(shuffled)), target)
    for i in range(len(case.tokens)):
        assert entries(one, i) == pytest.approx(entries(other, i), abs=1e-6)
    assert one.distributions.tail == pytest.approx(other.distributions.tail, abs=1e-5)


@given(st.lists(cases(), min_size=4, max_size=6))
@settings(max_examples=EXAMPLES // 5)
def test_p18_neither_threads_nor_other_samples_matter(batch):
    """P18: a shard's rows are those of its samples alone, bit for bit."""
    first = batch[0]
    like = [case for case in batch if case.teacher == first.teacher]
    like = [Case(first.teacher, first.student, case.written, case.rows) for case in like]
    assume(all(not (first.student.folds and c.teacher[c.written[0]][:1].isspace()) for c in like))
    apart = [projector(case).project(*case.shard()) for case in like] * 4
    like *= 4  # so that threads share the work
    whole = projector(first, threads=3).project(
        ragged([case.written for case in like]),
        concatenate([sparse(case.rows) for case in like]),
        ragged([case.tokens for case in like]),
    )
    expected = concatenate([part.distributions for part in apart])
    assert np.array_equal(whole.distributions.indptr, expected.indptr)
    assert np.array_equal(whole.distributions.ids, expected.ids)
    assert np.array_equal(whole.distributions.logprobs, expected.logprobs)
    assert np.array_equal(whole.distributions.tail, expected.tail)
    assert np.array_equal(whole.kind, np.concatenate([part.kind for part in apart]))


@given(worlds(WHOLE_WORDS, students()))
@settings(max_examples=EXAMPLES)
def test_p15_storing_more_keeps_more(world):
    """P15, for rows that begin with a source token, where no candidate leaves the next token open.

    It does not hold elsewhere: a candidate that just spells what was already read, stored, makes
    known that its mass says nothing about the next token; and inside a source token the unstored
    mass is split by a count of the unstored ids, which changes as more are stored.
    """
    case = world.case()
    rule, kept = projector(case), np.zeros(len(case.tokens))
    for k in range(1, len(case.teacher) + 1):
        rows = tuple(dict(sorted(row.items(), key=lambda e: -e[1])[:k]) for row in case.rows)
        got = rule.project(ragged([case.written]), sparse(rows), ragged([case.tokens]))
        now = np.where(got.kind == SAME, got.kept, 0)
        assert (now[got.kind == SAME] >= kept[got.kind == SAME] - 1e-6).all()
        kept = now


@given(cases())
@settings(max_examples=EXAMPLES)
def test_p04_one_vocabulary_gives_the_teachers_rows_unchanged(case):
    """P4, also for a sample whose neighbour is tokenized another way."""
    vocabulary, rows = case.source(), sparse(case.rows)
    alone = Projector(vocabulary, vocabulary).project(
        ragged([case.written]), rows, ragged([case.written])
    )
    assert np.array_equal(alone.distributions.ids, rows.ids)
    assert np.array_equal(alone.distributions.logprobs, rows.logprobs)
    assert np.array_equal(alone.distributions.tail, rows.tail)
    both = Projector(vocabulary, vocabulary).project(
        ragged([case.written, case.written]),
        concatenate([rows, rows]),
        ragged([case.written, case.written[:-1]]),
    )
    for i in range(len(case.written)):
        assert entries(both, i) == pytest.approx(entries(alone, i), abs=1e-6)
    assert (both.kind[: len(case.written)] == SAME).all()
