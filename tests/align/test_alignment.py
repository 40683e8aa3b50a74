"""An alignment that cannot be valid cannot be built."""

from __future__ import annotations

import numpy as np
import pytest

from align import Alignment


def build(links: list[list[int]], n: int, m: int) -> Alignment:
    return Alignment(np.array(links, np.int32).reshape(-1, 2), n, m)


@pytest.mark.parametrize(
    ("links", "n", "m", "groups"),
    [
        ([[0, 0], [1, 1]], 2, 2, [(0, 1, 0, 1), (1, 2, 1, 2)]),
        ([[0, 0], [1, 0], [1, 1]], 2, 2, [(0, 2, 0, 2)]),
        ([[0, 0], [2, 1]], 3, 2, [(0, 2, 0, 1), (2, 3, 1, 2)]),
        ([[1, 1]], 2, 3, [(0, 2, 0, 3)]),
        ([], 2, 1, [(0, 2, 0, 1)]),
        ([], 0, 2, [(0, 0, 0, 2)]),
        ([], 0, 0, []),
    ],
)
def test_groups(
    links: list[list[int]], n: int, m: int, groups: list[tuple[int, int, int, int]]
) -> None:
    assert build(links, n, m).groups() == groups
    assert build(links, n, m).transpose().groups() == [(c, d, a, b) for a, b, c, d in groups]


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([[0, 3]], r"links\[0\] = \(0, 3\) is outside 4 source x 3 target tokens; were"),
        ([[0, 0], [-1, 0]], r"links\[1\] = \(-1, 0\) is outside"),
        ([[1, 1], [0, 2]], "sorted and monotone in both columns"),
        ([[0, 2], [1, 1]], "sorted and monotone in both columns"),
    ],
)
def test_what_is_no_alignment_is_refused(links: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(links, 4, 3)


def test_links_are_pairs() -> None:
    with pytest.raises(ValueError, match=r"links must have shape \(L, 2\), got \(3,\)"):
        Alignment(np.zeros(3, np.int32), 1, 1)
