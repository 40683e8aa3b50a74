"""The exact alignment: hand-made cases, and invariants over any two tokenizations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from align import align_batch, align_pieces, build_vocabulary, ragged, spans
from align.blocks import FOLDED, LITERAL, WINDOW
from align.exact.byte_symbols import GAPS
from align.spans import align_spans
from align.vocabulary import SPECIAL, UNKNOWN
from tests.reference import alignment as reference
from tests.support import strategies

Pieces = list[bytes]


def texts_of(source: Sequence[str | bytes], target: Sequence[str | bytes]) -> tuple[Pieces, Pieces]:
    a, b = ([p if isinstance(p, bytes) else p.encode() for p in side] for side in (source, target))
    return a, b


def swapped(groups: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(c, d, a, b) for a, b, c, d in groups]


def blocks_of(a: Pieces, b: Pieces) -> list[tuple[bytes, bytes, int]]:
    """What both sides of every block spell, and its kind."""
    sides = [build_vocabulary(side or [b""], flags=unknowns(side)) for side in (a, b)]
    blocks = align_batch(*sides, *(ragged([list(range(len(side)))]) for side in (a, b)))
    rows = zip(blocks.groups.tolist(), blocks.kind.tolist(), strict=True)
    return [(b"".join(a[i:k]), b"".join(b[j:h]), kind) for (i, k, j, h), kind in rows]


def unknowns(side: Pieces) -> dict[int, int]:
    return {i: UNKNOWN for i, piece in enumerate(side) if not piece}


CASES = {
    "one to one": (["a", " b"], ["a", " b"], "a|a  b| b"),
    "virtual leading space": (["She"], [" She"], "She| She"),
    "newline goes forward": ([".", "\n", "She"], [".", " She"], ".|. \nShe| She"),
    "bare marker": (["a", "\n", "\n", "b"], ["a", " ", "b"], "a|a \n\n|  b|b"),
    "many to one": ([" $", "12"], [" $12"], " $12| $12"),
    "one to many": ([" earns"], [" earn", "s"], " earns| earns"),
    "trailing newline": (["a", ".", "\n"], ["a", "."], "a|a .\n|."),
    "double space": (["a", "  b"], ["a", " b"], "a|a   b| b"),
    "carriage return": (["a", "\r\n", "b"], ["a", " b"], "a|a \r\nb| b"),
    "unknown": (["<", "<", "1"], ["", "", "1"], "<| <| 1|1"),
    "unknown inside": (["h", "é", "llo"], ["h", "", "llo"], "h|h é| llo|llo"),
    "fraction": (["½", " cup of"], [" 1", "⁄", "2", " cup", " of"], "½| 1⁄2  cup of| cup of"),
    "split character": (
        [b"\xe4", b"\xb8\x96", b"!"], ["世", "!"], "世|世 !|!"),
    "no-break space": (["a\u00a0b", "cdefghij"], ["a b", "cdefghij"],
                       "a\xa0b|a b cdefghij|cdefghij"),
    "ligature": (["ﬁ", "ne day here"], ["fi", "ne day here"], "ﬁ|fi ne day here|ne day here"),
    "special after": (["a"], ["a", b""], "a|a"),
    "nothing in common": (["foo"], ["qux"], "foo|qux"),
    "word left out": (["one ", "two ", "three"], ["one ", "three"], "one |one  two three|three"),
    "blank run inside a token": (["a", " \n", " b"], ["a", " b"], "a|a  \n b| b"),
    "blank after the stop": (["a", ". ", "\n", "B"], ["a", ".", " B"], "a|a . \nB|. B"),
    "bare marker and unknown": (
        ["1", "\n", "<<", "48/2=24"], ["1", " ", "", "48/2=24"], "1|1 \n|  <<| 48/2=24|48/2=24",
    ),
    "leading marker alone": (["a"], [" ", "a"], "a| a"),
    "leading blank on both": ([" ", " a"], [" a"], "  a| a"),
    "trailing blanks": (["a", " ", " \n"], ["a"], "a  \n|a"),
    "unknown between": (["x{y", "}z"], ["x", "", "y", "", "z"], "x{y|xy }z|z"),
    "unknown word": (["ab", " 你", "好", " cd"], ["ab", " ", "", " cd"], "ab|ab  你好|   cd| cd"),
    "two unknown": (["{", "}", "x"], ["", "x"], "{}| x|x"),
    "three quarters": ([" ¾", " of"], [" 3", "", "4", " of"], " ¾| 34  of| of"),
    "ligatures with words between": (
        ["the", " ﬂow", " of", " ½"], [" the", " flow", " of", " 1⁄2"],
        "the| the  ﬂow| flow  of| of  ½| 1⁄2",
    ),
    "composition": (
        ["cafe", "\u0301", " x"], [" caf\u00e9", " x"], "cafe\u0301| caf\u00e9  x| x",
    ),
    "case": (["The", " Cat", " sat on it"], ["the", " cat", " sat on it"],
        "The|the  Cat| cat  sat on it| sat on it"),
    "control characters": (["a", "\x07", "b"], ["a", "b"], "a|a \x07b|b"),
    "ideographic space": (["a", "\u3000", "b"], ["a", " b"], "a|a \u3000b| b"),
    "dollars": ([" $", "12", "/", "60"], [" $12", "/60"], " $12| $12 /60|/60"),
    "halves of a character": (
        [b"\xf0\x9f", b"\x8e\x89", "!"], [b"\xf0", b"\x9f\x8e", b"\x89", "!"], "🎉|🎉 !|!",
    ),
    "the same but for a letter": (["xy"], ["xz"], "xy|xz"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_hand_made(name: str) -> None:
    source, target, expected = CASES[name]
    a, b = texts_of(source, target)
    groups = align_pieces(a, b).groups()
    shown = [(b"".join(a[p:q]) + b"|" + b"".join(b[r:s])).decode() for p, q, r, s in groups]
    assert " ".join(shown) == expected
    assert align_pieces(b, a).groups() == swapped(groups)


@given(strategies.folded_tokenizations())
def test_folding_keeps_words_together(sides: tuple[Pieces, Pieces]) -> None:
    """A word's bytes fall into blocks that hold the same bytes, blanks apart, on both sides."""
    for first, last, start, end in align_pieces(*sides).groups():
        a = b"".join(sides[0][first:last])
        b = b"".join(sides[1][start:end])
        assert a.split() == b.split() or not sides[0] or not sides[1]


@pytest.mark.parametrize("gap", [f"U+{point:04X}" for point in GAPS])
def test_every_gap_folds(gap: str) -> None:
    spelled = chr(int(gap[2:], 16)).encode()
    found = blocks_of([b"a", spelled + b"b", b"c"], [b"a", b" b", b"c"])
    assert [kind for *_, kind in found] == [LITERAL, FOLDED, LITERAL]


def test_special_tokens_match_one_another_or_go_forward() -> None:
    source = build_vocabulary([b"a", b" b", b""], flags={2: SPECIAL})
    target = build_vocabulary([b" a", b" b", b"", b""], flags={2: SPECIAL, 3: UNKNOWN})
    blocks = align_batch(
        source, target, ragged([[2, 0, 1, 2], [0, 1]]), ragged([[0, 1, 2], [2, 3, 1]])
    )
    assert blocks.groups.tolist() == [
        [0, 2, 0, 1], [2, 3, 1, 2], [3, 4, 2, 3], [0, 1, 0, 2], [1, 2, 2, 3]
    ]  # fmt: skip
    assert blocks.kind.tolist() == [FOLDED, LITERAL, LITERAL, WINDOW, LITERAL]


def test_a_shard_needs_as_many_samples_on_both_sides() -> None:
    vocabulary = build_vocabulary([b"a"])
    with pytest.raises(ValueError, match="1 source samples, but 2 target samples"):
        align_batch(vocabulary, vocabulary, ragged([[0]]), ragged([[0], [0]]))


def test_one_long_token_beside_nothing_is_one_block() -> None:
    long = "0123456789abcdef¡¢£¤¥".encode() * 4
    assert align_pieces([long], []).groups() == [(0, 1, 0, 0)]
    assert align_pieces([], [long]).groups() == [(0, 0, 0, 1)]


def test_texts_that_never_agree_again_stay_one_block() -> None:
    a = [b"x" * 50 for _ in range(60)]
    b = [b"y" * 50 for _ in range(60)]
    assert align_pieces([b"start ", *a], [b"start ", *b]).groups() == [
        (0, 1, 0, 1), (1, 61, 1, 61)
    ]  # fmt: skip


@given(strategies.tokenizations())
def test_links_join_tokens_that_share_bytes(sides: tuple[Pieces, Pieces]) -> None:
    links = align_pieces(*sides).links
    assert {tuple(link) for link in links.tolist()} == reference.overlaps(*sides)


@given(
    st.one_of(
        st.tuples(*[st.one_of(strategies.pieces, strategies.any_pieces)] * 2),
        strategies.folded_tokenizations(),
    )
)
@example(([b"", b" "], [b" ", b""]))
@example(([b"b", b"1\na"], [b"b", b"1 a"]))  # a token goes on after its gap
@settings(max_examples=300)
def test_kinds_are_true(sides: tuple[Pieces, Pieces]) -> None:
    """A literal block spells the same on both sides, a folded one does but for gaps.

    A gap that an unknown token follows on one side alone is folded too.
    """
    a, b = sides
    known = b"" not in (*a, *b)
    for one, other, kind in blocks_of(a, b):
        if kind == LITERAL:
            assert one == other
        if kind == FOLDED:
            assert one != other or not known
            assert reference.without_gaps(one) == reference.without_gaps(other)


@given(strategies.folded_tokenizations())
def test_folded_texts_need_no_window(sides: tuple[Pieces, Pieces]) -> None:
    assert all(kind != WINDOW for _, _, kind in blocks_of(*sides))


@given(st.data())
def test_known_ends_make_the_common_boundaries(data: st.DataObject) -> None:
    text = data.draw(strategies.plain_texts).encode()
    sides = [data.draw(strategies.cuts(text)) for _ in range(2)]
    ends = [np.cumsum([len(piece) for piece in side]).tolist() for side in sides]
    glued = [data.draw(st.lists(st.booleans(), min_size=len(e), max_size=len(e))) for e in ends]
    for k in range(2):  # some tokens share the character of the one before them
        repeated = data.draw(st.integers(0, len(ends[k]) - 1))
        ends[k].insert(repeated, ends[k][repeated])
        glued[k].insert(repeated, False)
    blocks = align_spans(
        *(ragged([e]) for e in ends),
        source_glued=np.array(glued[0], np.bool_),
        target_glued=np.array(glued[1], np.bool_),
    )
    expected = reference.common_ends(ends[0], glued[0], ends[1], glued[1])
    assert [tuple(group) for group in blocks.groups.tolist()] == expected
    assert set(blocks.kind.tolist()) <= {LITERAL}


def test_tokens_that_cover_nothing_at_the_start_go_forward() -> None:
    blocks = align_spans(ragged([[1, 2], [3]]), ragged([[0, 1, 2], [0, 3]]))
    assert blocks.groups.tolist() == [[0, 1, 0, 2], [1, 2, 2, 3], [0, 1, 0, 2]]
    assert blocks.indptr.tolist() == [0, 2, 3]


def test_glued_tokens_must_be_as_many_as_the_tokens() -> None:
    with pytest.raises(ValueError, match="1 marks of glued tokens for 2 tokens"):
        align_spans(ragged([[1, 2]]), ragged([[2]]), source_glued=np.zeros(1, np.bool_))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("wrong", "range_"), [(3, "0 to 3"), (-1, "-1 to 0")])
def test_an_id_outside_its_vocabulary_is_refused(threads: int, wrong: int, range_: str) -> None:
    vocabulary = build_vocabulary([b"a"])
    good, bad = ragged([[0]] * 20), ragged([[0]] * 19 + [[0, wrong]])
    message = f"ids reach from {range_}, but the vocabulary has 1 pieces"
    with pytest.raises(ValueError, match=message):
        align_batch(vocabulary, vocabulary, good, bad, threads=threads)
    with pytest.raises(ValueError, match=message):
        align_batch(vocabulary, vocabulary, bad, good, threads=threads)


def test_samples_without_tokens_need_no_vocabulary() -> None:
    nothing = build_vocabulary([])
    blocks = align_batch(nothing, nothing, ragged([[]] * 5000), ragged([[]] * 5000), threads=2)
    assert blocks.indptr.tolist() == [0] * 5001
    assert len(blocks.groups) == len(blocks.kind) == 0


@pytest.mark.parametrize("size", [40, 700, 9000])
def test_after_a_long_window_both_sides_agree_again(size: int) -> None:
    head, tail = [b"before ", b"it"], [b" and after", b" it"]
    digits = [b"%d" % (k * k % 97) for k in range(size // 2)]
    letters = [b"x", b"yz"] * (size // 4)
    groups = align_pieces([*head, *digits, *tail], [*head, *letters, *tail]).groups()
    n, m = len(head) + len(digits), len(head) + len(letters)
    assert groups[:2] == [(0, 1, 0, 1), (1, 2, 1, 2)]
    assert groups[-2:] == [(n, n + 1, m, m + 1), (n + 1, n + 2, m + 1, m + 2)]
    assert groups[2] == (2, n, 2, m)


def test_an_unknown_token_may_stand_for_much() -> None:
    much = [b"\xe4\xb8\x96"] * 500
    groups = align_pieces([b"a", *much, b" and so on"], [b"a", b"", b" and so on"]).groups()
    assert groups == [(0, 1, 0, 1), (1, 501, 1, 2), (501, 502, 2, 3)]


GAPS = [
    # source, target: gaps that differ share what they have in common from the right
    ("nn s x", "s n n s x", [(0, 1, 0, 3), (1, 2, 3, 4), (2, 3, 4, 5)]),
    ("s n x", "n s n x", [(0, 1, 0, 2), (1, 2, 2, 3), (2, 3, 3, 4)]),
    ("t s x", "s t s x", [(0, 1, 0, 2), (1, 2, 2, 3), (2, 3, 3, 4)]),
    ("a n b", "a s n b", [(0, 1, 0, 1), (1, 2, 1, 3), (2, 3, 3, 4)]),
    ("a nn sb", "a n s sb", [(0, 1, 0, 1), (1, 2, 1, 3), (2, 3, 3, 4)]),
    ("a s s b", "a s b", [(0, 1, 0, 1), (1, 3, 1, 2), (3, 4, 2, 3)]),
    ("n n x", "s x", [(0, 2, 0, 1), (2, 3, 1, 2)]),
    ("nn s x", "n n s x", [(0, 1, 0, 2), (1, 2, 2, 3), (2, 3, 3, 4)]),
]


@pytest.mark.parametrize(("source", "target", "groups"), GAPS)
def test_gaps_that_differ_are_cut_where_they_agree(
    source: str, target: str, groups: list[tuple[int, int, int, int]]
) -> None:
    blanks = str.maketrans({"n": "\n", "s": " ", "t": "\t"})
    one, other = (
        [piece.translate(blanks).encode() for piece in side.split(" ")] for side in (source, target)
    )
    assert align_pieces(one, other).groups() == groups
    swapped = [(c, d, a, b) for a, b, c, d in groups]
    assert align_pieces(other, one).groups() == swapped


_WRITTEN = st.text("ab< \n", max_size=12).map(lambda text: f"{text}cdefgh{text}")


@given(_WRITTEN, st.booleans(), st.text(" \n", min_size=1, max_size=2), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_plain_texts_are_read_as_all_are(text: str, front: bool, blank: str, size: int) -> None:
    """What the quick scan of a text finds is what the full one does."""
    written = " " * front + text.replace("\n", blank)
    source = [text[i : i + size].encode() for i in range(0, len(text), size)]
    target = [b"" if c == "<" else c.encode() for c in written]
    sides = tuple(
        spans.side_of(build_vocabulary(side, flags=unknowns(side)), ragged([[*range(len(side))]]))
        for side in (source, target)
    )
    found = []
    for kernel in (spans._mark_plain, spans._mark_range):
        room = spans.Scratch(
            np.empty(100, np.uint16), np.empty((204, 4), np.int32), np.array([0, 0, 0, 0])
        )
        tokens = spans.unmarked(sides[0]), spans.unmarked(sides[1])
        done = kernel(1, *sides, *tokens, room) == 1
        found.append([side.boundaries.tolist() for side in tokens] if done else None)
    event(f"plain: {found[0] is not None}")
    assert found[0] in (None, found[1])


def test_what_the_quick_scan_takes() -> None:
    """A leading space, one blank for another, unknown tokens against ink."""
    for text, written, plain in [
        ("ab\ncd", " ab cd", True), ("a<bcdefghi", " a?bcdefghi", True), ("a", "a", True),
        ("", "", True), ("a  b", " a b", False), ("a\n\nb", " a b", False), (" a", "a", False),
        ("é", " é", False),
    ]:  # fmt: skip
        pieces = [b"" if c == "?" else c.encode() for c in written]
        texts = [text.encode()] if text else [], pieces
        sides = [
            spans.side_of(
                build_vocabulary(side or [b""], flags=unknowns(side)), ragged([[*range(len(side))]])
            )
            for side in texts
        ]
        scratch = spans.Scratch(
            np.empty(40, np.uint16), np.empty((84, 4), np.int32), np.zeros(4, int)
        )
        tokens = [spans.unmarked(side) for side in sides]
        assert (spans._mark_plain(1, *sides, *tokens, scratch) == 1) == plain, text
