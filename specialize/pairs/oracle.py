"""The exact distribution of a student's next token under a teacher, by expanding what may follow.

From the teacher's place on its own path every continuation is followed, most probable first, until
the word that holds the student's next token has ended; each text is then tokenized by the student
itself. Continuations whose tokens contradict those that the student has already read do not count.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from specialize.pairs.ngrams import After

EXPANSIONS = 250  # nodes followed a row
PRUNED = 2e-5  # continuations below this mass are not followed


@dataclass(frozen=True, slots=True)
class Position:
    """One student token and where the teacher is before it.

    ``before`` are the teacher's tokens up to the place, ``word`` the text of the current word up to
    it, ``read`` the student's tokens of that word, ``emitted`` the bytes of the teacher's next
    token that the student has read too; ``newline`` says that the teacher starts a line here.
    """

    before: tuple[int, ...]
    word: bytes
    read: tuple[int, ...]
    emitted: bytes
    newline: bool


@dataclass(frozen=True, slots=True)
class Continuation:
    """A text that may follow the place up to its word's end, and its probability."""

    text: bytes
    ends: bool  # the teacher's end of sequence follows
    mass: float


def positions(
    source: Sequence[bytes], target: Sequence[bytes], tokens: Sequence[int], ids: Sequence[int]
) -> list[Position | None]:
    """The position of every target token; None where the folded texts do not show it.

    ``source`` and ``target`` are pieces of one text, ``tokens`` and ``ids`` their ids.
    """
    text = b"".join(source)
    folded, origin = _fold(text)
    starts = np.cumsum([0] + [len(piece) for piece in source])
    places: list[int | None] = []
    read = b""
    for piece in target:
        known = folded.startswith(read) and len(read) < len(folded)
        places.append(origin[len(read)] if known else None)
        read = _fold(read + piece)[0]
    rows: list[Position | None] = []
    for i, place in enumerate(places):
        match = re.search(rb"\s*\S*\Z", text[:place])
        if place is None or match is None:
            rows.append(None)
            continue
        begin = match.start()
        j = int(np.searchsorted(starts, place, side="right")) - 1
        whole = begin in places[: i + 1]
        word = tuple(ids[places.index(begin) : i]) if whole else ()
        rows.append(
            Position(
                tuple(tokens[:j]),
                text[begin:place],
                word,
                text[int(starts[j]) : place],
                text[place : place + 1] == b"\n",
            )
            if whole
            else None
        )
    return rows


def _fold(text: bytes) -> tuple[bytes, list[int]]:
    """``text`` with runs of whitespace as one space, none at the start; the origin of each byte."""
    folded, origin = bytearray(), []
    for at, byte in enumerate(text):
        if bytes([byte]).isspace():
            if not folded or folded[-1] == 32:
                continue
            byte = 32
        folded.append(byte)
        origin.append(at)
    return bytes(folded), origin


class Pieces(NamedTuple):
    """What the ids of a vocabulary spell, and where each has its first whitespace; -1: nowhere."""

    spelled: Sequence[bytes]
    spaces: Sequence[int]

    @classmethod
    def of(cls, spelled: Sequence[bytes]) -> Pieces:
        found = (re.search(rb"\s", piece) for piece in spelled)
        return cls(spelled, [-1 if match is None else match.start() for match in found])


class _Expansion:
    """What may follow a position: words that are done, and those that go on, likeliest first."""

    def __init__(self, pieces: Pieces, eos: int, position: Position) -> None:
        self.pieces, self.eos, self.position = pieces, eos, position
        self.done: dict[tuple[bytes, bool], float] = {}
        self.queue: list[tuple[float, int, tuple[int, ...], bytes]] = []
        self.made, self.lost = 0, 0.0
        self.push(1.0, position.before, b"")

    def push(self, share: float, tokens: tuple[int, ...], text: bytes) -> None:
        self.made += 1
        heapq.heappush(self.queue, (-share, self.made, tokens, text))

    def finish(self, share: float, text: bytes, *, ends: bool) -> None:
        self.done[text, ends] = self.done.get((text, ends), 0.0) + share

    def in_word(
        self, tokens: tuple[int, ...], text: bytes, ids: list[int], mass: list[float]
    ) -> None:
        """Go on inside a word, where nothing is left to contradict: it ends at any whitespace."""
        spelled, spaces = self.pieces
        for token, share in zip(ids, mass, strict=True):
            space = spaces[token]
            if space >= 0:
                self.finish(share, text + spelled[token][:space], ends=False)
            elif token == self.eos:
                self.finish(share, text + spelled[token], ends=True)
            else:
                self.push(share, (*tokens, token), text + spelled[token])

    def before_word(
        self, tokens: tuple[int, ...], text: bytes, ids: list[int], mass: list[float]
    ) -> None:
        """Go on where the position's own bytes, or the word's first, are still to come."""
        emitted = self.position.emitted
        for token, share in zip(ids, mass, strict=True):
            longer = text + self.pieces.spelled[token]
            if not longer.startswith(emitted[: len(longer)]):
                continue
            word = _ended_word(longer[len(emitted) :])
            if share < PRUNED:
                self.lost += share
            elif token != self.eos and word is None:
                self.push(share, (*tokens, token), longer)
            elif len(longer) >= len(emitted):
                kept = longer if word is None else emitted + word
                self.finish(share, kept, ends=token == self.eos and word is None)


def continuations(
    after: After, pieces: Pieces, eos: int, position: Position
) -> tuple[list[Continuation], float]:
    """What may follow, up to the end of the word at the place, and the mass that was given up."""
    found, emitted = _Expansion(pieces, eos, position), len(position.emitted)
    for _ in range(EXPANSIONS):
        if not found.queue:
            break
        negative, _, tokens, text = heapq.heappop(found.queue)
        ids, probability = after(tokens)
        shares = -negative * probability
        if len(text) >= emitted:  # nothing is left to contradict: all that is rare is lost
            likely = int(np.searchsorted(-shares, -PRUNED, side="right"))
            found.lost += float(shares[likely:].sum())
            ids, shares = ids[:likely], shares[:likely]
        go_on = found.in_word if text[emitted:].strip() else found.before_word
        go_on(tokens, text, ids.tolist(), shares.tolist())
    lost = found.lost - sum(item[0] for item in found.queue)
    return [Continuation(text, ends, mass) for (text, ends), mass in found.done.items()], lost


def _ended_word(text: bytes) -> bytes | None:
    """The first word of ``text`` with the space before it, if something follows it."""
    match = re.match(rb"(\s*\S+)\s", text)
    return match.group(1) if match else None


def truth(
    position: Position, found: Sequence[Continuation], answers: Mapping[bytes, list[int]], eos: int
) -> tuple[dict[int, float], float]:
    """The next token's distribution, and the mass that it rests on.

    ``answers`` are the student's tokens of ``text_of`` every continuation.
    """
    mass: dict[int, float] = {}
    count = len(position.read)
    for continuation in found:
        tokens = answers[text_of(position, continuation)]
        tokens = [*tokens, eos] if continuation.ends else tokens
        if tuple(tokens[:count]) == position.read and len(tokens) > count:
            mass[tokens[count]] = mass.get(tokens[count], 0.0) + continuation.mass
    total = sum(mass.values())
    return {token: share / total for token, share in mass.items()} if total else {}, total


def text_of(position: Position, continuation: Continuation) -> bytes:
    """The word and what follows it, to be tokenized by the student."""
    emitted = len(position.emitted)
    return position.word + continuation.text[emitted:]


def class_of(piece: bytes, position: Position) -> str:
    """The class of a student token by its place."""
    if any(48 <= byte < 58 for byte in piece):
        return "number"
    if any(byte >= 128 for byte in piece):
        return "non-ASCII"
    if position.newline:
        return "line start"
    if position.word.rstrip(b" ").endswith(b"\n"):
        return "after newline"
    if piece[:1] == b" ":
        return "word start" if piece[1:2].isalpha() else "punctuation"
    return "word inside" if piece[:1].isalpha() else "punctuation"
