"""Where the policy ``prefix`` must equal the true next-token distribution, by enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from align import Projection, Projector
from tests.reference import projection as oracles
from tests.reference.projection import ToyTokenizer
from tests.support.strategies import EXAMPLES
from tests.support.strategies_project import (
    PREFIX_FREE,
    SINGLE_BYTES,
    WHOLE_WORDS,
    World,
    students,
    worlds,
)

bytewise = worlds(PREFIX_FREE, st.just(ToyTokenizer(SINGLE_BYTES)))
wordwise = worlds(WHOLE_WORDS, students())
any_world = worlds((*PREFIX_FREE, *WHOLE_WORDS, b"a", b"b", b"ab", b"\n"), students(folds=False))


def project(world: World) -> Projection:
    case = world.case()
    return Projector(
        case.source(), case.student.vocabulary(), encode=case.student.encode_batch
    ).project(*case.shard())


def row_of(projection: Projection, i: int) -> tuple[dict[int, float], float]:
    rows = projection.distributions[i : i + 1]
    stored = np.exp(rows.logprobs.astype(np.float64)).tolist()
    return dict(zip(rows.ids.tolist(), stored, strict=True)), math.exp(rows.tail[0])


def distance(one: dict[int, float], other: dict[int, float]) -> float:
    """Total variation."""
    return sum(abs(one.get(v, 0) - other.get(v, 0)) for v in one.keys() | other.keys()) / 2


def check_exact(world: World) -> None:
    got, tokens = project(world), world.case().tokens
    for i in range(len(tokens)):
        true = oracles.exact_next(
            world.teacher, world.student, world.after, world.written, tokens, i, 3
        )
        row, tail = row_of(got, i)
        assert tail == pytest.approx(0, abs=1e-6)
        assert distance(row, true) <= 1e-6


@given(bytewise)
@settings(max_examples=EXAMPLES)
def test_p15_a_bytewise_student_of_a_prefix_free_teacher_gets_the_exact_distribution(world):
    check_exact(world)


@given(wordwise)
@settings(max_examples=EXAMPLES)
def test_p15_any_student_gets_the_exact_distribution_where_every_candidate_ends_its_word(world):
    check_exact(world)


@given(bytewise)
@settings(max_examples=EXAMPLES)
def test_p20_the_path_is_as_likely_on_both_sides(world):
    """P20: the rows' product over the student's tokens is the teacher's over its own."""
    got, case = project(world), world.case()
    student = sum(math.log(row_of(got, i)[0][token]) for i, token in enumerate(case.tokens))
    teacher = sum(math.log(row[v]) for row, v in zip(case.rows, case.written, strict=True))
    assert student == pytest.approx(teacher, abs=1e-4)


@given(any_world)
@settings(max_examples=150)
def test_no_row_is_further_from_the_truth_than_what_it_could_not_settle(world):
    """Open candidates, and what is in the tail, bound the total variation of every row."""
    got, case = project(world), world.case()
    for i in range(len(case.tokens)):
        open_mass = oracles.unsettled(
            case.teacher, case.student, case.written, case.rows, case.tokens, i
        )
        assume(open_mass < 1 - 1e-6)
        true = oracles.exact_next(
            world.teacher, world.student, world.after, world.written, case.tokens, i, 3
        )
        row, tail = row_of(got, i)
        assert distance(row, true) + tail / 2 <= open_mass + 1e-6
