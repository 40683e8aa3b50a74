"""The policies ``one-to-one`` and ``nearest``: the published rule, by hand and by its walk."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings

from align import Projection, Projector, build_vocabulary, one_hot, ragged
from align.dtw import warp
from align.projection import EMPTY, EOS, RULE, SAME
from align.vocabulary import SPECIAL, UNKNOWN, Vocabulary
from specialize.tokens import load_tokenizer
from tests.reference import projection as oracles
from tests.reference.projection import ToyTokenizer
from tests.support.strategies_project import SINGLE_BYTES, cases, sparse

# As in the published example: "She earns $12.\n" by Codex and by T5.
CODEX = (b"", b"She", b" earn", b"s", b" $", b"12", b".", b"\n", b" makes", b" earns", b"!")
T5 = (b"", b"", b" She", b" earn", b"s", b" $12", b".", b" makes", b" earns", b" ")


def vocabularies() -> tuple[Vocabulary, Vocabulary]:
    return (
        build_vocabulary(CODEX, flags={0: SPECIAL}, eos=0),
        build_vocabulary(T5, flags={0: SPECIAL, 1: UNKNOWN}, eos=0, folds=True),
    )


def row(projection: Projection, i: int) -> dict[bytes, float]:
    rows = projection.distributions[i : i + 1]
    mass = np.exp(rows.logprobs.astype(np.float64))
    return {T5[v]: float(p) for v, p in zip(rows.ids, mass, strict=True)}


def test_the_published_example():
    source, target = vocabularies()
    rows = sparse(
        (
            {1: 0.9},
            {9: 0.5, 2: 0.3, 8: 0.1, 7: 0.05},  # " earns" is stored first, " earn" was written
            {3: 1.0},
            {4: 0.9},
            {5: 0.7},
            {6: 0.8, 10: 0.15},
        )
    )
    got = Projector(source, target, policy="one-to-one").project(
        ragged([[1, 2, 3, 4, 5, 6]]), rows, ragged([[2, 3, 4, 5, 6, 0]])
    )
    # "She" is not " She"; the warping takes " $" for a second partner of "s", and so leaves
    # " $12" with "12" alone, which is another string
    assert got.kind.tolist() == [RULE, SAME, RULE, RULE, SAME, EOS]
    assert row(got, 0) == {b" She": 1.0}
    assert list(row(got, 1)) == [b" earn", b" earns", b" makes"]
    assert row(got, 1) == pytest.approx({b" earn": 0.3, b" earns": 0.5, b" makes": 0.1})
    assert np.exp(got.distributions.tail[1]) == pytest.approx(0.1)  # "\n" and the unstored
    assert row(got, 4) == pytest.approx({b".": 0.8})
    assert got.kept == pytest.approx([1, 0.9, 1, 1, 0.8, 1])
    assert got.distributions.mass() == pytest.approx(1)


def test_raw_probabilities_are_kept_to_the_bit():
    source, target = vocabularies()
    logprobs = np.array([-0.1, -2.5], np.float32)
    rows = sparse(({2: 0.5, 9: 0.25},))
    rows.logprobs[:] = logprobs
    got = Projector(source, target, policy="one-to-one").project(ragged([[2]]), rows, ragged([[3]]))
    assert np.array_equal(got.distributions.logprobs, logprobs)


def test_the_nearest_piece_stands_for_what_has_none():
    source = build_vocabulary((b"", b" earn", b" earnt", b"."), flags={0: SPECIAL}, eos=0)
    target = vocabularies()[1]
    rows, tokens = sparse(({1: 0.5, 2: 0.25, 3: 0.125},)), ragged([[1]])
    strict = Projector(source, target, policy="one-to-one").project(tokens, rows, ragged([[3]]))
    assert row(strict, 0) == pytest.approx({b" earn": 0.5, b".": 0.125})
    near = Projector(source, target, policy="nearest")
    # " earnt" is one edit from " earn" and from " earns"; the first in byte order is taken
    assert row(near.project(tokens, rows, ragged([[3]])), 0) == row(strict, 0)
    other = near.project(ragged([[2]]), sparse(({2: 0.5, 3: 0.25},)), ragged([[3]]))
    assert other.kind.tolist() == [SAME]
    assert row(other, 0) == pytest.approx({b" earn": 0.5, b".": 0.25})


@given(cases())
@settings(max_examples=100)
def test_every_row_is_the_published_walk(case):
    got = Projector(case.source(), case.student.vocabulary(), policy="one-to-one").project(
        *case.shard()
    )
    check_walk(case.teacher, case.student.pieces, case.written, case.rows, case.tokens, got)


def check_walk(teacher, student, written, rows, tokens, got) -> None:
    """Every row of ``got`` by the slow walk over the links of ``warp``."""
    links = warp([teacher[v] for v in written[:-1]], [student[v] for v in tokens[:-1]])[0].links
    for i, token in enumerate(tokens):
        linked = links[links[:, 1] == i, 0].tolist()
        stored = got.distributions[i : i + 1]
        mine = dict(zip(stored.ids.tolist(), np.exp(stored.logprobs), strict=True))
        soft = len(linked) == 1 and student[token] and teacher[written[linked[0]]] == student[token]
        expected = {student[token]: 1.0}
        if soft:
            row = [entry for entry in rows[linked[0]].items() if entry[1] > 0]
            expected = oracles.one_to_one(teacher, student, written[linked[0]], row)
        hard = EOS if i == len(tokens) - 1 else RULE
        assert got.kind[i] == (SAME if soft and expected else hard)
        if soft and not expected:
            expected = {student[token]: 1.0}
        assert {student[v]: p for v, p in mine.items()} == pytest.approx(expected, abs=1e-6)
        kept = sum(expected.values())
        assert np.exp(stored.tail[0]) == pytest.approx(max(0, 1 - kept), abs=1e-6)


def test_a_sample_without_text_is_hard():
    student = ToyTokenizer(SINGLE_BYTES)
    source = build_vocabulary((b"", b"a"), flags={0: SPECIAL}, eos=0)
    got = Projector(source, student.vocabulary(), policy="one-to-one").project(
        ragged([[0], []]), one_hot(np.array([0])), ragged([[0], []])
    )
    assert got.kind.tolist() == [EOS]
    assert got.distributions.is_hard.all()


@pytest.mark.realdata
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_codex_samples_follow_the_published_rule(data_dir, every):
    """Real samples, T5's real vocabulary: raw probabilities, first occurrence, no more."""
    t5 = load_tokenizer(data_dir / "tokenizers" / "t5")
    vocabulary = t5.vocabulary()
    pieces = vocabulary.pieces(range(len(vocabulary)))
    samples = json.loads((data_dir / "codex" / "codex_q0_samples_top5.json").read_text())
    soft = rows = 0
    for sample in samples[::every]:
        steps = [[(text.encode(), p) for text, p in step] for step in sample[2:-2]]
        teacher = [b"", *dict.fromkeys(text for step in steps for text, _ in step)]
        ids = {text: v for v, text in enumerate(teacher)}
        written = (*(ids[step[0][0]] for step in steps), 0)
        stored = []
        for step in steps:
            row: dict[int, float] = {}
            for text, p in step:
                row.setdefault(ids[text], p)
            stored.append({v: p for v, p in row.items() if p > 0})
        tokens = t5.encode(b"".join(step[0][0] for step in steps).decode(), eos=True)
        source = build_vocabulary(teacher, flags={0: SPECIAL}, eos=0)
        got = Projector(source, vocabulary, policy="one-to-one").project(
            ragged([written]), sparse((*stored, {0: 1.0})), ragged([tokens])
        )
        check_walk(teacher, pieces, written, (*stored, {0: 1.0}), tokens, got)
        soft, rows = soft + int(got.is_soft.sum()), rows + len(tokens)
    assert 0.6 < soft / rows < 0.9


def test_chunks_carry_how_likely_blocks_are():
    """Three blocks: "a" with "a", " $" and "12" with " $12", "b" with the two tokens of " b"."""
    source = build_vocabulary((b"", b"a", b" $", b"12", b" b", b"x"), flags={0: SPECIAL}, eos=0)
    target = build_vocabulary((b"", b"a", b" $12", b" ", b"b"), flags={0: SPECIAL}, eos=0)
    rows = ({1: 0.5, 5: 0.5}, {2: 0.8}, {3: 0.5, 5: 0.1}, {5: 0.9}, {0: 1.0})
    got = Projector(source, target, policy="chunk").project(
        ragged([[1, 2, 3, 4, 0]]), sparse(rows), ragged([[1, 2, 3, 4, 0]])
    )
    assert got.distributions.ids.tolist() == [1, 2, 3, 4, 0]
    assert np.exp(got.distributions.logprobs) == pytest.approx([0.5, 0.4, 1, 1, 1])
    assert np.exp(got.distributions.tail) == pytest.approx([0.5, 0.6, 0, 0, 0])
    assert got.kind.tolist() == [SAME, SAME, EMPTY, RULE, SAME]
    assert got.distributions.mass() == pytest.approx(1)


@given(cases())
@settings(max_examples=100)
def test_chunks_are_as_likely_as_the_text(case):
    """The rows of a sample multiply to the probability of all that was stored of it."""
    got = Projector(case.source(), case.student.vocabulary(), policy="chunk").project(*case.shard())
    stored = [row.get(token, 0.0) for token, row in zip(case.written, case.rows, strict=True)]
    if all(stored):
        likely = np.exp(got.distributions.logprobs.astype(np.float64).sum())
        assert likely == pytest.approx(np.prod(stored), rel=1e-4)
    assert got.distributions.mass() == pytest.approx(1, abs=1e-6)
