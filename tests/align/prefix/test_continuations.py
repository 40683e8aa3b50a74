"""How words continued, against reading whole texts; and what it does to rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align import Projector, SparseDistributions, build_vocabulary, ragged
from align.prefix.continuations import MOST
from align.projection import EMPTY
from align.vocabulary import SPECIAL
from tests.reference import projection as oracles
from tests.reference.projection import ToyTokenizer
from tests.reference.words import Words, word_of
from tests.support.strategies import EXAMPLES
from tests.support.strategies_project import Case, cases, sparse


def projector(case: Case, store: list[tuple[int, ...]], *, keep: int | None = None) -> Projector:
    """A projector that has read the texts of ``store``, one call for each."""
    student = case.student
    made = Projector(case.source(), student.vocabulary(), encode=student.encode_batch, keep=keep)
    for written in store:
        made.observe(ragged([written]), ragged([tokens_of(case, written)]))
    return made


def tokens_of(case: Case, written: tuple[int, ...]) -> list[int]:
    return [*case.student.encode(b"".join(case.teacher[token] for token in written)), 0]


def entries(rows: SparseDistributions, i: int) -> dict[int, float]:
    row = rows[i : i + 1]
    return dict(zip(row.ids.tolist(), np.exp(row.logprobs.astype(np.float64)), strict=True))


@st.composite
def stores(draw: st.DrawFn) -> tuple[Case, list[tuple[int, ...]]]:
    """A sample to project, and texts of the same teacher to learn from."""
    case = draw(cases())
    texts = st.lists(st.integers(1, len(case.teacher) - 1), min_size=1, max_size=6)
    store = [(*tokens, 0) for tokens in draw(st.lists(texts, max_size=5))]
    if case.student.folds:  # whether leading whitespace was read is a matter of taste
        store = [text for text in store if not case.teacher[text[0]][:1].isspace()]
    return case, [*store, case.written]


@given(stores(), st.none() | st.integers(1, 4))
@settings(max_examples=EXAMPLES)
def test_every_row_follows_the_rule(drawn, keep):
    case, store = drawn
    words = Words(case.teacher, case.student, keep=keep)
    for written in store:
        words.observe(written, tokens_of(case, written))
    places = [
        oracles.stand(case.teacher, case.student, case.written, case.tokens, i)[0]
        for i in range(len(case.tokens))
    ]
    got = projector(case, store, keep=keep).project(*case.shard())
    for i in range(len(case.tokens)):

        def part(outcome, candidate, r, i=i):
            word = word_of(case.teacher, case.written[:r], candidate)
            first = words.anchor(word[0], places, word[2])
            if first is None or first > i:
                return {outcome: 1.0}
            return words.split_shares(outcome, word, tuple(case.tokens[first:i]))

        found, tail, wrong = oracles.spread(
            case.teacher, case.student, case.written, case.rows, case.tokens, i, part
        )
        found = {token: mass for token, mass in found.items() if mass > 0}
        if not found:
            assert got.kind[i] == EMPTY
            continue
        total = sum(found.values()) + tail
        best = sorted(found.values(), reverse=True)[:keep]
        row = entries(got.distributions, i)
        assert list(row.values()) == pytest.approx([mass / total for mass in best], abs=3e-6)
        assert row == pytest.approx({token: found[token] / total for token in row}, abs=3e-6)
        tail = 1 - sum(best) / total
        assert np.exp(got.distributions.tail[i]) == pytest.approx(tail, abs=3e-6)
        assert got.kept[i] == pytest.approx(sum(found.values()) / total, abs=3e-6)
        assert got.inconsistent[i] == pytest.approx(wrong, abs=3e-6)


TEACHER = (b"", b" $", b"1", b"12", b"2", b" a")
STUDENT = ToyTokenizer((b" $", b" $1", b" $12", b" a", b" ", b"$", b"1", b"2", b"a"))


def project(store, row, keep=None):
    """The first row of a text " $12" of which the first token was drawn from ``row``."""
    source = build_vocabulary(TEACHER, flags={0: SPECIAL}, eos=0)
    made = Projector(source, STUDENT.vocabulary(), encode=STUDENT.encode_batch, keep=keep)
    for written in store:
        ids = [TEACHER.index(piece) for piece in written]
        made.observe(ragged([ids]), ragged([STUDENT.encode(b"".join(written))]))
    ids = [TEACHER.index(b" a")]
    rows = sparse(({TEACHER.index(piece): p for piece, p in row.items()},))
    got = made.project(ragged([ids]), rows, ragged([STUDENT.encode(b" a")]))
    return {STUDENT.pieces[v]: p for v, p in entries(got.distributions, 0).items()}, got


def test_a_candidate_continues_as_its_word_did():
    """Of three words that began with " $", two went on as " $1" and one as " $12"; the word as it
    is counts once more."""
    store = [[b" $", b"1"], [b" $", b"1", b" a"], [b" $", b"12"]]
    row, _ = project(store, {b" a": 0.6, b" $": 0.4})
    assert row == pytest.approx({b" a": 0.6, b" $1": 0.2, b" $12": 0.1, b" $": 0.1})


def test_a_word_that_was_never_met_stays_as_it_is():
    row, _ = project([[b" a", b" a"]], {b" a": 0.6, b" $": 0.4})
    assert row == pytest.approx({b" a": 0.6, b" $": 0.4})


def test_what_is_not_kept_joins_the_tail():
    store = [[b" $", b"1"], [b" $", b"1", b" a"], [b" $", b"12"]]
    row, got = project(store, {b" a": 0.6, b" $": 0.4}, keep=2)
    assert row == pytest.approx({b" a": 0.6, b" $1": 0.2})
    assert np.exp(got.distributions.tail[0]) == pytest.approx(0.2)
    # Of one candidate, only two next tokens are distinguished.
    assert got.kept[0] == pytest.approx(0.9)


@pytest.mark.parametrize(("often", "told"), [(6, 7 / 8), (7, 7 / 9)])
def test_next_tokens_that_are_hardly_ever_kept_are_tail(often, told):
    """Of rows with two entries, a next token is distinguished from an eighth of a candidate on."""
    store = [[b" $", b"1"]] * often + [[b" $", b"12"]]
    row, got = project(store, {b" a": 0.6, b" $": 0.4}, keep=2)
    assert row == pytest.approx({b" a": 0.6, b" $1": 0.4 * often / (often + 2)})
    assert got.kept[0] == pytest.approx(0.6 + 0.4 * told)


def test_rare_continuations_are_tail():
    """Only the MOST frequent are distinguished; ties go to the lower id."""
    digits = [f"{k}".encode() for k in range(MOST + 4)]
    teacher = (b"", b" x", b" a", *digits)
    student = ToyTokenizer((b" a", b" ", b"x", *(b" x" + d for d in digits), *digits))
    source = build_vocabulary(teacher, flags={0: SPECIAL}, eos=0)
    made = Projector(source, student.vocabulary(), encode=student.encode_batch)
    for digit in digits:
        ids = [1, teacher.index(digit)]
        made.observe(ragged([ids]), ragged([student.encode(b" x" + digit)]))
    got = made.project(ragged([[2]]), sparse(({2: 0.5, 1: 0.5},)), ragged([student.encode(b" a")]))
    assert got.distributions.mass() == pytest.approx(1)
    # the word as it is begins with " ", the lowest id of those that came once
    assert len(entries(got.distributions, 0)) == 1 + MOST
    assert np.exp(got.distributions.tail[0]) == pytest.approx(0.5 * 5 / (MOST + 5))


def test_a_word_that_is_over_where_the_row_begins_contradicts_nothing():
    """The row of "2" in " $1" "2", written as " $" "12": had the teacher written "1", the word
    " $1" would be over and anything could follow, however often it was met."""
    source = build_vocabulary(TEACHER, flags={0: SPECIAL}, eos=0)
    student = ToyTokenizer((b" $", b" $1", b" a", b" ", b"$", b"1", b"2", b"a"))
    made = Projector(source, student.vocabulary(), encode=student.encode_batch)
    for written in ([b" $", b"1", b" a"], [b" $", b"1", b"2", b" a"]):
        ids = [TEACHER.index(piece) for piece in written]
        made.observe(ragged([ids]), ragged([student.encode(b"".join(written))]))
    one, twelve = TEACHER.index(b"1"), TEACHER.index(b"12")
    rows = sparse(({TEACHER.index(b" $"): 1.0}, {twelve: 0.5, one: 0.5}))
    tokens = student.encode(b" $12")
    got = made.project(ragged([[TEACHER.index(b" $"), twelve]]), rows, ragged([tokens]))
    assert [student.pieces[token] for token in tokens] == [b" $1", b"2"]
    assert entries(got.distributions, 1) == pytest.approx({tokens[1]: 0.5})
    assert np.exp(got.distributions.tail[1]) == pytest.approx(0.5)
    assert got.inconsistent[1] == pytest.approx(0.0)


@given(stores(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_order_and_grouping_of_the_store_do_not_matter(drawn, random):
    case, store = drawn
    one = projector(case, store).project(*case.shard()).distributions
    shuffled = list(store)
    random.shuffle(shuffled)
    made = projector(case, [])
    made.observe(ragged(shuffled), ragged([tokens_of(case, written) for written in shuffled]))
    other = made.project(*case.shard()).distributions
    assert np.array_equal(one.indptr, other.indptr)
    assert np.array_equal(one.ids, other.ids)
    assert np.array_equal(one.logprobs, other.logprobs)
    assert np.array_equal(one.tail, other.tail)


@given(stores(), st.integers(0, 5), st.booleans())
@settings(max_examples=60)
def test_what_parts_learned_is_what_the_whole_would_have_learned(drawn, cut, swapped):
    case, store = drawn
    one = projector(case, store).project(*case.shard()).distributions
    parts = [projector(case, part).learned() for part in (store[:cut], store[cut:])]
    made = projector(case, [])
    for learned in reversed(parts) if swapped else parts:
        made.learn(learned)
    other = made.project(*case.shard()).distributions
    for name in ("indptr", "ids", "logprobs", "tail"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


@given(cases(), st.integers(1, 4))
@settings(max_examples=EXAMPLES)
def test_cut_rows_are_the_whole_ones_cut(case, keep):
    """Where no words are learnt; else see ``test_every_row_follows_the_rule``."""
    whole, cut = (projector(case, [], keep=k).project(*case.shard()) for k in (None, keep))
    ids, logprobs, tail = whole.distributions.padded(keep)
    mine = cut.distributions.padded(keep)
    least = logprobs.min(axis=1, keepdims=True)
    clear = np.exp(logprobs) > np.exp(least) + 1e-6  # no tie at the cut
    assert np.array_equal(np.sort(mine[0] * clear, axis=1), np.sort(ids * clear, axis=1))
    assert np.exp(mine[1]) == pytest.approx(np.exp(logprobs), abs=1e-6)
    assert np.exp(mine[2]) == pytest.approx(np.exp(tail), abs=1e-6)
    assert cut.kept == pytest.approx(whole.kept, abs=1e-6)


@given(stores())
@settings(max_examples=60)
def test_what_was_found_while_observing_is_not_needed_twice(drawn):
    """Rows from the offsets are those from the tokens alone, and of one that forgot it all too."""
    case, store = drawn
    made = projector(case, store)
    source, rows, target = case.shard()
    offsets = made.observe(source, target)
    assert (offsets is None) == made.source.equals(made.target)
    again = made.unlearned()
    for written in [*store, case.written]:
        again.observe(ragged([written]), ragged([tokens_of(case, written)]))
    found = made.project(source, rows, target, offsets=offsets)
    for other in (made.project(source, rows, target), again.project(source, rows, target)):
        for name in ("indptr", "ids", "logprobs", "tail"):
            one, same = (getattr(each.distributions, name) for each in (found, other))
            assert np.array_equal(one, same), name
        assert np.array_equal(found.kind, other.kind)
        assert np.array_equal(found.inconsistent, other.inconsistent)
