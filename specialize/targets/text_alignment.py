"""Texts aligned where they are known: by where each token ends in them, not by what it spells.

    "In\\n½ cup"   T5   " In"  " 1"  "⁄"  "2"  " cup"
    ends                 2      5    5    5     9       the three tokens share one character

What the library says of tokens' places in the text is repaired first: the marker before a
text covers nothing; a dropped mark of a composed character belongs to the character; dropped
whitespace belongs to the bare marker before it, else to the token after it; tokens that share a
character are glued; places never fall. Every block is verified: the normalizer must make of its
text what its tokens spell.

Where both sides spell the same, ``align.align_batch`` finds these blocks from ids alone, much
faster; so only samples in which something differs are read this way (``known_blocks``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

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
    vocabulary = target.vocabulary()
    blocks = align_batch(source, vocabulary, source_tokens, target_tokens, threads=threads)
    windows = np.searchsorted(blocks.indptr, np.flatnonzero(blocks.kind == WINDOW), side="right")
    normalize = cache(target.normalize)
    read = {}
    for s in np.unique(windows - 1).tolist():
        mine = source.pieces(source_tokens.sample(s).tolist())
        found = _read(mine, target, target_tokens.sample(s).tolist(), texts[s], normalize)
        if found is not None:
            read[s] = found
    return _replaced(blocks, read), len(read)


def _replaced(
    blocks: Blocks, samples: Mapping[int, tuple[NDArray[np.int32], NDArray[np.uint8]]]
) -> Blocks:
    """``blocks`` with the groups and kinds of ``samples``, by rising number, in place of theirs."""
    if not samples:
        return blocks
    lengths = np.diff(blocks.indptr)
    groups, kinds, end = [], [], 0
    for s, (found, kind) in samples.items():
        start = int(blocks.indptr[s])
        groups += [blocks.groups[end:start], found]
        kinds += [blocks.kind[end:start], kind]
        lengths[s], end = len(kind), int(blocks.indptr[s + 1])
    return Blocks(
        pointers(lengths),
        np.concatenate([*groups, blocks.groups[end:]]),
        np.concatenate([*kinds, blocks.kind[end:]]),
    )


def _read(
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
    return FOLDED if one.split() == other.split() and one.strip() else WINDOW


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
