"""Distances of stored rows against a slow reference, and against the whole distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.sparse import SparseDistributions, one_hot
from specialize.compare.row_distances import row_distances
from tests.reference.rows import Entries, filled, kl, merged, tv

V = 9


def rows(listed: list[Entries], tails: list[float] | None = None) -> SparseDistributions:
    """Rows of entries, most probable first; the tail is the rest."""
    ordered = [sorted(row.items(), key=lambda entry: -entry[1]) for row in listed]
    rest = tails or [max(1 - math.fsum(row.values()), 0.0) for row in listed]
    with np.errstate(divide="ignore"):
        return SparseDistributions(
            np.cumsum([0, *map(len, ordered)]),
            np.array([token for row in ordered for token, _ in row], np.int32),
            np.log(np.array([mass for row in ordered for _, mass in row])),
            np.log(np.array(rest)),
        )


def top(dense: list[float], k: int) -> Entries:
    order = sorted(range(len(dense)), key=lambda token: (-dense[token], token))[:k]
    return {token: dense[token] for token in order}


@st.composite
def dense_pairs(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Two distributions over V tokens, near each other or not; no mass is 0."""
    weights = st.lists(st.integers(1, 60), min_size=V, max_size=V)
    one, noise = draw(weights), draw(weights)
    share = draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    other = [(1 - share) * a / sum(one) + share * b / sum(noise)
             for a, b in zip(one, noise, strict=True)]  # fmt: skip
    return [a / sum(one) for a in one], other


@given(
    st.lists(dense_pairs(), min_size=1, max_size=4), st.integers(1, V - 1), st.integers(1, V - 1)
)
def test_the_reference_and_the_truth(
    pairs: list[tuple[list[float], list[float]]], k: int, other_k: int
) -> None:
    """Equal to the reference; the certain ones hold the distances of the whole distributions."""
    one, other = [top(p, k) for p, _ in pairs], [top(q, other_k) for _, q in pairs]
    found = row_distances(rows(one), rows(other))
    for i, ((p, q), mine, theirs) in enumerate(zip(pairs, one, other, strict=True)):
        a, b = merged(mine, theirs)
        c, d = filled(mine, theirs)
        close = {"rel": 1e-6, "abs": 1e-9}
        assert found.kl_least[i] == pytest.approx(kl(a, b), **close)
        assert found.reverse_least[i] == pytest.approx(kl(b, a), **close)
        assert found.tv_least[i] == pytest.approx(tv(a, b), **close)
        assert found.kl[i] == pytest.approx(kl(c, d), **close)
        assert found.reverse[i] == pytest.approx(kl(d, c), **close)
        assert found.kl_least[i] <= min(found.kl[i], kl(p, q)) + 1e-7
        assert found.reverse_least[i] <= min(found.reverse[i], kl(q, p)) + 1e-7
        assert found.tv_least[i] - 1e-7 <= tv(p, q) <= found.tv_most[i] + 1e-7
        assert found.alike[i] == (mine.keys() == theirs.keys())
        if found.alike[i]:
            assert found.kl[i] == pytest.approx(found.kl_least[i], abs=1e-12)
        best = [max(row, key=row.__getitem__) for row in (mine, theirs)]
        assert found.top1[i] == (best[0] == best[1])


def test_a_worked_pair() -> None:
    found = row_distances(rows([{7: 0.5, 3: 0.3}]), rows([{7: 0.45, 9: 0.35}]))
    least = 0.5 * math.log(0.5 / 0.45) + 0.5 * math.log(0.5 / 0.55)
    assert found.kl_least[0] == pytest.approx(least)
    assert found.tv_least[0] == pytest.approx(0.05)
    assert found.tv_most[0] == pytest.approx((0.05 + 0.5 + 0.55) / 2)
    assert (found.top1[0], found.alike[0]) == (True, False)
    # of the tail of .20 token 3 gets .3 / (.3 + .1) in the second, 9 gets .35 / (.35 + .1) in the
    # first: what neither lists is .1, an even share, where the entries alone would leave nothing
    classes = [0.5, 0.3, 0.2 * 7 / 9, 0.2 * 2 / 9], [0.45, 0.15, 0.35, 0.05]
    assert found.kl[0] == pytest.approx(kl(*classes))


def test_the_same_rows_are_not_apart() -> None:
    one = rows([{7: 0.5, 3: 0.3}, {1: 1.0}, {}])
    found = row_distances(one, one)
    for values in (found.kl, found.kl_least, found.reverse, found.reverse_least, found.tv_least):
        assert values.tolist() == [0, 0, 0]
    np.testing.assert_allclose(found.tv_most, [0.2, 0, 1])
    assert found.top1.all()
    assert found.alike.all()


def test_more_entries_of_the_same_rows_are_no_difference() -> None:
    whole = {7: 0.5, 3: 0.3, 1: 0.1, 2: 0.06}
    found = row_distances(rows([{7: 0.5, 3: 0.3}]), rows([whole]))
    assert found.kl[0] == pytest.approx(0, abs=1e-9)
    assert found.reverse[0] == pytest.approx(0, abs=1e-9)


def test_what_a_certain_row_excludes_is_infinite() -> None:
    soft, hard = rows([{7: 0.5, 3: 0.3}]), one_hot(np.array([7]))
    found = row_distances(soft, hard)
    assert found.kl[0] == found.kl_least[0] == math.inf
    assert found.reverse[0] == pytest.approx(math.log(2))
    assert found.tv_least[0] == found.tv_most[0] == pytest.approx(0.5)


def test_mass_is_scaled_and_counts_must_agree() -> None:
    """What half precision adds to a row is no difference."""
    found = row_distances(rows([{7: 0.5}], [0.5]), rows([{7: 0.501}], [0.501]))
    assert found.tv_least[0] == pytest.approx(0, abs=1e-7)
    with pytest.raises(ValueError, match="2 rows cannot be compared with 1"):
        row_distances(rows([{1: 1.0}, {1: 1.0}]), rows([{1: 1.0}]))
