"""Hand-made cases of the policy ``prefix``, and what the projector refuses."""

from __future__ import annotations

import numpy as np
import pytest

from align import Projection, Projector, SparseDistributions, build_vocabulary, one_hot, ragged
from align.projection import KINDS, MID, SAME
from align.vocabulary import SPECIAL
from tests.reference.projection import ToyTokenizer
from tests.support.strategies_project import sparse

STUDENT = ToyTokenizer(
    (
        *(b" She", b" earn", b" earns", b" $", b" $1", b" $12", b" $10", b"2", b"0", b"s", b"."),
        *(b" (", b"(", b")", b" a", b" day", b" ", b" He", b"ing", b"1", b"5"),
    ),
    folds=True,
)
TEACHER = (
    *(b"", b"She", b" She", b" earn", b" earns", b"s", b" $", b"12", b"10", b".", b"\n", b" a"),
    *(b" day", b" (", b"(", b"ing", b"He", b"1", b"\xe2\x82", b"\xac", b"{", b" ", b"<mask>"),
)
SOURCE = build_vocabulary(TEACHER, flags={0: SPECIAL, 22: SPECIAL}, eos=0)


def rows_of(*rows: dict[bytes, float]) -> SparseDistributions:
    """Rows over the teacher's pieces; the end of sequence is ``b""``."""
    return sparse(tuple({TEACHER.index(piece): p for piece, p in row.items()} for row in rows))


def projector(*, in_context: bool = True) -> Projector:
    encode = STUDENT.encode_batch if in_context else None
    return Projector(SOURCE, STUDENT.vocabulary(), encode=encode)


def project(
    written: list[bytes], rows: SparseDistributions, *, in_context: bool = True
) -> tuple[list[str], list[dict[bytes | None, float]]]:
    """Kinds, and rows as {piece: probability}; the tail is under ``None``."""
    tokens = [*STUDENT.encode(b"".join(written)), 0]
    source = ragged([[TEACHER.index(piece) for piece in written]])
    got = projector(in_context=in_context).project(source, rows, ragged([tokens]))
    found: list[dict[bytes | None, float]] = []
    for i in range(len(tokens)):
        row = got.distributions[i : i + 1]
        pieces: list[bytes | None] = [STUDENT.pieces[token] for token in row.ids]
        probabilities = np.exp(row.logprobs.astype(np.float64)).tolist()
        found.append(dict(zip(pieces, probabilities, strict=True)))
        if not np.isneginf(row.tail[0]):
            found[-1][None] = float(np.exp(row.tail[0]))
    return [KINDS[kind] for kind in got.kind], found


def test_a_number_inside_a_longer_piece_gets_the_product_along_the_path():
    kinds, rows = project(
        [b" $", b"12", b""],
        rows_of({b" $": 0.9, b" a": 0.1}, {b"12": 0.7, b"10": 0.2}, {b"": 1.0}),
    )
    assert kinds == ["same", "same"]
    # .9 x .7 and .9 x .2; what the second row did not store goes where " $" alone would
    assert rows[0] == pytest.approx({b" $12": 0.63, b" $10": 0.18, b" a": 0.1, b" $": 0.09})
    assert rows[1] == {b"": 1.0}


def test_a_newline_before_a_word_belongs_to_the_word():
    kinds, rows = project(
        [b"She", b".", b"\n", b"She", b""],
        rows_of(
            {b"She": 1.0},
            {b".": 1.0},
            {b"\n": 0.8, b" She": 0.1, b"": 0.1},
            {b"She": 0.75, b"He": 0.25},
            {b"": 1.0},
        ),
    )
    assert kinds == ["same"] * 4
    assert rows[2] == pytest.approx({b" She": 0.7, b" He": 0.2, b"": 0.1})


def test_a_newline_that_was_not_written_says_nothing_about_the_next_word():
    _, rows = project(
        [b"She", b" a", b""], rows_of({b"She": 1.0}, {b" a": 0.6, b"\n": 0.4}, {b"": 1.0})
    )
    assert rows[1] == pytest.approx({b" a": 0.6, None: 0.4})


def test_brackets_with_and_without_a_space():
    _, rows = project([b" (", b""], rows_of({b" (": 0.5, b"(": 0.2, b" $": 0.3}, {b"": 1.0}))
    assert rows[0] == pytest.approx({b" (": 0.7, b" $": 0.3})  # one token at the start of a text
    _, rows = project(
        [b"She", b" (", b""], rows_of({b"She": 1.0}, {b" (": 0.5, b"(": 0.2, b".": 0.3}, {b"": 1.0})
    )
    assert rows[1] == pytest.approx({b" (": 0.5, b"(": 0.2, b".": 0.3})


def test_a_candidate_that_would_have_changed_the_tokens_before_it_can_not_follow():
    """The student read " earn"; had "s" come next, it would have read " earns"."""
    _, rows = project(
        [b"She", b" earn", b" a", b""],
        rows_of({b"She": 1.0}, {b" earn": 1.0}, {b" a": 0.6, b"s": 0.3, b"ing": 0.1}, {b"": 1.0}),
    )
    assert rows[1] == pytest.approx({b" earn": 0.7, b" earns": 0.3})
    assert rows[2] == pytest.approx({b" a": 6 / 7, b"ing": 1 / 7})


@pytest.fixture
def halves():
    """A student that splits what the teacher writes as one token."""
    student = ToyTokenizer((b" earn", b"s", b"ing", b" a"), folds=True)
    source = build_vocabulary((b"", b" earns", b" earning", b" a", b" "), flags={0: 8}, eos=0)
    return Projector(source, student.vocabulary(), encode=student.encode_batch)


def test_inside_a_teacher_token_only_what_begins_with_the_read_bytes_counts(halves):
    rows = sparse(({1: 0.6, 2: 0.2, 3: 0.2}, {0: 1.0}))
    got = halves.project(ragged([[1, 0]]), rows, ragged([[2, 3, 0]]))
    assert got.kind.tolist() == [SAME, MID, SAME]
    row = got.distributions[1:2]
    assert row.ids.tolist() == [3, 4]  # "s", "ing"
    assert np.exp(row.logprobs) == pytest.approx([0.75, 0.25])
    assert got.inconsistent.tolist() == pytest.approx([0, 0.2, 0])
    assert got.kept.tolist() == pytest.approx([1, 1, 1])


def test_unstored_mass_inside_a_teacher_token_is_shared_out_by_the_vocabulary(halves):
    """Of 4 spelling ids 2 are stored; 1 of the 2 others begins with " earn"."""
    rows = sparse(({1: 0.4, 3: 0.2}, {0: 1.0}))
    got = halves.project(ragged([[1, 0]]), rows, ragged([[2, 3, 0]]))
    assert np.exp(got.distributions.tail[1]) == pytest.approx(0.2 / 0.6)
    assert got.inconsistent[1] == pytest.approx(0.2 + 0.2)


def test_the_end_of_sequence_is_carried_over_or_hard():
    rows = rows_of({b"She": 1.0}, {b"": 0.6, b" a": 0.3})
    assert project([b"She", b""], rows)[1][1] == pytest.approx({b"": 0.6, b" a": 0.3, None: 0.1})
    kinds, found = project([b"She"], rows[:1])
    assert kinds == ["same", "eos"]
    assert found[1] == {b"": 1.0}


def test_the_end_after_dropped_whitespace_follows_the_whitespace():
    kinds, found = project(
        [b"She", b"\n", b""], rows_of({b"She": 1.0}, {b"\n": 0.6, b"": 0.4}, {b"": 0.5, b"He": 0.5})
    )
    assert kinds == ["same", "same"]
    assert found[1] == pytest.approx({b"": 0.7, b" He": 0.3})


def test_what_the_student_can_not_say_is_tail():
    _, rows = project(
        [b"She", b" a", b""],
        rows_of({b"She": 1.0}, {b" a": 0.5, b"{": 0.3, b"<mask>": 0.2}, {b"": 1.0}),
    )
    assert rows[1] == pytest.approx({b" a": 0.5, None: 0.5})


def test_half_a_character_is_tail():
    _, rows = project(
        [b"She", b" a", b""], rows_of({b"She": 1.0}, {b" a": 0.5, b"\xe2\x82": 0.5}, {b"": 1.0})
    )
    assert rows[1] == pytest.approx({b" a": 0.5, None: 0.5})


def test_an_unknown_token_is_hard():
    kinds, rows = project(
        [b"She", b"{", b""], rows_of({b"She": 1.0}, {b"{": 0.5, b".": 0.5}, {b"": 1.0})
    )
    assert kinds == ["same", "unknown", "same"]
    assert STUDENT.encode(b"She{")[1] == 1
    assert rows[1] == {b"": 1.0}


def test_an_unknown_token_inside_a_candidates_word_is_tail():
    """The student reads "a{" as "a" and an unknown token, which no row may hold."""
    kinds, rows = project(
        [b"She", b" a", b"12", b""],
        rows_of({b"She": 1.0}, {b" a": 1.0}, {b"12": 0.5, b"{": 0.5}, {b"": 1.0}),
    )
    assert STUDENT.encode(b" a{")[-1] == 1
    assert kinds[2] == "same"
    assert rows[2] == pytest.approx({b"1": 0.5, None: 0.5})


def test_a_row_with_nothing_that_can_follow_is_hard():
    kinds, rows = project([b"She", b" a", b""], rows_of({b"She": 1.0}, {b"\n": 1.0}, {b"": 1.0}))
    assert kinds == ["same", "empty", "same"]
    assert rows[1] == {b" a": 1.0}


def test_differing_texts_are_hard_after_the_first_token_of_a_block():
    source = ragged([[TEACHER.index(piece) for piece in (b"She", b"12", b"")]])
    tokens = ragged([[STUDENT.pieces.index(piece) for piece in (b" She", b"5", b"0", b" a")] + [0]])
    got = projector().project(source, rows_of({b"She": 1.0}, {b"12": 1.0}, {b"": 1.0}), tokens)
    assert [KINDS[kind] for kind in got.kind][2:4] == ["apart", "apart"]
    assert got.distributions.mass() == pytest.approx(1)


def test_rows_wider_than_the_room_made_for_them():
    pieces = (b" She", b" earn", b" earns", b" $", b" a", b" day", b" (", b"s", b"1", b".", b"ing")
    wide = dict.fromkeys(pieces, 1 / len(pieces))
    written = [b"She", *([b" a"] * 20), b""]
    kinds, rows = project(written, rows_of({b"She": 1.0}, *([wide] * 20), {b"": 1.0}))
    assert kinds == ["same"] * 22
    assert rows[1:-1] == [pytest.approx(wide)] * 20


def test_a_listed_id_counts_once():
    doubled = SparseDistributions(
        np.array([0, 3]),
        np.array([1, 1, 16], np.int32),
        np.log(np.array([0.5, 0.5, 0.25], np.float32)),
        np.log(np.array([0.25], np.float32)),
    )
    got = projector().project(ragged([[1]]), doubled, ragged([[2]]))
    assert np.exp(got.distributions.logprobs) == pytest.approx([0.5, 0.25])


def test_without_a_tokenizer_the_longest_piece_decides():
    _, rows = project(
        [b" $", b"12", b""],
        rows_of({b" $": 0.9, b"10": 0.1}, {b"12": 0.7, b"10": 0.2}, {b"": 1.0}),
        in_context=False,
    )
    # "10" with the student's own space is " " by its bytes
    assert rows[0] == pytest.approx({b" $12": 0.63, b" $10": 0.18, b" ": 0.1, b" $": 0.09})


def test_a_tokenizer_that_puts_a_space_in_front_is_asked_without_it():
    """Like Llama's: it does not fold, and "She" becomes " She"."""
    student = ToyTokenizer((b" She", b" a", b" ", b"\n", b"a", b"S", b"h", b"e"))

    def encode(texts):
        return student.encode_batch([" " + text for text in texts])

    got = Projector(SOURCE, student.vocabulary(), encode=encode).project(
        ragged([[TEACHER.index(b"She"), 0]]),
        rows_of({b"She": 1.0}, {b"": 0.5, b" a": 0.25, b"\n": 0.25}),
        ragged([[2, 0]]),
    )
    row = got.distributions[1:2]
    assert {student.pieces[v]: p for v, p in zip(row.ids, np.exp(row.logprobs), strict=True)} == (
        pytest.approx({b"": 0.5, b" a": 0.25, b"\n": 0.25})
    )


def test_counts_tell_kinds_and_mean_masses():
    rows = rows_of({b"She": 1.0}, {b" a": 0.5, b"{": 0.5})
    source = ragged([[TEACHER.index(b"She"), TEACHER.index(b" a")]])
    got = projector().project(source, rows, ragged([[*STUDENT.encode(b"She a"), 0]]))
    assert got.counts() == pytest.approx(
        {"rows": 3, "soft": 2, "hard": 1, "same": 2, "mid": 0, "eos": 1, "unknown": 0, "apart": 0}
        | {"empty": 0, "rule": 0, "mean_kept": 0.75, "mean_inconsistent": 0.0, "mean_tail": 0.25}
    )


def test_no_rows_at_all():
    empty = one_hot(np.zeros(0, np.int32))
    got = projector().project(ragged([]), empty, ragged([]))
    assert got.counts()["rows"] == 0
    assert got.counts()["mean_kept"] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": [[2], [2]]}, "1 source samples, but 2 target samples"),
        ({"rows": one_hot(np.array([1, 1]))}, "1 source tokens, but 2 rows"),
        ({"target": [[999]]}, "target token ids reach from 999 to 999, but the vocabulary has"),
        ({"source": [[-1]]}, "source token ids reach from -1"),
        ({"rows": one_hot(np.array([77]))}, "stored candidate ids reach from 77"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    arguments = {"source": [[1]], "rows": one_hot(np.array([1])), "target": [[2]]} | change
    with pytest.raises(ValueError, match=message):
        projector().project(
            ragged(arguments["source"]), arguments["rows"], ragged(arguments["target"])
        )


def test_unknown_policies_and_no_threads_are_refused():
    with pytest.raises(
        ValueError, match="policy 'soft' is none of prefix, one-to-one, nearest, chunk"
    ):
        Projector(SOURCE, STUDENT.vocabulary(), policy="soft")
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        Projector(SOURCE, STUDENT.vocabulary(), threads=0)
    with pytest.raises(ValueError, match="2 rows, but 1 kinds"):
        Projection(one_hot(np.array([1, 2])), np.zeros(1, np.uint8), np.ones(2), np.zeros(2))
