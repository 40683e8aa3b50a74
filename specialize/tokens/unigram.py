"""Plain texts encoded by a compiled Viterbi search, for Unigram tokenizers that fold whitespace.

    "She earns $12"   words  " She" " earns" " $12"   ->   [451] [9528, 7] [1514, 2122]

Where no piece holds a space inside (T5's vocabulary), the most probable segmentation of a text is
that of its words, one after another (Kudo 2018, arXiv:1804.10959, section 3.2). On texts of which
the normalizer changes nothing but whitespace, the search needs none of the library's bookkeeping
(normalized forms, offsets, a string for each token) and takes a tenth of its time. Scores are the
library's own, added in its order, and of equal sums the first found stays, as there: ids are the
same. Texts with any other character are left to the library, and so are tokenizers that do not
behave so on a probe of all pairs of characters.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend

from align import Ragged
from align.kernels.jit import entry, integer, kernel
from align.kernels.threads import over_samples
from align.ragged import pointers
from specialize.tokens.definition import Definition

_MARKER = "▁"
_VISIBLE = string.digits + string.ascii_letters + string.punctuation

# What a byte is to the search.
OTHER = 0  # the text is left to the library
WORD = 1  # part of a word
SPACE = 2  # between words


class Trie(NamedTuple):
    """The pieces, byte by byte, markers as spaces; node 0 is the root.

    The children of node v are ``first[v]:first[v + 1]``, to which the bytes ``byte`` (nodes,) lead;
    ``piece`` (nodes,) is the id that ends at a node, or -1, and ``score`` its log-probability.
    ``heads`` (128, 128) are the nodes of two bytes, and at 0 of the first alone; 0 where none is.
    """

    first: NDArray[np.int32]
    byte: NDArray[np.uint8]
    piece: NDArray[np.int32]
    score: NDArray[np.float64]
    heads: NDArray[np.int32]


class Texts(NamedTuple):
    """Texts: those of text t are the bytes ``data[ptr[t]:ptr[t + 1]]``, its ids go to
    ``room[ptr[t] + t:]``, and ``counts`` (texts,) says how many they are, -1 where it is not plain.
    """

    ptr: NDArray[np.int64]
    data: NDArray[np.uint8]
    room: NDArray[np.int32]
    counts: NDArray[np.int64]


class Search(NamedTuple):
    """Room for the search in a word: the ``best`` sum up to each of its bytes (longest + 2,); the
    start and the id of the piece that ends there, in ``back`` (2, longest + 2)."""

    best: NDArray[np.float64]
    back: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PlainEncoder:
    """Encodes plain texts; ``kind`` (256,) says what each byte is, see above."""

    trie: Trie
    kind: NDArray[np.uint8]

    def encode(self, texts: Sequence[str], *, threads: int = 1) -> tuple[Ragged, NDArray[np.bool_]]:
        """The ids of every text, none where it is not plain; and (texts,) whether it is."""
        joined = "".join(texts)
        sizes = map(len, texts if joined.isascii() else map(str.encode, texts))
        ptr = pointers(np.fromiter(sizes, np.int64, len(texts)))
        data = np.frombuffer(bytearray(joined.encode()), np.uint8)
        room, counts = np.empty(len(data) + len(texts), np.int32), np.empty(len(texts), np.int64)
        work = Texts(ptr, data, room, counts)

        def encode_range(first: int, last: int) -> None:
            longest = int(np.diff(ptr[first : last + 1]).max(initial=0))
            search = Search(np.empty(longest + 2), np.empty((2, longest + 2), np.int32))
            _encode_range(first, last, self.kind, self.trie, work, search)

        over_samples(threads, len(texts), encode_range)
        plain, counts = counts >= 0, np.maximum(counts, 0)
        indptr = pointers(counts)
        shift = ptr[:-1] + np.arange(len(texts)) - indptr[:-1]
        return Ragged(indptr, room[np.arange(indptr[-1]) + np.repeat(shift, counts)]), plain


def plain_encoder(backend: Backend, definition: Definition) -> PlainEncoder | None:
    """The compiled search of ``backend``, the ``encoder`` of ``definition``; None where it would
    not give the same ids."""
    model = definition.model
    if model["type"] != "Unigram" or model["byte_fallback"]:
        return None
    if any(not token.special for token in definition.added):
        return None  # such tokens are cut out of a text before all else
    pieces = _ascii_pieces(model["vocab"], definition.unreachable)
    if pieces is None:
        return None
    words = [character for character in _VISIBLE if character.encode() in pieces]
    if b" " not in pieces or not _leaves_alone(backend, "".join(words)):
        return None
    kind = np.zeros(256, np.uint8)
    kind[[ord(character) for character in words]] = WORD
    kind[[ord(character) for character in " \n"]] = SPACE
    return PlainEncoder(_trie(pieces), kind)


def _ascii_pieces(
    vocabulary: Sequence[tuple[str, float]], unreachable: set[str]
) -> dict[bytes, tuple[int, float]] | None:
    """Id and score by bytes of the pieces that plain text may hold; None where one has a marker
    inside, so that words are not apart."""
    found: dict[bytes, tuple[int, float]] = {}
    for number, (piece, score) in enumerate(vocabulary):
        word = piece.removeprefix(_MARKER)
        if word.isascii():
            if " " not in word and piece not in unreachable:
                found[(word if word is piece else f" {word}").encode()] = number, score
        elif _MARKER in word.lstrip(_MARKER):
            return None
    return found


def _leaves_alone(backend: Backend, words: str) -> bool:
    """Whether the tokenizer only folds whitespace, and cuts before markers alone.

    The probe holds every pair of the characters ``words``.
    """
    pairs = "".join(one + "".join(f"{one}{other}" for other in words) for one in words)
    text = f" \n{pairs}  {words}\n\n{words[::-1]} \n"
    whole = [f"{_MARKER}{part}" for part in text.split()]
    normalizer, splitter = backend.normalizer, backend.pre_tokenizer
    normalized = text if normalizer is None else normalizer.normalize_str(text)
    if splitter is None:
        return bool(normalized == "".join(whole))
    return [part for part, _ in splitter.pre_tokenize_str(normalized)] == whole


def _trie(pieces: dict[bytes, tuple[int, float]]) -> Trie:
    """The trie of ``pieces``, none of which is empty: nodes by depth, then by their bytes."""
    order = sorted(pieces)
    size = np.array(list(map(len, order)), np.int64)
    letters = np.array(order, "S").view(np.uint8).reshape(len(order), -1)
    same = np.ones(len(order), np.int64)  # bytes that a piece shares with the one before it
    same[0] = 0
    same[1:] = np.logical_and.accumulate(letters[1:] == letters[:-1], axis=1).sum(axis=1)
    # a piece makes the nodes of all its prefixes that the piece before it does not have
    depth = np.arange(letters.shape[1])
    new = (depth >= same[:, None]) & (depth < size[:, None])
    at_depth, row = np.nonzero(new.T)
    node = np.zeros(new.shape, np.int64)  # of each piece's prefixes
    node[row, at_depth] = np.arange(1, len(row) + 1)
    node = np.maximum.accumulate(node, axis=0)
    parent = np.where(at_depth > 0, node[row, at_depth - 1], 0)
    count = 1 + len(parent)
    number, score = np.full(count, -1, np.int32), np.zeros(count)
    ends = node[np.arange(len(order)), size - 1]
    number[ends], score[ends] = ([pieces[piece][k] for piece in order] for k in (0, 1))
    first = 1 + pointers(np.bincount(parent, minlength=count)).astype(np.int32)
    byte = np.append(np.uint8(0), letters[row, at_depth])
    heads = np.zeros((128, 128), np.int32)
    one, two = np.flatnonzero(at_depth == 0) + 1, np.flatnonzero(at_depth == 1) + 1
    heads[byte[one], 0] = one
    heads[byte[parent[two - 1]], byte[two]] = two
    return Trie(first, byte, number, score, heads)


@entry
def _encode_range(
    first: int, last: int, kind: NDArray[np.uint8], trie: Trie, texts: Texts, search: Search
) -> None:
    """Encode texts ``first:last``."""
    ptr, data = texts.ptr, texts.data
    for t in range(first, last):
        at, i, end = ptr[t] + t, ptr[t], ptr[t + 1]
        while i < end and kind[data[i]] != OTHER:
            stop = i
            while stop < end and kind[data[stop]] == WORD:
                stop += 1
            if stop > i:
                at = _encode_word(data[i:stop], trie, search, texts.room, at)
            i = max(stop, i + 1)
        # The library decides what a text without words is, too.
        texts.counts[t] = at - ptr[t] - t if i >= end and at > ptr[t] + t else -1


@kernel
def _encode_word(
    word: NDArray[np.uint8], trie: Trie, search: Search, room: NDArray[np.int32], at: int
) -> int:
    """Write the ids of a word, a marker before it, to ``room[at:]``; where they end.

    best[e] = max over pieces s:e of best[s] + score(piece). O(word times longest piece).
    """
    first, bytes_, piece, score, heads = trie.first, trie.byte, trie.piece, trie.score, trie.heads
    best, back, n = search.best, search.back, len(word) + 1
    best[0] = 0.0
    back[0, : n + 1] = -1
    for s in range(n):
        node, before = integer(0), np.uint8(0)
        for e in range(s, n):
            byte = word[e - 1] if e > 0 else np.uint8(32)
            # the root and the space have a hundred children: the first two bytes are looked up
            if e < s + 2:
                node = integer(heads[byte, 0] if e == s else heads[before, byte])
                before = byte
                if node == 0:
                    break
            else:
                c, end = integer(first[node]), integer(first[node + 1])
                while c < end and bytes_[c] != byte:
                    c += 1
                if c == end:
                    break
                node = c
            sum_ = score[node] + best[s]
            # greater, not as great: of equal sums the library keeps the piece that it met first
            if piece[node] >= 0 and (back[0, e + 1] < 0 or sum_ > best[e + 1]):
                best[e + 1] = sum_
                back[0, e + 1], back[1, e + 1] = s, piece[node]
    # the way back is written from the end
    e, count = n, 0
    while e > 0:
        count, e = count + 1, back[0, e]
    e, k = n, at + count
    while e > 0:
        k -= 1
        room[k] = back[1, e]
        e = back[0, e]
    return at + count
