"""The truth and the teacher it is the truth of: against plain recursion and plain counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.pairs.fidelity import error_by_text
from specialize.pairs.ngrams import SHARES, START, Distribution, NgramTeacher
from specialize.pairs.oracle import Pieces, Position, continuations
from tests.reference.expansion import all_continuations

PIECES = [b"", b"a", b" b", b"bc", b" ", b"1 2", b"\n", b"ab c"]
EOS, LONGEST = 0, 4


@given(st.integers(0, 10_000), st.sampled_from([b"", b"a", b" b", b"ab", b" "]))
def test_what_follows_is_everything_that_can(seed: int, emitted: bytes) -> None:
    generator = np.random.default_rng(seed)

    def after(tokens: Sequence[int]) -> Distribution:
        """Three tokens at random, and the end alone once the text is long."""
        if len(tokens) >= LONGEST:
            return np.array([EOS], np.int32), np.array([1.0])
        own = np.random.default_rng([seed, *tokens])
        ids = own.permutation(len(PIECES))[:3].astype(np.int32)
        return ids, np.sort(own.dirichlet(np.ones(3)) * 0.97 + 0.01)[::-1]

    before = tuple(generator.integers(1, len(PIECES), 1).tolist())
    position = Position(before, b"", (), emitted, newline=False)
    found, lost = continuations(after, Pieces.of(PIECES), EOS, position)
    expected = all_continuations(after, PIECES, EOS, position)
    mass = {(one.text, one.ends): one.mass for one in found}
    assert sum(mass.values()) + lost == pytest.approx(expected.total(), abs=1e-9)
    assert mass.keys() <= expected.keys()
    for key, value in mass.items():
        assert value == pytest.approx(expected[key], abs=lost + 1e-9)


@given(st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=5))
def test_ngrams_are_counted(sequences: list[list[int]]) -> None:
    teacher, counts = NgramTeacher(sequences), [Counter[tuple[int, ...]]() for _ in range(3)]
    for sequence in sequences:
        padded = [START, START, *sequence]
        for at in range(2, len(padded)):
            for order in range(3):
                counts[order][tuple(padded[at - 2 + order : at + 1])] += 1
    known = sorted({key[0] for key in counts[2]})
    for a, b in [(START, START), (START, 1), (0, 1), (2, 2), (7, 1)]:
        mass = dict.fromkeys(known, 0.0)
        for order, context in enumerate([(a, b), (b,), ()]):
            total = sum(counts[order][(*context, c)] for c in known)
            for c in known if total else []:
                mass[c] += SHARES[order] * counts[order][(*context, c)] / total
        ids, probability = teacher.after([a, b])
        expected = {c: m / sum(mass.values()) for c, m in mass.items() if m}
        assert dict(zip(ids.tolist(), probability.tolist(), strict=True)) == pytest.approx(expected)


def test_the_error_of_a_mean_is_that_of_its_texts() -> None:
    alike = np.repeat([0.0, 1.0], 50)
    assert error_by_text(alike, np.repeat([0, 1], 50)) == pytest.approx(0.5 / 2**0.5)
    assert error_by_text(alike, np.arange(100)) == pytest.approx(0.05)
