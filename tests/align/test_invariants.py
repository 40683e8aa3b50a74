"""The invariants of exact alignment, P1 to P8, P12 and P16 to P19, each by its name.

P9 is in test_dtw.py, P10 in test_band.py, P11 in test_token_spans.py, those of projection
(P4, P13 to P15, P18, P20) in test_project_rule.py and test_project_exact.py.
"""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from align import align_batch, align_pieces, build_vocabulary, ragged
from align.spans import align_spans
from tests.reference import alignment as reference
from tests.support import strategies
from tests.support.strategies import EXAMPLES

Pieces = list[bytes]
Groups = list[tuple[int, int, int, int]]


def swapped(groups: Groups) -> Groups:
    return [(c, d, a, b) for a, b, c, d in groups]


@given(
    st.one_of(strategies.pieces, strategies.any_pieces),
    st.one_of(strategies.pieces, strategies.any_pieces),
)
@settings(max_examples=EXAMPLES)
@example([b""], [b"\xf0\x9f", b"\x8e\x89"])
def test_p01_blocks_cover_both_sides_in_order(a: Pieces, b: Pieces) -> None:
    groups = align_pieces(a, b).groups()
    i = j = 0
    for first, last, start, end in groups:
        assert (first, start) == (i, j)
        assert last > first or not a
        assert end > start or not b
        i, j = last, end
    assert (i, j) == (len(a), len(b))
    assert align_pieces(b, a).groups() == swapped(groups)


@given(strategies.tokenizations())
@settings(max_examples=EXAMPLES)
def test_p02_equal_texts_have_the_common_boundaries(sides: tuple[Pieces, Pieces]) -> None:
    assert align_pieces(*sides).groups() == reference.common_boundaries(*sides)


@given(
    st.one_of(strategies.pieces, strategies.any_pieces),
    st.one_of(strategies.pieces, strategies.any_pieces),
)
@settings(max_examples=EXAMPLES)
def test_p03_exchanging_the_sides_exchanges_the_links(a: Pieces, b: Pieces) -> None:
    assert align_pieces(a, b).transpose().links.tolist() == align_pieces(b, a).links.tolist()


@given(strategies.any_pieces)
@settings(max_examples=EXAMPLES)
def test_p04_identical_tokenizations_are_one_to_one(side: Pieces) -> None:
    assert align_pieces(side, side).groups() == [(i, i + 1, i, i + 1) for i in range(len(side))]


@given(strategies.tokenizations())
@settings(max_examples=EXAMPLES)
def test_p05_no_block_can_be_split(sides: tuple[Pieces, Pieces]) -> None:
    """Inside a block both sides have no boundary at the same byte."""
    for a, b, c, d in align_pieces(*sides).groups():
        inside = [
            {len(b"".join(side[first:k])) for k in range(first + 1, last)}
            for side, first, last in ((sides[0], a, b), (sides[1], c, d))
        ]
        assert not inside[0] & inside[1]


@given(strategies.tokenizations(), st.data())
@settings(max_examples=EXAMPLES)
def test_p06_coarsening_never_splits(sides: tuple[Pieces, Pieces], data: st.DataObject) -> None:
    source, target = sides
    if len(source) < 2:
        return
    at = data.draw(st.integers(0, len(source) - 2))
    coarser = [*source[:at], source[at] + source[at + 1], *source[at + 2 :]]
    assert len(align_pieces(coarser, target).groups()) <= len(align_pieces(*sides).groups())


@given(strategies.tokenizations(), st.data())
@settings(max_examples=EXAMPLES)
def test_p06_refining_never_merges(sides: tuple[Pieces, Pieces], data: st.DataObject) -> None:
    source, target = sides
    finer: Pieces = []
    for piece in source:
        finer += data.draw(strategies.cuts(piece))
    lengths = np.cumsum([0] + [len(p) for p in source])
    finer_lengths = np.cumsum([0] + [len(p) for p in finer])
    before = {lengths[group[1]] for group in align_pieces(source, target).groups()}
    after = {finer_lengths[group[1]] for group in align_pieces(finer, target).groups()}
    assert before <= after


@given(strategies.tokenizations(), strategies.tokenizations())
@settings(max_examples=EXAMPLES)
def test_p07_concatenation_at_a_shared_boundary(
    one: tuple[Pieces, Pieces], two: tuple[Pieces, Pieces]
) -> None:
    n, m = len(one[0]), len(one[1])
    joined = align_pieces(one[0] + two[0], one[1] + two[1]).groups()
    moved = [(a + n, b + n, c + m, d + m) for a, b, c, d in align_pieces(*two).groups()]
    assert joined == align_pieces(*one).groups() + moved


def test_p07_needs_a_boundary_that_no_blank_touches() -> None:
    """A run of blanks that is folded as a whole may be literal in its parts."""
    source, target = [b"a", b" ", b"\n", b"b"], [b"a", b" ", b"b"]
    assert align_pieces(source, target).groups() == [(0, 1, 0, 1), (1, 3, 1, 2), (3, 4, 2, 3)]
    assert align_pieces(source[:2], target[:2]).groups() == [(0, 1, 0, 1), (1, 2, 1, 2)]


@given(strategies.folded_tokenizations())
@settings(max_examples=EXAMPLES)
def test_p08_ends_in_the_text_give_the_blocks_of_the_ids(sides: tuple[Pieces, Pieces]) -> None:
    """Both entry points agree, wherever whitespace is folded."""
    source, target = sides
    text = b"".join(source)
    if not text.strip():
        return
    ends = reference.ends_in_text(target, text)
    blocks = align_spans(ragged([np.cumsum([len(p) for p in source]).tolist()]), ragged([ends]))
    assert [tuple(group) for group in blocks.groups.tolist()] == align_pieces(*sides).groups()


@given(strategies.folded_tokenizations())
@settings(max_examples=EXAMPLES)
def test_p08_folded_texts_have_the_boundaries_of_the_folded_text(
    sides: tuple[Pieces, Pieces],
) -> None:
    assert align_pieces(*sides).groups() == reference.folded_boundaries(*sides)


@given(st.lists(st.tuples(strategies.pieces, strategies.pieces), max_size=6), st.integers(1, 3))
@settings(max_examples=EXAMPLES)
def test_p12_p18_a_batch_is_its_samples(samples: list[tuple[Pieces, Pieces]], threads: int) -> None:
    known = sorted({piece for pair in samples for side in pair for piece in side})
    vocabulary = build_vocabulary(known)
    sides = [ragged([[known.index(p) for p in pair[k]] for pair in samples]) for k in (0, 1)]
    blocks = align_batch(vocabulary, vocabulary, *sides, threads=threads)
    for s, pair in enumerate(samples):
        mine = blocks.groups[blocks.indptr[s] : blocks.indptr[s + 1]]
        expected = align_pieces(*pair).groups()
        if pair[0] or pair[1]:
            assert [tuple(group) for group in mine.tolist()] == expected
        else:
            assert len(mine) == 0


@given(strategies.tokenizations(), st.integers(0, 5))
@settings(max_examples=EXAMPLES)
def test_p16_an_unknown_token_disturbs_only_its_surroundings(
    sides: tuple[Pieces, Pieces], where: int
) -> None:
    """Blocks before the window and after its anchor stay as they were."""
    head = [b"before ", b"the window"]
    tail = [b" after the", b" anchor of", b" eight bytes"]
    source, target = (head + side + tail for side in sides)
    stray = [*target]
    stray.insert(2 + min(where, len(sides[1])), b"")
    groups = align_pieces(source, stray).groups()
    assert groups[0][:2] == (0, 1)
    n, m = len(source), len(stray)
    assert groups[-2:] == [(n - 2, n - 1, m - 2, m - 1), (n - 1, n, m - 1, m)]


@given(strategies.any_pieces, strategies.any_pieces, st.text(max_size=40), st.data())
@settings(max_examples=EXAMPLES)
def test_p17_any_bytes_and_any_division_of_characters_have_blocks(
    one: Pieces, other: Pieces, text: str, data: st.DataObject
) -> None:
    """Nothing raises, and no byte is lost: every block's bytes are those of its tokens."""
    whole = text.encode("utf-8", "surrogatepass")
    sides = [data.draw(strategies.cuts(whole)) if whole else [] for _ in range(2)]
    for source, target in ((one, other), (sides[0], other), (sides[0], sides[1])):
        groups = align_pieces(source, target).groups()
        for k, side in ((0, source), (2, target)):
            assert b"".join(b"".join(side[g[k] : g[k + 1]]) for g in groups) == b"".join(side)


@given(strategies.tokenizations(), st.sampled_from([b" ", b"\n", b"  ", b"\r\n"]))
@settings(max_examples=EXAMPLES)
def test_p19_blanks_change_only_blocks_that_hold_them(
    sides: tuple[Pieces, Pieces], blank: bytes
) -> None:
    """Words between blanks fall into the same blocks, whatever the blanks are."""
    for side in sides:
        source = [b"one", blank, b"two", blank, b"three", b" ", *side]
        target = [b" one", b" two", b" three", b" ", *side]
        groups = align_pieces(source, target).groups()
        assert groups[:3] == [(0, 1, 0, 1), (1, 3, 1, 2), (3, 5, 2, 3)]
