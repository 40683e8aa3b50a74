"""Texts and their tokenizations, as hypothesis draws them."""

from __future__ import annotations

import os
from itertools import pairwise

from hypothesis import strategies as st

# how many examples the named invariants see; the nightly run sets it, to look for rarer faults
EXAMPLES = int(os.environ.get("SPECIALIZE_EXAMPLES", "100"))

# what breaks aligners: split characters, folding, ligatures, fractions, controls, marks
CHARACTERS = st.sampled_from(list("ab1 .\n\t<é½ﬁ…²世🎉\u0301\u00a0\u200d\r\x00"))
texts = st.text(CHARACTERS, max_size=24)
plain_texts = st.text(st.sampled_from("ab1$. "), min_size=1, max_size=24)


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Any division of ``data`` into non-empty pieces, through the middle of characters too."""
    inner = draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=12))
    at = [0, *sorted(k for k in inner if k < len(data)), len(data)]
    return [data[a:b] for a, b in pairwise(at) if a < b]


@st.composite
def tokenizations(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Two divisions of one text."""
    data = draw(texts).encode()
    return draw(cuts(data)), draw(cuts(data))


@st.composite
def folded_tokenizations(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """A text with any whitespace, and the same text folded as SentencePiece folds it."""
    words = draw(st.lists(st.text(st.sampled_from("ab1é世"), min_size=1, max_size=4), max_size=6))
    spaces = st.sampled_from([" ", "\n", "  ", "\n\n", " \n", "\t", "\r\n"])
    gaps = [draw(spaces) for _ in words]
    edge = st.sampled_from(["", " ", "\n"])
    text = draw(edge) + "".join(w + g for w, g in zip(words, gaps, strict=True))
    if draw(st.booleans()):
        text = text.rstrip()
    folded = "".join(" " + word for word in words)
    return draw(cuts(text.encode())), draw(cuts(folded.encode()))


pieces = st.lists(
    st.sampled_from(
        [b"a", b"b", b" a", b"ab", b" ", b"\n", b"", b"12", b" 12", b"\xc3", b"\xa9", "é".encode()]
    ),
    max_size=10,
)
any_pieces = st.lists(st.binary(max_size=5), max_size=12)
