"""The target token that comes next if the source writes a candidate.

Where the target's tokenizer was asked (``resolve.py``), its answer for the whole word decides: the
tokens before the row must be those that really stand there, and the next one is the outcome.
Otherwise the bytes alone decide (``literal.py``).

A row stands at *(r, d, offset)*: source token r comes d tokens after the place of the row, which
is ``offset`` bytes into the first of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.kernels.jit import inlined, kernel
from align.prefix.literal import spelled_token
from align.prefix.retokenize import AT, LENGTH, TOKEN, Resolved
from align.prefix.shard_arrays import Ends, Path, Target
from align.prefix.token_offsets import NOWHERE
from align.prefix.trie import LONG
from align.prefix.word_states import is_space
from align.vocabulary import MARKER, SPECIAL, UNKNOWN, PrefixIndex, starts_like

TAIL = -1  # it can not be told
WRONG = -2  # the candidate contradicts what the row stands behind
FIRST = -3  # the first token of the candidate's own word
OWN = -4  # a token of the candidate's own word, behind those that were read of it


class Stand(NamedTuple):
    """Where a row stands: ``i`` its token, ``first`` that of its sample, and (r, d, offset)."""

    i: int
    first: int
    r: int
    d: int
    offset: int


@inlined
def after_word(
    path: Path, target: Target, resolved: Resolved, ends: Ends, stand: Stand
) -> tuple[int, int]:
    """What follows if the text ends at source token r, and if a new word begins there.

    TAIL where nothing was asked that would tell; ``needs_bytes`` says so.
    """
    r, i, first = stand.r, stand.i, stand.first
    if stand.d == 0:
        if stand.offset > 0:
            return WRONG, OWN if path.begins[r] and path.own[r] != NOWHERE else WRONG
        if not _word_ended(path, target.ids, resolved, ends, stand):
            return WRONG, WRONG
        return max(ends.target, TAIL), FIRST
    closed = TAIL
    if not needs_bytes(path, ends, r):
        node, anchor = path.state[r], first + path.anchor[r]
        closed = token_at(resolved, node, target.ids, target.flags, anchor, i)
    if ends.fold and not path.inks[r] and first + path.anchor[r] == i:
        return max(ends.target, TAIL), closed
    return closed, closed


@inlined
def needs_bytes(path: Path, ends: Ends, r: int) -> bool:
    """Whether nothing was asked about the word before source token ``r``."""
    return not ends.asked or path.state[r] == LONG or path.anchor[r] == NOWHERE


@inlined
def token_at(
    resolved: Resolved,
    node: int,
    ids: NDArray[np.int32],
    flags: NDArray[np.uint8],
    anchor: int,
    i: int,
) -> int:
    """Token ``i - anchor`` of ``node``, if those before it are ``ids[anchor:i]``."""
    token = int(resolved.words[node, TOKEN])
    if i <= anchor:
        return token if i == anchor else TAIL
    if 0 <= token != ids[anchor]:
        return WRONG
    start, length = resolved.words[node, AT], resolved.words[node, LENGTH]
    for k in range(int(token >= 0), min(i - anchor, length)):
        if resolved.ids[start + k] != ids[anchor + k]:
            return WRONG
    if length <= i - anchor:
        return TAIL if length == i - anchor else WRONG
    token = int(resolved.ids[start + i - anchor])
    return TAIL if flags[token] & (SPECIAL | UNKNOWN) else token


@inlined
def _word_ended(
    path: Path, ids: NDArray[np.int32], resolved: Resolved, ends: Ends, stand: Stand
) -> bool:
    """Whether the tokens before the row are those of the word before it, ended there."""
    r = stand.r
    if path.begins[r] or path.ids[r] == ends.source or needs_bytes(path, ends, r):
        return True
    anchor, node = stand.first + path.anchor[r], path.state[r]
    if resolved.words[node, LENGTH] != stand.i - anchor:
        return False
    same = True
    for k in range(resolved.words[node, LENGTH]):
        same = same and resolved.ids[resolved.words[node, AT] + k] == ids[anchor + k]
    return same


@kernel
def spelled(
    side: Side, index: PrefixIndex, target: Target, ends: Ends, stand: Stand, candidate: int
) -> int:
    """The token that follows by the bytes alone; ``candidate`` -1: if the text ends at r."""
    here, offset = stand.r - stand.d, stand.offset
    if stand.d == 0 and not starts_like(
        side.bytes_ptr, side.data, candidate, side.ids[here], offset
    ):
        return WRONG
    i, starts_text = stand.i, stand.i == stand.first and target.token[stand.i] == 0
    at = side.bytes_ptr[side.ids[here]]
    lead = starts_text and offset == 0 and target.flags[target.ids[i]] & MARKER != 0
    lead = lead and (ends.fold or not is_space(side.data[at]))
    behind = ends.fold and not lead and _after_space(side, here, target.token[i] == 0, offset)
    span = (here, stand.r, offset)
    return spelled_token(index, side, span, candidate, (ends.fold, behind, lead))


@kernel
def _after_space(side: Side, here: int, starts_text: bool, offset: int) -> bool:
    """Whether whitespace or the text's start stands before byte ``offset`` of token ``here``."""
    if offset > 0:
        return is_space(side.data[side.bytes_ptr[side.ids[here]] + offset - 1])
    if starts_text:
        return True
    end = side.bytes_ptr[side.ids[here - 1] + 1]
    return end > side.bytes_ptr[side.ids[here - 1]] and is_space(side.data[end - 1])
