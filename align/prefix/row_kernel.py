"""Carry a teacher's distributions to another tokenizer: the policy ``prefix``.

The row of a target token that begins at byte b is what the source, having written everything
before b, says about the target token that comes next. For the source token that covers b and the
bytes u of it that lie before b (none on most rows):

* every stored candidate is put in the place of that token, the word it would make is given to the
  target's tokenizer (``resolve.py``), and the target token at b gets the candidate's mass. A
  candidate that does not begin with u, or whose word has no boundary at b or other tokens before
  it, can not be what follows: its mass is *inconsistent* and the row is conditioned on the rest;
* where the store was looked at (``continuations.py``) and the candidate's word was met in it, as
  it stands or begun, its mass is parted by what the word became there; where the word was over
  before the row, nothing tells what follows, and that part joins the tail;
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
from numpy.typing import NDArray

from align.blocks import Side
from align.kernels.jit import allocating, inlined, kernel
from align.prefix.continuations import Seen, read_on
from align.prefix.next_token import (
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
from align.prefix.retokenize import Resolved
from align.prefix.shard_arrays import UNASKED, Alike, Ends, Lines, Path, Rows, Shard, Slots, Target
from align.prefix.teacher_rows import arrange, room
from align.prefix.token_offsets import NOWHERE
from align.prefix.top_entries import Found, choose, forget, give, nothing
from align.projection import APART, EMPTY, EOS, MID, SAME, UNKNOWN_TOKEN
from align.vocabulary import SPECIAL, UNKNOWN, PrefixIndex, starts_like

DEPTH = 4


@allocating
def fill(
    first: int, last: int, shard: Shard, keep: int, lines: Lines
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Make the target rows of samples ``first:last``, of at most ``keep`` entries each.

    Returns:
        Ids and probabilities of their entries, row behind row.
    """
    found, used = nothing(len(shard.target.flags)), 0
    slots = room(first, last, shard.source_ptr, shard.rows, len(shard.side.bytes_ptr) - 1)
    space = 8 * (shard.target_ptr[last] - shard.target_ptr[first]) + keep
    ids, prob = np.empty(space, np.int32), np.empty(space, np.float32)
    i, s = shard.target_ptr[first], first
    while s < last:
        i, used = _fill_sample(shard, slots, found, keep, lines, (s, i, used), ids, prob)
        if i == shard.target_ptr[s + 1]:
            s += 1
        else:
            ids, prob = _longer(ids, keep), _longer(prob, keep)
    return ids[:used], prob[:used]


@allocating
def _longer(array: NDArray[np.int32], more: int) -> NDArray[np.int32]:
    """``array`` with room for as many entries again, and for ``more``."""
    longer = np.empty(2 * len(array) + more, array.dtype)
    longer[: len(array)] = array
    return longer


@kernel
def _fill_sample(
    shard: Shard, slots: Slots, found: Found, keep: int, lines: Lines, at: tuple[int, int, int],
    ids: NDArray[np.int32], prob: NDArray[np.float32],
) -> tuple[int, int]:  # fmt: skip
    """Make the rows of a sample from row ``i`` on; ``at`` is (sample, i, entries used).

    Returns:
        The row at which there may be no room for more, or the one behind the sample, and the
        entries used.
    """
    path, target, resolved, seen = shard.path, shard.target, shard.resolved, shard.seen
    ends, side, alike, index = shard.ends, shard.side, shard.alike, shard.pieces
    s, row, used = at
    bounds = (shard.source_ptr[s], shard.source_ptr[s + 1], shard.target_ptr[s])
    if row == bounds[2]:
        arrange(shard.rows, resolved.words, ends.asked, bounds[0], bounds[1], slots)
    for i in range(row, shard.target_ptr[s + 1]):
        count = 0
        if shard.same[s]:
            lines.kind[i] = SAME
            count = _copy(shard.rows, found, bounds[0] + i - bounds[2])
        else:
            lines.kind[i] = _kind(target, ends, i)
            if lines.kind[i] <= MID:
                count = _spread(
                    slots, path, target, resolved, seen, ends, side, alike, index, found, bounds, i
                )
                if count == 0:
                    lines.kind[i] = EMPTY
        lines.wrong[i] = found.held[0]
        if count == 0:
            found.held[TAIL - WRONG] = 0.0
            count = give(found, count, target.ids[i], 1.0)
        if used + min(count, keep) > len(ids):
            forget(found, count)
            return i, used
        size, rest, placed = choose(found, count, ids[used:], prob[used:], keep)
        lines.size[i], lines.tail[i], lines.kept[i] = size, rest, placed
        used += size
    return int(shard.target_ptr[s + 1]), used


@inlined
def _copy(rows: Rows, found: Found, r: int) -> int:
    """The teacher's own row ``r``; how many entries there are."""
    count = 0
    for e in range(rows.ptr[r], rows.ptr[r + 1]):
        if rows.prob[e] > 0.0:
            count = give(found, count, rows.ids[e], rows.prob[e])
    found.held[TAIL - WRONG] = rows.rest[r]
    return count


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
    slots: Slots, path: Path, target: Target, resolved: Resolved, seen: Seen, ends: Ends,
    side: Side, alike: Alike, index: PrefixIndex, found: Found,
    bounds: tuple[int, int, int], i: int,
) -> int:  # fmt: skip
    """Give the mass of row ``i`` to target tokens, the tail, and what can not be."""
    start, stop, first = bounds
    here, offset = start + target.token[i], target.offset[i]
    given, reach, sums = 0, 1.0, slots.sums
    for r in range(here, min(here + DEPTH + 1, stop)):
        at = r - start
        stand = Stand(i, first, r, r - here, offset)
        end, word = after_word(path, target, resolved, ends, stand)
        if stand.d > 0 and needs_bytes(path, ends, r):
            word = spelled(side, index, target, ends, stand, -1)
            end = word if end == TAIL else end
        kin = (slots.ptr[at], slots.middle[at])
        if kin[0] < kin[1]:
            behind = offset > 0 and stand.d == 0 and path.begins[r]  # the row is in the next word
            anchor = NOWHERE if path.anchor[r] == NOWHERE else first + path.anchor[r]
            given = _part(
                slots, target, resolved, seen, ends, side, index, found, given, stand, kin,
                (anchor, behind), reach,
            )  # fmt: skip
        if sums.begun[at] > 0.0:
            mass = reach * sums.begun[at]
            if word in (FIRST, OWN):
                anchor = i if word == FIRST else first + path.own[r]
                given = _part(
                    slots, target, resolved, seen, ends, side, index, found, given, stand,
                    (slots.low[at], slots.ptr[at + 1]), (anchor, False), reach,
                )  # fmt: skip
            else:
                given = give(found, given, word, mass)
        found.held[TAIL - WRONG] += reach * sums.silent[at]
        if sums.ended[at] > 0.0:
            given = give(found, given, end, reach * sums.ended[at])
        given = _give_rest(slots, side, alike, found, given, stand, word, start, reach)
        reach *= sums.written[at]
        if reach == 0.0 or _closes(path, ends, r, stand.d, offset):
            break
    return give(found, given, target.ids[i], reach) if reach > 0.0 else given


@inlined
def _give_rest(
    slots: Slots, side: Side, alike: Alike, found: Found, given: int, stand: Stand, word: int,
    start: int, reach: float,
) -> int:  # fmt: skip
    """Give what row ``stand.r`` did not store."""
    rest = reach * slots.sums.rest[stand.r - start]
    if stand.d > 0:
        return give(found, given, max(word, TAIL), rest) if rest > 0.0 else given
    if stand.offset > 0:
        share = _consistent_share(slots, side, alike, stand.r, stand.r - start, stand.offset)
        found.held[0] += rest * (1.0 - share)
        rest *= share
    found.held[TAIL - WRONG] += rest
    return given


@inlined
def _part(
    slots: Slots, target: Target, resolved: Resolved, seen: Seen, ends: Ends, side: Side,
    index: PrefixIndex, found: Found, given: int, stand: Stand, span: tuple[int, int],
    place: tuple[int, bool], reach: float,
) -> int:  # fmt: skip
    """Give the mass of the candidates in the slots ``span`` to what their words are, or have
    become elsewhere.

    ``place`` is the target token with which their words begin, and whether the row lies behind
    these words.
    """
    (anchor, behind), i = place, stand.i
    for e in range(span[0], span[1]):
        c, token, mass = slots.seen[e], int(slots.first[e]), reach * slots.mass[e]
        if c == UNASKED or anchor == NOWHERE:
            token = spelled(side, index, target, ends, stand, slots.ids[e])
        elif behind:
            token = WRONG
        elif anchor > i:
            token = TAIL
        elif c >= 0:
            c, share = read_on(seen, c, target.ids, target.flags, (anchor, i))
            found.held[0] += mass * (1.0 - share)
            left = seen.left[c] if c > 0 else share
            for k in range(c + 1, c + 1 + seen.tokens[c]):
                given = give(found, given, seen.tokens[k], mass * (left - seen.left[k]))
                left = seen.left[k]
            found.held[TAIL - WRONG] += mass * left
            continue
        elif anchor < i:
            wrong = 0 <= token != target.ids[anchor]  # however the word goes on, it begins so
            node = slots.node[e]
            token = (
                WRONG if wrong else token_at(resolved, node, target.ids, target.flags, anchor, i)
            )
        given = give(found, given, token, mass)
    return given


@inlined
def _consistent_share(
    slots: Slots, side: Side, alike: Alike, r: int, at: int, offset: int
) -> float:
    """The share of what row ``r`` did not store that begins like the token that was written: of
    the unstored source ids, those that begin with its first ``offset`` bytes."""
    stored = like = int(slots.sums.written[at] > 0.0)
    for e in range(slots.ptr[at], slots.ptr[at + 1]):
        if slots.middle[at] <= e < slots.low[at]:
            continue
        stored += 1
        like += starts_like(side.bytes_ptr, side.data, slots.ids[e], side.ids[r], offset)
    unstored = alike.pieces - stored
    all_like = alike.counts[side.bytes_ptr[side.ids[r]] + offset]
    return max(0, all_like - like) / unstored if unstored > 0 else 0.0


@inlined
def _closes(path: Path, ends: Ends, r: int, d: int, offset: int) -> bool:
    """Whether the row's token is certain once the source has written token ``r``."""
    if path.ids[r] == ends.source or path.cut[r] > (offset if d == 0 else 0):
        return True
    return d > 0 and path.begins[r]
