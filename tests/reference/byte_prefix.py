"""Byte-Prefix Marginalization of one row, over whole texts and without an index."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from tests.reference.projection import Row, ToyTokenizer

LONGER = 8


def seen(text: bytes, folds: bool) -> bytes:
    """``text`` as a student reads it that may fold whitespace and put a space before the text."""
    if not folds or not text:
        return text
    return b" " + re.sub(rb"\s+", b" ", text).lstrip()


def byte_prefix(
    teacher: Sequence[bytes],
    student: ToyTokenizer,
    written: Sequence[int],
    rows: Sequence[Row],
    tokens: Sequence[int],
    i: int,
) -> tuple[dict[int, float], float]:
    """Entries and tail of row ``i``; both sides end with id 0. No entries: the row is one-hot."""
    raw = [b"".join(teacher[token] for token in written[:j]) for j in range(len(written))]
    before = b"".join(student.pieces[token] for token in tokens[:i])
    text = seen(raw[-1], student.folds)
    assert text.startswith(before)

    def spells(j: int, token: int) -> bytes:
        """What ``token`` would add to the text in the place of the teacher's token j."""
        return seen(raw[j] + teacher[token], student.folds)[len(seen(raw[j], student.folds)) :]

    ends = [len(seen(part, student.folds)) for part in raw]
    last = len(written) - 1
    k = last if i == len(tokens) - 1 else max(j for j in range(last) if ends[j] <= len(before))
    offset = 0 if k == last else len(before) - ends[k]
    found: dict[int, float] = defaultdict(float)
    tail = 0.0 if offset else 1 - sum(rows[k].values())
    for token, mass in rows[k].items():
        spelled = spells(k, token)
        if token == 0:
            if not offset:
                found[0] += mass
        elif spelled[:offset] == spells(k, written[k])[:offset] and len(spelled) >= offset:
            rest = spelled[offset:]
            piece = _longest(student, rest[: ends[k + 1] - len(before)] if offset else rest)
            if piece is None:
                tail += mass
            else:
                found[piece] += mass
    if k < last:
        holder, goes_on = _longest(student, text[len(before) : ends[k + 1]]), text[len(before) :]
        longer = [p for p in student.spelled if goes_on.startswith(p)]
        longer = [p for p in longer if len(before) + len(p) > ends[k + 1]]
        for piece in sorted(longer, key=len)[:LONGER]:
            mass = _chain(piece, spells, written, rows, k, offset)
            if holder is None:
                tail -= mass
            else:
                found[holder] -= mass
            holder = student.pieces.index(piece)
            found[holder] += mass
    found = {token: mass for token, mass in found.items() if mass > 1e-12}
    total = sum(found.values()) + max(tail, 0.0)
    return {token: mass / total for token, mass in found.items()}, max(tail, 0.0) / (total or 1)


def _longest(student: ToyTokenizer, text: bytes) -> int | None:
    fitting = [v for v, piece in enumerate(student.pieces) if piece and text.startswith(piece)]
    return max(fitting, key=lambda v: len(student.pieces[v]), default=None)


def _chain(
    piece: bytes,
    spells: Callable[[int, int], bytes],
    written: Sequence[int],
    rows: Sequence[Row],
    k: int,
    offset: int,
) -> float:
    """The product of what was written along ``piece``, the last of it up to the piece's end."""
    mass, left, j = 1.0, piece, k
    while left:
        own = spells(j, written[j])
        rest = own[offset if j == k else 0 :]
        ends = len(rest) >= len(left)
        part = own[: len(own) - len(rest) + len(left)] if ends else own
        mass *= sum(
            p
            for token, p in rows[j].items()
            if token and (spells(j, token).startswith(part) if ends else spells(j, token) == own)
        )
        left, j = b"" if ends else left[len(rest) :], j + 1
    return mass
