"""Texts aligned where they are known: by where each token ends in them, not by what it spells.

    "In\\n½ cup"   T5   " In"  " 1"  "⁄"  "2"  " cup"
    ends                 2      5    5    5     9       the three tokens share one character

What the library says of tokens' places in the text is repaired first: the marker before a
text covers nothing; a dropped mark of a composed character belongs to the character; dropped
whitespace belongs to the bare marker before it, else to the token after it; tokens that share a
character are glued; places never fall. Every block is verified: the normalizer must make of its
text what its tokens spell.

Where both sides spell the same, ``align.align_batch`` finds these blocks from ids alone, much
faster; so only what differs is read this way, with the words around it (``known_blocks``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align import Ragged, Vocabulary, align_batch, ragged
from align.blocks import FOLDED, LITERAL, WINDOW, Blocks
from align.ragged import pointers
from align.spans import align_spans
from specialize.tokens.tokenizer import Tokenizer

Normalize = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Spans:
    """The tokens of a text.

    ``ends`` (T,) int32 says where each ends in it, in bytes, never falling; ``glued`` (T,) whether
    it shares a character with the one before.
    """

    ids: Sequence[int]
    ends: NDArray[np.int32]
    glued: NDArray[np.bool_]


def known_blocks(
    source: Vocabulary,
    target: Tokenizer,
    source_tokens: Ragged,
    target_tokens: Ragged,
    texts: Sequence[str],
    *,
    threads: int = 1,
) -> tuple[Blocks, int]:
    """The finest blocks of samples of which the text is known; how many were read by their text.

    Args:
        source: the pieces of the source, as they are in the text.
        source_tokens, target_tokens: without end of sequence.
        texts: one for each sample. Where the source does not spell it, or a block cannot be
            verified (offsets of texts with control characters are wrong in the library), the
            sample keeps the blocks that its ids alone give.
        threads: how many work on it; no result depends on it.
    """
    blocks = align_batch(source, target.vocabulary(), source_tokens, target_tokens, threads=threads)
    windows = np.flatnonzero(blocks.kind == WINDOW)
    of = np.searchsorted(blocks.indptr, windows, side="right") - 1
    normalize = cache(target.normalize)
    found: list[_Found] = []
    read = 0
    for s in np.unique(of).tolist():
        start, stop = blocks.indptr[s : s + 2].tolist()
        sides = source_tokens.sample(s), target_tokens.sample(s)
        sample = _Sample(
            source, *sides, texts[s], blocks.groups[start:stop], blocks.kind[start:stop]
        )
        first, last = np.searchsorted(windows, (start, stop))
        parts = sample.read((windows[first:last] - start).tolist(), target, normalize)
        found += [part._replace(first=part.first + start, last=part.last + start) for part in parts]
        read += bool(parts)
    return _replaced(blocks, found), read


class _Found(NamedTuple):
    """Groups and kinds that take the place of those of the blocks ``first:last``."""

    first: int
    last: int
    groups: NDArray[np.int32]
    kind: NDArray[np.uint8]


def _replaced(blocks: Blocks, found: Sequence[_Found]) -> Blocks:
    """``blocks`` with what was ``found``, in their order, in its place."""
    if not found:
        return blocks
    lengths = np.diff(blocks.indptr)
    groups, kinds, end = [], [], 0
    for each in found:
        groups += [blocks.groups[end : each.first], each.groups]
        kinds += [blocks.kind[end : each.first], each.kind]
        sample = int(np.searchsorted(blocks.indptr, each.first, side="right")) - 1
        lengths[sample] += len(each.kind) - (each.last - each.first)
        end = each.last
    return Blocks(
        pointers(lengths),
        np.concatenate([*groups, blocks.groups[end:]]),
        np.concatenate([*kinds, blocks.kind[end:]]),
    )


class _Sample:
    """A sample whose ids alone leave windows: tokens of both sides, ``groups`` and ``kind``."""

    def __init__(
        self,
        source: Vocabulary,
        mine: NDArray[np.int32],
        its: NDArray[np.int32],
        text: str,
        groups: NDArray[np.int32],
        kind: NDArray[np.uint8],
    ) -> None:
        self._source, self._mine, self._its, self._plain = source, mine, its, text.encode()
        self._groups, self._kind = groups, kind
        places = pointers(source.indptr[mine + 1] - source.indptr[mine])
        self._virtual = int(places[-1]) - len(self._plain)  # the space that a marker puts first
        self._places = np.maximum(places - self._virtual, 0)  # where each source token begins

    def read(self, windows: Sequence[int], target: Tokenizer, normalize: Normalize) -> list[_Found]:
        """What the text says of ``windows``; of the whole sample where the words around do not
        tell; nothing where the text cannot be trusted."""
        if self._virtual not in (0, 1):
            return []
        around, whole = self._around(windows), [(0, len(self._kind))]
        for stretches in (around, whole) if around != whole else (whole,):
            found: list[_Found] = []
            for each in stretches:
                read = self._read(*each, target, normalize)
                if read is None:
                    break
                found.append(read)
            else:
                return found
        return []

    def _around(self, windows: Sequence[int]) -> list[tuple[int, int]]:
        """Blocks from one that begins a word to the end of another, each with windows between."""
        stretches: list[tuple[int, int]] = []
        for window in windows:
            if stretches and window < stretches[-1][1]:
                continue
            first, last = window, window + 1
            while not self._parts_words(first):
                first -= 1
            while not self._parts_words(last):
                last += 1
            stretches.append((first, last))
        return stretches

    def _parts_words(self, block: int) -> bool:
        """Whether ``block`` is of one space and more, and it and the one before spell the same on
        both sides, so that tokenizers read what follows as if it stood alone."""
        if block in (0, len(self._kind)):
            return True
        if (self._kind[block - 1 : block + 1] != LITERAL).any():
            return False
        start, end = self._places[self._groups[block, :2]].tolist()
        before, space, after = (self._plain[i : i + 1] for i in range(start - 1, start + 2))
        return end > start + 1 and space == b" " and not (before.isspace() or after.isspace())

    def _read(
        self, first: int, last: int, target: Tokenizer, normalize: Normalize
    ) -> _Found | None:
        """The blocks ``first:last`` by their text alone; None where it cannot be trusted."""
        a, _, c, _ = self._groups[first].tolist()
        _, b, _, d = self._groups[last - 1].tolist()
        try:
            text = self._plain[self._places[a] : self._places[b]].decode()
        except UnicodeDecodeError:  # the tokens do not spell the text
            return None
        mine = self._source.pieces(self._mine[a:b].tolist())
        found = _by_text(mine, target, self._its[c:d].tolist(), text, normalize)
        if found is None:
            return None
        groups, kind = found
        return _Found(first, last, groups + np.array([a, a, c, c], np.int32), kind)


def _by_text(
    mine: Sequence[bytes],
    target: Tokenizer,
    tokens: Sequence[int],
    text: str,
    normalize: Normalize,
) -> tuple[NDArray[np.int32], NDArray[np.uint8]] | None:
    """Groups and kinds by the text; None where they cannot be trusted."""
    ends = piece_ends(mine, text)
    its = text_spans(target, text)
    if ends is None or list(its.ids) != list(tokens):
        return None
    blocks = align_spans(ragged([ends]), ragged([its.ends]), target_glued=its.glued)
    if not verified(target, text, its, blocks.groups[:, 2:], normalize=normalize).all():
        return None
    pieces = target.pieces(tokens)
    # by columns: a list for each group would have all objects looked through for garbage
    kinds = [
        _kind(b"".join(mine[a:b]), b"".join(pieces[c:d]))
        for a, b, c, d in zip(*blocks.groups.T.tolist(), strict=True)
    ]
    return blocks.groups, np.array(kinds, np.uint8)


def _kind(one: bytes, other: bytes) -> int:
    if one == other:
        return LITERAL
    return FOLDED if one.split() == other.split() and one and other else WINDOW


def piece_ends(pieces: Sequence[bytes], text: str) -> NDArray[np.int32] | None:
    """Where each piece ends in ``text``; None where together they do not spell it."""
    plain, written = text.encode(), b"".join(pieces)
    virtual = 1 if written == b" " + plain else 0  # the space that a marker puts first
    if not virtual and written != plain:
        return None
    return np.maximum(np.cumsum([len(piece) for piece in pieces]) - virtual, 0).astype(np.int32)


def text_spans(tokenizer: Tokenizer, text: str) -> Spans:
    """The tokens of ``text`` and where they end in it, repaired.

    Raises:
        InputError: the text holds half of a surrogate pair.
    """
    ids, spans = tokenizer.spans(text)
    if not ids:
        return Spans(ids, np.zeros(0, np.int32), np.zeros(0, np.bool_))
    plain, pieces = text.encode(), tokenizer.pieces(ids)
    starts, ends = spans[:, 0].copy(), spans[:, 1].copy()
    if pieces[0] == b" " and not plain[: ends[0]].isspace():
        ends[0] = 0
    for i in np.flatnonzero(starts[1:] > ends[:-1]).tolist():
        gap = plain[ends[i] : starts[i + 1]].decode()
        marks = len(gap) - len(gap.lstrip("".join(c for c in gap if unicodedata.combining(c))))
        ends[i] += len(gap[:marks].encode())
        if pieces[i] == b" " and ends[i] > 0 and gap[marks:].isspace():
            ends[i] = starts[i + 1]
    if plain[ends[-1] :].decode().strip() == "" or tokenizer.vocabulary().folds:
        ends[-1] = len(plain)
    ends = np.maximum.accumulate(ends)
    glued = np.concatenate([[False], starts[1:] < ends[:-1]])
    return Spans(ids, ends.astype(np.int32), glued)


def verified(
    tokenizer: Tokenizer,
    text: str,
    spans: Spans,
    groups: NDArray[np.int32],
    *,
    normalize: Normalize | None = None,
) -> NDArray[np.bool_]:
    """(G,) Whether the tokens of each group, ``groups`` (G, 2) from and to, spell what the
    normalizer makes of its text; unknown ones may stand for anything but nothing.

    Args:
        normalize: the tokenizer's own, where it is remembered from call to call.
    """
    normalize = normalize or tokenizer.normalize
    pieces, places, plain = tokenizer.pieces(spans.ids), [0, *spans.ends.tolist()], text.encode()
    found = []
    for first, last in zip(*groups.T.tolist(), strict=True):
        spelled = pieces[first:last]
        whole = normalize(plain[places[first] : places[last]])
        found.append(whole.strip() == b"".join(spelled).strip() or _may_spell(spelled, whole))
    return np.array(found, np.bool_)


def _may_spell(pieces: Sequence[bytes], text: bytes) -> bool:
    """Whether ``pieces`` spell ``text`` where an unknown one is any bytes but none."""
    known = [re.escape(piece) if piece else b"(?s:.)+" for piece in pieces]
    pattern = rb"\s*" + b"".join(known).removeprefix(rb"\ ")
    return re.fullmatch(pattern, text.rstrip()) is not None
