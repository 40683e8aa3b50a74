"""The second oracle: by hand, and against the first wherever that settles the mass."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from exact_conversion import Conversion, Stream, Student, Teacher, as_ids, convert
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from align import build_vocabulary
from align.vocabulary import SPECIAL
from specialize.pairs.ngrams import Distribution
from specialize.pairs.oracle import Pieces, continuations, positions, text_of, truth

LETTERS = (b"a", b"b", b" ")


def student_of(pairs: Sequence[tuple[bytes, bytes]]) -> Student:
    """A BPE over three letters whose texts are split before every space; ids from 1 on."""
    pieces = dict.fromkeys([*LETTERS, *(a + b for a, b in pairs)])
    merges = {pair: rank for rank, pair in reversed([*enumerate(pairs)])}

    def split(text: bytes) -> list[int]:
        return [match.start() for match in re.finditer(rb" ?[^ ]+| ", text)]

    return Student(merges, {piece: v for v, piece in enumerate(pieces, 1)}, split)


def teacher_of(rows: dict[bytes, dict[bytes, float]]) -> tuple[Teacher, list[bytes]]:
    """A bigram model: of each piece, and of b"" at the start, what follows; b"" is the end too."""
    pieces = [b"", *sorted(rows.keys() - {b""})]
    after = {}
    for piece, row in rows.items():
        order = sorted(row, key=lambda other: -row[other])
        ids, mass = [pieces.index(other) for other in order], [row[other] for other in order]
        after[pieces.index(piece)] = np.array(ids, np.int32), np.array(mass)

    def follow(tokens: Sequence[int]) -> Distribution:
        return after[tokens[-1] if tokens else 0]

    return Teacher(build_vocabulary(pieces, flags={0: SPECIAL}, eos=0), follow), pieces


IID = {b"a": 0.3, b"ab": 0.2, b"b": 0.1, b" ": 0.3, b"": 0.1}
SAME = dict.fromkeys(IID, IID)


@pytest.mark.parametrize(
    ("pairs", "read", "expected"),
    [
        # "ab" is one token or "a" and "b..."; "a" is what is left of .5
        ([(b"a", b"b")], b"", {b"a": 0.27, b"ab": 0.23, b"b": 0.1, b" ": 0.3, None: 0.1}),
        # a run is joined from its left: after "aa" a third "a" is alone unless a fourth follows
        ([(b"a", b"a")], b"aa", {b"a": 0.5 * 0.5, b"aa": 0.25 * 0.5 / 0.5}),
        # "bb" is joined first, so that after "a" a "b" is alone or else takes the next
        ([(b"b", b"b"), (b"a", b"b")], b"", {b"ab": 0.207, b"a": 0.293}),
    ],
)
def test_by_hand(pairs: list[tuple[bytes, bytes]], read: bytes, expected: dict) -> None:
    rows = SAME if len(pairs) != 1 or pairs[0] != (b"a", b"a") else A_AND_END
    teacher, _ = teacher_of(rows)
    conversion = Conversion(student_of(pairs), Stream(teacher, (), b""), least=0.0)
    found = conversion.next_token(b"", read)
    assert {piece: found[piece] for piece in expected} == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(1)


A_AND_END = {piece: {b"a": 0.5, b"": 0.5} for piece in (b"", b"a")}


@st.composite
def students(draw: st.DrawFn) -> Student:
    """Merges of pieces that are there already, no space inside."""
    pieces, pairs = [b"a", b"b", b" "], []
    for _ in range(draw(st.integers(0, 6))):
        right = draw(st.sampled_from([piece for piece in pieces if piece[:1] != b" "]))
        pair = draw(st.sampled_from(pieces)), right
        if b"".join(pair) not in pieces:
            pairs.append(pair)
            pieces.append(b"".join(pair))
    return student_of(pairs)


@st.composite
def teachers(draw: st.DrawFn) -> tuple[Teacher, list[bytes]]:
    """Bigram models whose words soon end."""
    longer = draw(
        st.lists(st.sampled_from((b"ab", b" a", b"ba", b" b", b"aa", b" ab")), max_size=3)
    )
    rows = {}
    for piece in (b"", *LETTERS, *longer):
        weights = {other: draw(st.integers(0, 3)) for other in (*LETTERS, *longer)}
        weights |= {b" ": 12, b"": 9}
        total = sum(weights.values())
        rows[piece] = {other: weight / total for other, weight in weights.items() if weight}
    return teacher_of(rows)


@given(students(), teachers(), st.data())
@settings(max_examples=15)
def test_both_oracles_agree(
    student: Student, model: tuple[Teacher, list[bytes]], data: st.DataObject
) -> None:
    teacher, pieces = model
    written = data.draw(st.lists(st.sampled_from(range(1, len(pieces))), min_size=1, max_size=4))
    text = b"".join(pieces[token] for token in written)
    assume(b"  " not in text)  # where the first oracle counts one byte
    tokens = student.encode(text, student.end)
    ids = [student.ids[token] for token in tokens]
    found = positions([pieces[token] for token in written], tokens, written, ids)
    places = [place for place in found if place is not None]
    assume(places)
    place = data.draw(st.sampled_from(places))
    mass, lost = convert(student, teacher, place, least=1e-6)
    second = as_ids(student, mass, 0)
    follows, left = continuations(teacher.after, Pieces.of(pieces), 0, place)
    texts = {text_of(place, one) for one in follows}
    answers = {one: [student.ids[v] for v in student.encode(one, student.end)] for one in texts}
    first, total = truth(place, follows, answers, 0)
    assume(total > 0)
    apart = sum(abs(first.get(v, 0) - second.get(v, 0)) for v in first.keys() | second.keys()) / 2
    assert apart <= left / (total + left) + lost + 1e-6
    if place.read:  # the parts of what was read are all of it
        stream = Stream(teacher, place.before, place.word[: len(place.word) - len(place.emitted)])
        conversion = Conversion(student, stream, least=1e-6)
        whole = conversion.begins(place.word, student.encode(place.word, student.end), student.end)
        assert conversion.next_token(b"", place.word)
        assert whole == pytest.approx(conversion.total, abs=1e-4)
