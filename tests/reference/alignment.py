"""Slow, obvious reference implementations of the alignment kernels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

Group = tuple[int, int, int, int]


def common_boundaries(source: Sequence[bytes], target: Sequence[bytes]) -> list[Group]:
    """Blocks between the byte positions at which both sides have a boundary.

    For non-empty pieces of one and the same text.
    """
    ends = []
    for side in (source, target):
        position, found = 0, {0: 0}
        for i, piece in enumerate(side):
            position += len(piece)
            found[position] = i + 1
        ends.append(found)
    shared = sorted(ends[0].keys() & ends[1].keys())
    cuts = [(ends[0][p], ends[1][p]) for p in shared]
    return [(a, c, b, d) for (a, b), (c, d) in pairwise(cuts)]


def ends_in_text(folded: Sequence[bytes], text: bytes) -> list[int]:
    """Where pieces of the folded ``text`` end in it.

    The space before the first word ends at the text's start, unless the text begins with
    whitespace; a piece that ends with a space ends after the whole run; the last one, with the
    text.
    """
    after = [0]  # in ``text``, after each byte of the folded one
    at = 0
    for byte in b"".join(folded):
        start = at
        while byte == 32 and at < len(text) and text[at : at + 1].isspace():
            at += 1
        at += byte != 32
        after.append(at if byte != 32 or at > start else start)
    ends, position = [], 0
    for piece in folded:
        position += len(piece)
        ends.append(after[position])
    return [*ends[:-1], len(text)] if ends else []


def overlaps(source: Sequence[bytes], target: Sequence[bytes]) -> set[tuple[int, int]]:
    """Pairs of tokens that share a byte, for non-empty pieces of one text."""
    owners = [[i for i, piece in enumerate(side) for _ in piece] for side in (source, target)]
    return set(zip(*owners, strict=True))


def common_ends(
    one: Sequence[int], one_glued: Sequence[bool], other: Sequence[int], other_glued: Sequence[bool]
) -> list[Group]:
    """Blocks between the ends that both sides have.

    Of equal ends the last counts, and none before a token that is glued, but for the text's end.
    """
    boundaries = []
    for ends, glued in ((one, one_glued), (other, other_glued)):
        found = {0: 0}
        for i, end in enumerate(ends):
            if i + 1 == len(ends) or not (glued[i + 1] or ends[i + 1] == end):
                found[end] = i + 1
        boundaries.append(found)
    shared = sorted(boundaries[0].keys() & boundaries[1].keys())
    cuts = [(boundaries[0][p], boundaries[1][p]) for p in shared]
    return [(a, c, b, d) for (a, b), (c, d) in pairwise(cuts)]


def without_gaps(text: bytes) -> bytes:
    """``text`` without controls and the characters that normalizers read as blanks."""
    wide = [0x85, 0x8F, 0x9F, 0xA0, 0x1680, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F]
    wide += [0x205F, 0x2581, 0x3000, 0xFEFF, 0xFFFD]
    for character in wide:
        text = text.replace(chr(character).encode(), b"")
    return bytes(byte for byte in text if byte > 0x20 and byte != 0x7F)


def folded_boundaries(source: Sequence[bytes], target: Sequence[bytes]) -> list[Group]:
    """Blocks of two texts of the same words, between blanks that may differ.

    A place is (words before it, bytes of the word before it, whether the blanks after that are
    read). Inside blanks that both sides have but write differently there is no place. Where only
    one side has blanks all of it is one place, of which the first boundary counts; a blank that
    comes last belongs to what is before it.
    """
    texts = [b"".join(side) for side in (source, target)]
    runs = [_runs(text) for text in texts]
    ends = []
    for k, side in enumerate((source, target)):
        found: dict[tuple[int, int], int] = {}
        position = 0
        for i, piece in enumerate([b"", *side]):
            position += len(piece)
            place = _place(texts[k], position, runs[k], runs[1 - k])
            if place is not None:
                found.setdefault(place, i)
        ends.append(found)
    shared = sorted(ends[0].keys() & ends[1].keys())
    cuts = [(ends[0][p], ends[1][p]) for p in shared]
    blocks = [(a, c, b, d) for (a, b), (c, d) in pairwise(cuts)]
    n, m = len(source), len(target)
    if not blocks:
        return [(0, n, 0, m)] if n or m else []
    return [*blocks[:-1], (blocks[-1][0], n, blocks[-1][2], m)]


def _runs(text: bytes) -> dict[int, bytes]:
    """The blanks before the word byte of each number, where there are any."""
    runs: dict[int, bytes] = {}
    ink = 0
    for byte in text:
        if bytes([byte]).isspace():
            runs[ink] = runs.get(ink, b"") + bytes([byte])
        else:
            ink += 1
    return runs


def _place(
    text: bytes, position: int, mine: dict[int, bytes], its: dict[int, bytes]
) -> tuple[int, int] | None:
    """Where a boundary at ``position`` is: word bytes before it, and blanks read after them."""
    ink = sum(not bytes([byte]).isspace() for byte in text[:position])
    read = 0
    while read < position and bytes([text[position - 1 - read]]).isspace():
        read += 1
    own, other = mine.get(ink, b""), its.get(ink, b"")
    if not own or not other:
        return ink, 0
    if own == other:
        return ink, read
    if read in (0, len(own)):
        return ink, int(read > 0)
    return None


def edit_distance(one: str, other: str) -> int:
    """Levenshtein's distance by plain recursion."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        same = one[i - 1] == other[j - 1]
        return min(
            distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (not same)
        )

    return distance(len(one), len(other))


@cache
def published_cost(source: bytes, target: bytes) -> int:
    """The price of a pair in the published notebook: spaces and markers do not count."""
    plain = [
        piece.decode("utf-8", "surrogateescape").replace(" ", "") for piece in (source, target)
    ]
    return edit_distance(plain[0], plain[1])


def published_warp(
    source: Sequence[bytes], target: Sequence[bytes]
) -> tuple[list[tuple[int, int]], int]:
    """Path and cost of the published recurrence: a matrix of totals, and a way back of three
    options."""
    far = float("inf")
    total = [[far] * (len(target) + 1) for _ in range(len(source) + 1)]
    total[0][0] = 0.0
    for i, s in enumerate(source):
        for j, t in enumerate(target):
            before = min(total[i][j + 1], total[i + 1][j], total[i][j])
            total[i + 1][j + 1] = published_cost(s, t) + before
    i, j = len(source) - 1, len(target) - 1
    path = [(i, j)]
    while (i, j) != (0, 0):
        options = [
            total[i][j] if i > 0 and j > 0 else far,
            total[i][j + 1] if i > 0 else far,
            total[i + 1][j] if j > 0 else far,
        ]
        move = options.index(min(options))
        i -= move in (0, 1)
        j -= move in (0, 2)
        path.append((i, j))
    return path[::-1], int(total[-1][-1])


def cheapest_path_cost(source: Sequence[bytes], target: Sequence[bytes]) -> int:
    """Cost of the cheapest monotone path, by recursion over every predecessor."""

    @cache
    def best(i: int, j: int) -> int:
        before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        costs = [best(a, b) for a, b in before if a >= 0 and b >= 0]
        return published_cost(source[i], target[j]) + min(costs, default=0)

    return best(len(source) - 1, len(target) - 1)


GAP, UNKNOWN = 0x20, 256


def price_together(a: int, b: int) -> int | float:
    """The price of putting two elements of a window against each other."""
    if a == b:
        return 0
    if GAP in (a, b):
        return float("inf")
    return 4 if UNKNOWN in (a, b) else 24


def price_alone(a: int, beside: int | None) -> int:
    """The price of an element that is after ``beside`` of the other side, without partner."""
    if a == GAP:
        return 1
    return 4 if beside == UNKNOWN else 16


def cheapest_window(one: tuple[int, ...], other: tuple[int, ...]) -> int | float:
    """Cost of the cheapest path through a window, by recursion over every predecessor."""

    @cache
    def best(i: int, j: int) -> int | float:
        costs: list[int | float] = []
        if i and j:
            costs.append(best(i - 1, j - 1) + price_together(one[i - 1], other[j - 1]))
        if i:
            costs.append(best(i - 1, j) + price_alone(one[i - 1], other[j - 1] if j else None))
        if j:
            costs.append(best(i, j - 1) + price_alone(other[j - 1], one[i - 1] if i else None))
        return min(costs, default=0)

    return best(len(one), len(other))


def full_window(one: Sequence[int], other: Sequence[int]) -> tuple[list[int], int | float]:
    """Path and cost by the full matrix; ties go to the diagonal, then to ``one`` alone.

    Steps are numbered as in ``align.exact.edit_path``.
    """
    n, m = len(one), len(other)
    total: list[list[int | float]] = [[0] * (m + 1) for _ in range(n + 1)]
    taken = [[0] * (m + 1) for _ in range(n + 1)]
    for i in range(n + 1):
        for j in range(m + 1):
            options: list[tuple[int | float, int]] = []
            if i and j:
                a, b = one[i - 1], other[j - 1]
                step = 1 if a != b and UNKNOWN not in (a, b) else 0
                options.append((total[i - 1][j - 1] + price_together(a, b), step))
            if i:
                price = price_alone(one[i - 1], other[j - 1] if j else None)
                options.append((total[i - 1][j] + price, 4 if price == 4 else 2))
            if j:
                price = price_alone(other[j - 1], one[i - 1] if i else None)
                options.append((total[i][j - 1] + price, 5 if price == 4 else 3))
            if options:
                total[i][j] = min(cost for cost, _ in options)
                taken[i][j] = next(step for cost, step in options if cost == total[i][j])
    i, j, steps = n, m, []
    while i or j:
        step = taken[i][j]
        steps.append(step)
        i -= step in (0, 1, 2, 4)
        j -= step in (0, 1, 3, 5)
    return steps[::-1], total[n][m]
