"""Slow, obvious counterparts of projection, on toy tokenizers.

ToyTokenizer   longest match from the left inside each word
ToyTeacher     a random bigram model over tokens
spread         the rule of the policy ``prefix`` for one row, written over whole texts
exact_next     the student's next-token distribution by enumerating what the teacher may write
one_to_one     the published rule for one row
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from align.vocabulary import MARKER, SPECIAL, UNKNOWN, Vocabulary, build_vocabulary

Row = Mapping[int, float]
WORD = re.compile(rb"\s*\S+|\s+\Z")
DEPTH = 4


@dataclass(frozen=True, eq=False)  # hashed by identity, which enumeration does very often
class ToyTokenizer:
    """Ids 0 (end of sequence) and 1 (unknown), then ``pieces``; longest match inside words.

    Where it ``folds``, runs of whitespace are one space, one comes before the text, and what
    trails is dropped.
    """

    spelled: tuple[bytes, ...]
    folds: bool = False

    @property
    def pieces(self) -> tuple[bytes, ...]:
        return (b"", b"", *self.spelled)

    def vocabulary(self) -> Vocabulary:
        flags = {0: SPECIAL, 1: UNKNOWN}
        if self.folds:
            flags |= {v: MARKER for v, piece in enumerate(self.pieces) if piece[:1] == b" "}
        return build_vocabulary(self.pieces, flags=flags, eos=0, folds=self.folds)

    def encode(self, text: bytes) -> list[int]:
        if self.folds:
            text = b"".join(b" " + word for word in text.split())
        return [token for word in WORD.findall(text) for token in self._word(word)]

    @lru_cache(1 << 14)  # noqa: B019 - enumeration asks for the same words very often
    def _word(self, word: bytes) -> tuple[int, ...]:
        tokens = []
        while word:
            fitting = [v for v, piece in enumerate(self.pieces) if piece and word.startswith(piece)]
            token = max(fitting, key=lambda v: len(self.pieces[v]), default=1)
            word = word[len(self.pieces[token]) or 1 :]
            tokens.append(token)
        return tuple(tokens)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text.encode()) for text in texts]


def fold(text: bytes, folds: bool) -> tuple[bytes, list[int]]:
    """``text`` as a folding tokenizer sees it, and the origin of each byte."""
    if not folds:
        return text, list(range(len(text)))
    seen, origin = bytearray(), []
    for at, byte in enumerate(text):
        if bytes([byte]).isspace():
            if not seen or seen[-1] == 32:
                continue
            byte = 32
        seen.append(byte)
        origin.append(at)
    return bytes(seen), origin


def place(student: ToyTokenizer, tokens: Sequence[int], text: bytes, i: int) -> int:
    """The byte of the teacher's ``text`` right after what the student has read before ``i``."""
    folded, origin = fold(text, student.folds)
    before = b"".join(student.pieces[token] for token in tokens[:i])
    if student.folds:
        before = fold(before, True)[0]
    assert folded.startswith(before)
    return origin[len(before) - 1] + 1 if before else 0


def stand(
    teacher: Sequence[bytes],
    student: ToyTokenizer,
    written: Sequence[int],
    tokens: Sequence[int],
    i: int,
) -> tuple[int, int]:
    """Where row ``i`` is: the byte, and the teacher's token."""
    text = b"".join(teacher[token] for token in written)
    starts = [len(b"".join(teacher[token] for token in written[:j])) for j in range(len(written))]
    at = place(student, tokens, text, i)
    ends = [start + len(teacher[token]) for start, token in zip(starts, written, strict=True)]
    j = next((k for k, end in enumerate(ends) if end > at), len(written) - 1)
    if student.folds and at > starts[j] and text[at - 1 : ends[j]].isspace():
        at, j = ends[j], j + 1  # the rest of the token is whitespace that the student does not see
    return at, j


def spread(
    teacher: Sequence[bytes],
    student: ToyTokenizer,
    written: Sequence[int],
    rows: Sequence[Row],
    tokens: Sequence[int],
    i: int,
    part: Callable[[int | str, int, int], Mapping[int | str, float]] | None = None,
) -> tuple[dict[int, float], float, float]:
    """Entries, tail and inconsistent mass of row ``i`` (before conditioning).

    ``written`` ends with the teacher's end of sequence (0) and ``tokens`` with the student's.
    ``part`` says what becomes of an outcome if the teacher writes a candidate at r.
    """
    text = b"".join(teacher[token] for token in written)
    starts = [len(b"".join(teacher[token] for token in written[:j])) for j in range(len(written))]
    at, j = stand(teacher, student, written, tokens, i)
    emitted = text[starts[j] : at]
    found: dict[int, float] = defaultdict(float)
    masses = {"tail": 0.0, "wrong": 0.0}

    def assign(outcome: int | str, mass: float) -> None:
        if isinstance(outcome, str):
            masses[outcome] += mass
        else:
            found[outcome] += mass

    reach = 1.0
    for d in range(DEPTH + 1):
        r = j + d
        if r == len(written):
            break
        so_far = text[: starts[r]]
        followed = 0.0
        for candidate, share in rows[r].items():
            if candidate == written[r]:
                followed = reach * share
                continue
            outcome = _outcome(teacher, student, tokens, i, at, so_far, candidate)
            parts = part(outcome, candidate, r) if part and candidate else {outcome: 1.0}
            for token, of_it in parts.items():
                assign(token, reach * share * of_it)
        rest = reach * max(0.0, 1 - sum(rows[r].values()))
        if d == 0:
            consistent = _unstored_share(teacher, rows[r], emitted)
            assign("tail", rest * consistent)
            assign("wrong", rest * (1 - consistent))
        else:
            ended = _ended(student, tokens, i, at, so_far)
            assign("tail" if ended == "wrong" else ended, rest)
        reach = followed
        if reach == 0 or _certain(text, at, starts[r], teacher[written[r]], written[r] == 0, d):
            break
    if reach > 0:
        found[tokens[i]] += reach
    return dict(found), masses["tail"], masses["wrong"]


def _outcome(teacher, student, tokens, i, at, so_far, candidate) -> int | str:
    """The student's token at byte ``at`` if the teacher writes ``candidate`` after ``so_far``."""
    if candidate == 0:
        if len(so_far) >= at and student.encode(so_far) == list(tokens[:i]):
            return 0
        return _ended(student, tokens, i, at, so_far) if len(so_far) > at else "wrong"
    return _ended(student, tokens, i, at, so_far + teacher[candidate])


def _ended(student, tokens, i, at, text) -> int | str:
    """The student's token at byte ``at`` if the text ends after ``text``."""
    got = student.encode(text)
    if got[:i] != list(tokens[:i]):
        return "wrong"
    if len(got) == i:
        return "tail"
    return "tail" if got[i] in (0, 1) else got[i]


def _certain(text, at, start, piece, ends, d) -> bool:
    """Whether the student's token at ``at`` is settled once ``piece`` is at ``start``."""
    if ends:
        return True
    after = text[at : start + len(piece)]
    if d == 0:
        return re.search(rb"\S\s", text[max(at, start) : start + len(piece)]) is not None
    return re.search(rb"\S\s", after) is not None or (
        piece[:1].isspace() and re.search(rb"\S\Z", text[:start]) is not None
    )


def _unstored_share(teacher: Sequence[bytes], row: Row, emitted: bytes) -> float:
    if not emitted:
        return 1.0
    unstored = [v for v, piece in enumerate(teacher) if piece and v not in row]
    like = [v for v in unstored if teacher[v].startswith(emitted)]
    return len(like) / len(unstored) if unstored else 0.0


def exact_next(
    teacher: Sequence[bytes],
    student: ToyTokenizer,
    after: Mapping[int, Row],
    written: Sequence[int],
    tokens: Sequence[int],
    i: int,
    longest: int,
) -> dict[int, float]:
    """The student's token ``i`` under everything that the teacher may write from its place on.

    ``after`` is the teacher: rows by the last token (0 at the start); after ``longest`` more
    tokens it ends for certain.
    """
    text = b"".join(teacher[token] for token in written)
    at = place(student, tokens, text, i)
    j = 0
    while j < len(written) - 1 and len(b"".join(teacher[v] for v in written[: j + 1])) <= at:
        j += 1
    found: dict[int, float] = defaultdict(float)

    def write(path: tuple[int, ...], mass: float) -> None:
        if path and path[-1] == 0:
            whole = b"".join(teacher[v] for v in (*written[:j], *path))
            got = [*student.encode(whole), 0]
            if whole.startswith(text[:at]) and got[:i] == list(tokens[:i]):
                found[got[i]] += mass
            return
        last = path[-1] if path else (written[j - 1] if j else 0)
        row = after[last] if len(path) < longest else {0: 1.0}
        for candidate, share in row.items():
            if share > 0:
                write((*path, candidate), mass * share)

    write((), 1.0)
    total = sum(found.values())
    return {token: mass / total for token, mass in found.items()}


def one_to_one(
    teacher: Sequence[bytes],
    student: Sequence[bytes],
    sampled: int,
    stored: Sequence[tuple[int, float]],
) -> dict[bytes, float]:
    """The published walk over one row: the sampled candidate, then the others as stored."""
    pieces = {piece for piece in student if piece}
    row: dict[bytes, float] = {}
    first = [entry for entry in stored if entry[0] == sampled]
    for candidate, share in [*first, *stored]:
        if teacher[candidate] in pieces and teacher[candidate] not in row:
            row[teacher[candidate]] = share
    return row


def unsettled(
    teacher: Sequence[bytes],
    student: ToyTokenizer,
    written: Sequence[int],
    rows: Sequence[Row],
    tokens: Sequence[int],
    i: int,
) -> float:
    """The share of row ``i`` that depends on what the teacher writes later, off its path.

    Of the mass that can agree with what the student has read; every row is complete.
    """
    text = b"".join(teacher[token] for token in written)
    at = place(student, tokens, text, i)
    ends = [len(b"".join(teacher[v] for v in written[: j + 1])) for j in range(len(written))]
    j = next((k for k, end in enumerate(ends) if end > at), len(written) - 1)
    settled = unsettled = 0.0
    reach, certain = 1.0, False
    for d in range(DEPTH + 1):
        r = j + d
        start = ends[r] - len(teacher[written[r]])
        followed = 0.0
        for candidate, share in rows[r].items():
            whole = text[:start] + teacher[candidate]
            if candidate == written[r]:
                followed = reach * share
            elif len(whole) >= at and not whole.startswith(text[:at]):
                pass
            elif len(whole) >= at and (
                candidate == 0 or re.search(rb"\S\s", whole[max(at, start if d == 0 else at) :])
            ):
                got = [*student.encode(whole), 0][: i + 1]
                settled += reach * share * (got[:i] == list(tokens[:i]))
            else:
                unsettled += reach * share
        reach = followed
        certain = _certain(text, at, start, teacher[written[r]], written[r] == 0, d)
        if reach == 0 or certain or r + 1 == len(written):
            break
    if certain:
        settled += reach
    else:
        unsettled += reach
    return unsettled / (settled + unsettled) if settled + unsettled else 1.0
