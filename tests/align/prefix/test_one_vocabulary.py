"""P4: with one vocabulary on both sides the teacher's rows are carried over unchanged.

For every way in which the two sides may end, and for samples of one shard that differ beside it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align import Projector, Ragged, SparseDistributions, build_vocabulary, ragged
from align.projection import EOS, SAME
from align.vocabulary import MARKER, SPECIAL

PIECES = [b"", b" a", b" b", b"c", b"d", b" ab", b"cd", b" ", b"e", b"f"]
END = 0
FLAGS = {END: SPECIAL, 1: MARKER, 2: MARKER, 5: MARKER, 7: MARKER}
VOCABULARY = build_vocabulary(PIECES, flags=FLAGS, eos=END)

texts = st.lists(st.integers(1, len(PIECES) - 1), max_size=6)
shards = st.lists(st.tuples(texts, st.booleans(), st.booleans()), min_size=1, max_size=5)


def encode(asked: list[str]) -> list[list[int]]:
    """The longest pieces first; what the rows of equal sides must not depend on."""
    by_length = sorted(range(1, len(PIECES)), key=lambda v: -len(PIECES[v]))
    found = []
    for text in asked:
        rest, ids = text.encode(), []
        while rest:
            token = next((v for v in by_length if rest.startswith(PIECES[v])), None)
            if token is None:
                break
            ids.append(token)
            rest = rest[len(PIECES[token]) :]
        found.append(ids)
    return found


def random_rows(tokens: Ragged, seed: int) -> SparseDistributions:
    """Two entries a row, the written token among them or not, and a tail; each makes 1."""
    rng = np.random.default_rng(seed)
    count = len(tokens.ids)
    mass = rng.dirichlet(np.ones(3), count).astype(np.float32)
    ids = np.array([rng.choice(len(PIECES), 2, replace=False) for _ in range(count)], np.int32)
    return SparseDistributions(
        2 * np.arange(count + 1),
        ids.reshape(-1),
        np.log(mass[:, :2]).reshape(-1),
        np.log(mass[:, 2]),
    )


@settings(max_examples=100)
@given(shards, st.integers(0, 2**16))
def test_rows_are_the_teachers(shard: list[tuple[list[int], bool, bool]], seed: int) -> None:
    source = ragged([ids + [END] * mine for ids, mine, _ in shard])
    target = ragged([ids + [END] * its for ids, _, its in shard])
    rows = random_rows(source, seed)
    found = Projector(VOCABULARY, VOCABULARY, encode=encode).project(source, rows, target)
    for s, (ids, mine, its) in enumerate(shard):
        for j in range(len(ids) + its):
            row = int(target.indptr[s]) + j
            made = dense(found.distributions, row)
            if j < len(ids) or mine:
                expected = dense(rows, int(source.indptr[s]) + j)
                assert found.kind[row] == SAME
            else:
                expected = np.eye(1, len(PIECES) + 1, END)[0]
                assert found.kind[row] == EOS
            np.testing.assert_allclose(made, expected, atol=1e-6)


def dense(rows: SparseDistributions, row: int) -> np.ndarray:
    """Probabilities of all tokens, and of the tail after them."""
    one = rows[row : row + 1]
    made = np.zeros(len(PIECES) + 1)
    np.add.at(made, one.ids, np.exp(one.logprobs))
    made[-1] = np.exp(one.tail[0])
    return made


@pytest.mark.parametrize(("mine", "its"), [(False, True), (True, False)])
def test_samples_that_differ_keep_their_own_ends(mine: bool, its: bool) -> None:
    """Beside a sample that gets an end, one of other ids is projected as on its own."""
    source = ragged([[1, 3] + [END] * mine, [1, 3, 4] + [END] * mine])
    target = ragged([[1, 3] + [END] * its, [1, 6] + [END] * its])
    rows = random_rows(source, 3)
    first = int(source.indptr[1])
    found = Projector(VOCABULARY, VOCABULARY, encode=encode).project(source, rows, target)
    alone = Projector(VOCABULARY, VOCABULARY, encode=encode).project(
        ragged([source.sample(1).tolist()]), rows[first:], ragged([target.sample(1).tolist()])
    )
    for j in range(len(target.sample(1))):
        row = int(target.indptr[1]) + j
        assert found.kind[row] == alone.kind[j]
        np.testing.assert_allclose(
            dense(found.distributions, row), dense(alone.distributions, j), atol=1e-6
        )
