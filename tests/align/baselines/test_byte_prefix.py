"""The policy ``byte-prefix``: by hand, and against whole texts without an index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings

from align import Projection, Projector, build_vocabulary, ragged
from align.projection import APART, EMPTY, EOS, MID, SAME, UNKNOWN_TOKEN
from align.vocabulary import SPECIAL, UNKNOWN
from tests.reference.byte_prefix import byte_prefix
from tests.reference.projection import ToyTokenizer
from tests.support.strategies import EXAMPLES
from tests.support.strategies_project import SINGLE_BYTES, Case, cases, sparse

TEACHER = (b"", b" $", b"12", b"10", b"1", b".", b" a", b"\n", b"She", b"120")
STUDENT = (b"", b"", b" $12", b" $1", b" $", b"1", b"2", b"12", b".", b" ", b" She", b"S", b"0")
NAMES = {piece: v for v, piece in enumerate(STUDENT)}


def project(
    written: list[int],
    rows: tuple[dict[int, float], ...],
    tokens: list[bytes | int],
    folds: bool = False,
) -> Projection:
    source = build_vocabulary(TEACHER, flags={0: SPECIAL}, eos=0)
    target = build_vocabulary(STUDENT, flags={0: SPECIAL, 1: UNKNOWN}, eos=0, folds=folds)
    ids = [token if isinstance(token, int) else NAMES[token] for token in tokens]
    shard = ragged([written]), sparse(rows), ragged([ids])
    return Projector(source, target, policy="byte-prefix").project(*shard)


def row(projection: Projection, i: int) -> dict[bytes | str, float]:
    part = projection.distributions[i : i + 1]
    mass = np.exp(part.logprobs.astype(np.float64))
    found: dict[bytes | str, float] = {
        STUDENT[v] or "end": float(p) for v, p in zip(part.ids, mass, strict=True)
    }
    return found | {"tail": float(np.exp(part.tail[0]))}


def test_a_candidate_goes_to_the_longest_piece_that_begins_it():
    # "10" and "1" are both "1", and nothing begins "\n" or is unstored
    got = project([5], ({3: 0.2, 4: 0.1, 2: 0.3, 7: 0.15, 0: 0.05, 5: 0.1},), [b"."])
    expected = {b"1": 0.3, b"12": 0.3, b".": 0.1, "end": 0.05, "tail": 0.25}
    assert row(got, 0) == pytest.approx(expected)
    assert got.kind.tolist() == [SAME]


def test_inside_a_token_the_row_is_conditioned_on_what_was_read():
    # after "1": "2" of "12", "0" of "10"; "120" begins with "12" and reaches no further; "1" is
    # read whole, so that what follows is unknown; "." and what is unstored contradict
    got = project([2], ({2: 0.4, 3: 0.2, 9: 0.1, 4: 0.1, 5: 0.1},), [b"1", b"2"])
    assert row(got, 1) == pytest.approx({b"2": 0.5 / 0.8, b"0": 0.2 / 0.8, "tail": 0.1 / 0.8})
    assert got.kind.tolist() == [SAME, MID]
    assert got.inconsistent == pytest.approx([0, 0.2], abs=1e-6)


def test_longer_pieces_get_their_share_of_what_was_written():
    rows = ({1: 0.9, 6: 0.1}, {2: 0.5, 3: 0.25, 9: 0.125}, {5: 1.0})
    got = project([1, 2, 5], rows, [b" $12", b"."])
    # P(" $1") = .9 (.5 + .25 + .125) and P(" $12") = .9 (.5 + .125); " a" is a space to the student
    shares = {b" $": 0.9 * 0.125, b" $1": 0.9 * 0.25, b" $12": 0.9 * 0.625, b" ": 0.1}
    assert row(got, 0) == pytest.approx(shares | {"tail": 0.0}, abs=1e-6)
    # the piece from inside a token on: what contradicts is conditioned away before
    inner = ({3: 0.5, 2: 0.5}, {5: 0.5, 7: 0.5})
    spanning = build_vocabulary((b"", b"1", b"2.", b"2", b"0"), flags={0: SPECIAL}, eos=0)
    source = build_vocabulary(TEACHER, flags={0: SPECIAL}, eos=0)
    shard = ragged([[2, 5]]), sparse(inner), ragged([[1, 2]])
    part = Projector(source, spanning, policy="byte-prefix").project(*shard).distributions[1:2]
    found = dict(zip(part.ids.tolist(), np.exp(part.logprobs).tolist(), strict=True))
    assert found == pytest.approx({4: 0.5, 3: 0.25, 2: 0.25})


def test_ends_meet():
    got = project([5, 0], ({5: 1.0}, {0: 0.7, 5: 0.2}), [b".", 0])
    assert row(got, 1) == pytest.approx({"end": 0.7, b".": 0.2, "tail": 0.1})
    ended = project([5], ({5: 1.0},), [b".", 0])  # the teacher was cut off
    assert ended.kind.tolist() == [SAME, EOS]


def test_whitespace_folds_as_the_student_reads_it():
    # a space before the text is the first token's; "\n" is a space, and " a" after one has none
    rows = ({8: 0.9, 1: 0.1}, {5: 1.0}, {7: 0.8, 6: 0.2}, {8: 0.5, 1: 0.5})
    got = project([8, 5, 7, 8], rows, [b" She", b".", b" She"], folds=True)
    assert row(got, 0) == pytest.approx({b" She": 0.9, b" $": 0.1, "tail": 0.0}, abs=1e-6)
    assert row(got, 2) == pytest.approx({b" She": 0.4, b" ": 0.6, "tail": 0.0}, abs=1e-6)


def test_rows_after_a_difference_are_hard():
    got = project([5, 5, 5], ({5: 1.0},) * 3, [b".", 1, b"."])
    assert got.kind.tolist() == [SAME, UNKNOWN_TOKEN, SAME]  # unknown tokens spell nothing
    got = project([5, 2], ({5: 1.0}, {2: 1.0}), [b".", b"0", b"2"])
    assert got.kind.tolist() == [SAME, SAME, APART]
    assert project([4], ({7: 1.0},), [b"1"]).kind.tolist() == [EMPTY]


# a space that is swallowed spells nothing, and so does the end
SWALLOWED = Case(
    (b"", b"b\n", b"a", b" "),
    ToyTokenizer((*SINGLE_BYTES, b"ab", b" b"), folds=True),
    (1, 1, 3, 1, 0),
    ({0: 1.0}, {1: 1.0}, {0: 1.0}, {1: 1.0}, {0: 1.0}),
)


@given(cases())
@example(SWALLOWED)
@settings(max_examples=EXAMPLES)
def test_rows_follow_the_rule(case: Case):
    target = case.student.vocabulary()
    got = Projector(case.source(), target, policy="byte-prefix").project(*case.shard())
    assert got.distributions.mass() == pytest.approx(1, abs=1e-5)
    for i, written in enumerate(case.tokens):
        entries, tail = byte_prefix(
            case.teacher, case.student, case.written, case.rows, case.tokens, i
        )
        part = got.distributions[i : i + 1]
        found = dict(zip(part.ids.tolist(), np.exp(part.logprobs).tolist(), strict=True))
        if not entries:
            assert found == {written: 1.0}
            continue
        assert found == pytest.approx(entries, abs=1e-5)
        assert np.exp(part.tail[0]) == pytest.approx(tail, abs=1e-5)
