"""Carry a teacher's distributions to another tokenizer: the policy ``prefix``.

The row of a target token that begins at byte b is what the source, having written everything
before b, says about the target token that comes next. For the source token that covers b and the
bytes u of it that lie before b (none on most rows):

* every stored candidate is put in the place of that token, the word it would make is given to the
  target's tokenizer (``resolve.py``), and the target token at b gets the candidate's mass. A
  candidate that does not begin with u, or whose word has no boundary at b or other tokens before
  it, can not be what follows: its mass is *inconsistent* and the row is conditioned on the rest;
* where the store was looked at (``continuations.py``) and the candidate's word was met in it, as
  it stands or begun, its mass is parted by what the word became there;
* the candidate that was really written is followed instead: its mass is spread by the source's
  next distribution, p(c) p(c' | c), up to ``DEPTH`` tokens on or until the word ends. What is left
  of it belongs to the target token that is really there;
* mass that was not stored stays unstored (the tail). In the middle of a source token only a part
  of it can be consistent: as much as there are unstored source ids that begin with u, among all
  unstored ids (an even prior; exact when everything is stored). Behind a followed token it goes
  where the word written so far would go;
* special and unknown target tokens get nothing; the source's end of sequence is the target's.

Cost: O(K) look-ups per followed token. Nothing is averaged, and no probability of the teacher's is
multiplied off the path that was written. Sources: chain rule and conditioning on emitted bytes,
arXiv:2410.09303 (exact byte-level conditioning); the target's own tokenization of each candidate's
word, and what words became, are ours.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from align.blocks import Side
from align.compiled import inlined, kernel
from align.continuations import NO_TOKENS, Seen, context, find, reading
from align.entries import Found, Given, choose, give
from align.outcome import (
    FIRST,
    OWN,
    TAIL,
    WRONG,
    Stand,
    after_word,
    needs_bytes,
    spelled,
    token_at,
)
from align.places import NOWHERE
from align.projection import APART, EMPTY, EOS, MID, SAME, UNKNOWN_TOKEN
from align.resolve import Resolved
from align.shard import UNASKED, Alike, Ends, Lines, Path, Rows, Shard, Target
from align.vocabulary import SPECIAL, UNKNOWN, PrefixIndex, starts_like

DEPTH = 4


@njit(cache=True, nogil=True)
def fill(
    first: int, last: int, shard: Shard, keep: int, lines: Lines
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Make the target rows of samples ``first:last``, of at most ``keep`` entries each.

    Returns:
        Ids and probabilities of their entries, row behind row.
    """
    width, used = len(shard.target.flags), 0
    found = Found(np.empty(width, np.int32), np.empty(width), np.zeros(width, np.int32))
    room = 8 * (shard.target_ptr[last] - shard.target_ptr[first]) + keep
    ids, prob = np.empty(room, np.int32), np.empty(room, np.float32)
    i, s = shard.target_ptr[first], first
    while s < last:
        i, used = _fill_sample(shard, found, keep, lines, (s, i, used), ids, prob)
        if i == shard.target_ptr[s + 1]:
            s += 1
        else:
            ids, prob = _longer(ids, keep), _longer(prob, keep)
    return ids[:used], prob[:used]


@njit(cache=True)
def _longer(array: NDArray[np.int32], more: int) -> NDArray[np.int32]:
    """``array`` with room for as many entries again, and for ``more``."""
    longer = np.empty(2 * len(array) + more, array.dtype)
    longer[: len(array)] = array
    return longer


@kernel
def _fill_sample(
    shard: Shard, found: Found, keep: int, lines: Lines, at: tuple[int, int, int],
    ids: NDArray[np.int32], prob: NDArray[np.float32],
) -> tuple[int, int]:  # fmt: skip
    """Make the rows of a sample from row ``i`` on; ``at`` is (sample, i, entries used).

    Returns:
        The row at which there may be no room for more, or the one behind the sample, and the
        entries used.
    """
    rows, path, target, resolved, seen = (
        shard.rows, shard.path, shard.target, shard.resolved, shard.seen
    )  # fmt: skip
    ends, side, alike, index = shard.ends, shard.side, shard.alike, shard.pieces
    s, row, used = at
    bounds = (shard.source_ptr[s], shard.source_ptr[s + 1], shard.target_ptr[s])
    for i in range(row, shard.target_ptr[s + 1]):
        count, tail, wrong = 0, 0.0, 0.0
        if shard.same[s]:
            lines.kind[i] = SAME
            count, tail = _copy(rows, found, bounds[0] + i - bounds[2])
        else:
            lines.kind[i] = _kind(target, ends, i)
            if lines.kind[i] <= MID:
                count, tail, wrong = _spread(
                    rows, path, target, resolved, seen, ends, side, alike, index, found, bounds, i
                )
                if count == 0:
                    lines.kind[i] = EMPTY
        if count == 0:
            found.ids[0], found.prob[0], count, tail = target.ids[i], 1.0, 1, 0.0
        if used + min(count, keep) > len(ids):
            return i, used
        size, rest, placed = choose(found, count, tail, ids[used:], prob[used:], keep)
        lines.size[i], lines.tail[i], lines.kept[i], lines.wrong[i] = size, rest, placed, wrong
        used += size
    return int(shard.target_ptr[s + 1]), used


@inlined
def _copy(rows: Rows, found: Found, r: int) -> tuple[int, float]:
    """The teacher's own row ``r``: entries, and the tail's mass."""
    count = 0
    for e in range(rows.ptr[r], rows.ptr[r + 1]):
        found.ids[count], found.prob[count] = rows.ids[e], rows.prob[e]
        count += rows.prob[e] > 0.0
    return count, rows.sums.rest[r]


@inlined
def _kind(target: Target, ends: Ends, i: int) -> int:
    """What row ``i`` can be by the places alone."""
    token = target.ids[i]
    if target.token[i] == NOWHERE:
        return EOS if token == ends.target else APART
    if token != ends.target and target.flags[token] & (SPECIAL | UNKNOWN):
        return UNKNOWN_TOKEN
    return MID if target.offset[i] > 0 else SAME


@inlined
def _spread(
    rows: Rows, path: Path, target: Target, resolved: Resolved, seen: Seen, ends: Ends,
    side: Side, alike: Alike, index: PrefixIndex, found: Found,
    bounds: tuple[int, int, int], i: int,
) -> Given:  # fmt: skip
    """Give the mass of row ``i`` to target tokens, the tail, and what can not be."""
    start, stop, first = bounds
    here, offset = start + target.token[i], target.offset[i]
    given, reach = (0, 0.0, 0.0), 1.0
    for r in range(here, min(here + DEPTH + 1, stop)):
        stand = Stand(i, first, r, r - here, offset)
        end, word = after_word(path, target, resolved, ends, stand)
        if stand.d > 0 and needs_bytes(path, ends, r):
            word = spelled(side, index, target, ends, stand, -1)
            end = word if end == TAIL else end
        given = _give_kin(
            rows, path, target, resolved, seen, ends, side, index, found, stand, reach, given
        )
        if word in (FIRST, OWN):
            place = i if word == FIRST else first + path.own[r], i
            for e in range(rows.middle[r], rows.last[r]):
                mass = reach * rows.mass[e]
                given = _part(rows, target, resolved, seen, found, given, place, e, mass)
        else:
            given = give(found, given, word, reach * rows.sums.begun[r])
        given = give(found, given, end, reach * rows.sums.ended[r])
        given = give(found, given, TAIL, reach * rows.sums.silent[r])
        rest, share = reach * rows.sums.rest[r], 1.0
        if stand.d == 0 and offset > 0:
            share = _consistent_share(rows, side, alike, r, offset)
        given = give(found, given, word if stand.d > 0 and word >= 0 else TAIL, rest * share)
        given = give(found, given, WRONG, rest * (1.0 - share))
        reach *= rows.sums.written[r]
        if reach == 0.0 or _closes(path, ends, r, stand.d, offset):
            break
    return give(found, given, target.ids[i], reach) if reach > 0.0 else given


@inlined
def _give_kin(
    rows: Rows, path: Path, target: Target, resolved: Resolved, seen: Seen, ends: Ends,
    side: Side, index: PrefixIndex, found: Found, stand: Stand, reach: float, given: Given,
) -> Given:  # fmt: skip
    """Give the mass of the candidates that continue the word before source token r."""
    r, anchor = stand.r, path.anchor[stand.r]
    behind = stand.offset > 0 and stand.d == 0 and path.begins[r]  # the row is in the next word
    for e in range(rows.ptr[r], rows.middle[r]):
        mass = reach * rows.mass[e]
        if anchor == NOWHERE or rows.seen[e] == UNASKED:
            token = spelled(side, index, target, ends, stand, rows.ids[rows.entry[e]])
            given = give(found, given, token, mass)
        elif behind:
            given = give(found, given, WRONG, mass)
        else:
            place = stand.first + anchor, stand.i
            given = _part(rows, target, resolved, seen, found, given, place, e, mass)
    return given


@inlined
def _part(
    rows: Rows, target: Target, resolved: Resolved, seen: Seen, found: Found, given: Given,
    place: tuple[int, int], e: int, mass: float,
) -> Given:  # fmt: skip
    """Give the mass of the candidate in slot ``e`` to what its word is, or has become elsewhere.

    ``place`` is where the target's tokens of the word begin, and the row.
    """
    (anchor, i), c, token = place, rows.seen[e], int(rows.first[e])
    if anchor < i and c < 0 and 0 <= token != target.ids[anchor]:
        return give(found, given, WRONG, mass)  # whatever it became begins otherwise
    alone = 1.0 if c < 0 else 0.0
    if anchor != i:
        node, c = rows.node[e], np.int32(-1)
        token = token_at(resolved, node, target.ids, target.flags, anchor, i)
        alone = float(seen.alone[node])
        if alone == 0.0 or anchor > i:  # never met
            return give(found, given, token, mass)
        read = NO_TOKENS
        for k in range(anchor, i):
            read = reading(read, target.ids[k])
        c = np.int32(find(seen, context(node, read)))
        met = float(seen.met[c]) if c >= 0 else 0.0
        given = give(found, given, WRONG, mass * max(1.0 - alone - met, 0.0))
    given = give(found, given, token, mass * alone)
    if c >= 0:
        for k in range(seen.ptr[c], seen.ptr[c + 1]):
            given = give(found, given, seen.tokens[k], mass * seen.share[k])
    return given


@inlined
def _consistent_share(rows: Rows, side: Side, alike: Alike, r: int, offset: int) -> float:
    """The share of what row ``r`` did not store that begins like the token that was written: of
    the unstored source ids, those that begin with its first ``offset`` bytes."""
    stored = like = int(rows.sums.written[r] > 0.0)
    for e in range(rows.ptr[r], rows.last[r]):
        stored += 1
        like += starts_like(side.bytes_ptr, side.data, rows.ids[rows.entry[e]], side.ids[r], offset)
    unstored = alike.pieces - stored
    all_like = alike.counts[side.bytes_ptr[side.ids[r]] + offset]
    return max(0, all_like - like) / unstored if unstored > 0 else 0.0


@inlined
def _closes(path: Path, ends: Ends, r: int, d: int, offset: int) -> bool:
    """Whether the row's token is certain once the source has written token ``r``."""
    if path.ids[r] == ends.source or path.cut[r] > (offset if d == 0 else 0):
        return True
    return d > 0 and path.begins[r]
