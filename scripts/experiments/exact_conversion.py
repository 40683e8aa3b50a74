"""The exact next-token distribution of one byte-level BPE vocabulary under a model of another.

After Phan, Khisti and Ullrich 2025 (arXiv:2512.14954), who use that BPE is recursive: with the
merges of rank k and above left out it is a BPE of its own. Their abstract and their published code,
which is for subsets of the teacher's merges, were at hand; this recursion for any two vocabularies
is derived from that. Nothing is tokenized to the end of a word, and no tokenizer is called.

P(c) is the probability that the teacher's text begins with the bytes c: the sum over all token
sequences that reach the end of c with their last token ("cover encodings", arXiv:2410.09303). Let
e_k be the student's encoding by merges of rank below k. Texts that begin with c and whose encoding
e_k begins with e_k(c) are all that begin with c, but for those in which a merge crosses the end of
c. The first that does, of rank j, joins the last token of e_j(c) with a token b that follows::

    F_k(c) = P(c) - sum over merges j < k, (last token of e_j(c), b):  F_j(c + b)
    F_j(c + b) counts only where e_j(c + b) = e_j(c) + b, else it is 0
    p(u | read) = F(read + u) / F(read), where encoding read + u gives read and u

A token merges with itself from the left: of a run of them only one that is left over crosses.
Merges stay inside what the student's pre-tokenizer splits off. Texts below ``least`` of mass are
not followed, and what they could hold at most is counted (``lost``). The split of a text is taken
from the text so far, which later text can still change in runs of whitespace and contractions; what
is not whole UTF-8 counts as letters.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend

from align.vocabulary import Vocabulary
from specialize.pairs.ngrams import After
from specialize.pairs.oracle import Position
from specialize.tokens import Tokenizer

Merges = Mapping[tuple[bytes, bytes], int]
Split = Callable[[bytes], list[int]]
LEAST = 1e-7  # mass of a text that is still followed
PATH = 1e-12  # mass of a way to write it


class Student:
    """A byte-level BPE: its merges by rank, where it splits texts before them, and its ids."""

    def __init__(self, merges: Merges, ids: Mapping[bytes, int], split: Split) -> None:
        self.ids, self.split = ids, lru_cache(1 << 16)(split)
        self.merges, self.end = merges, len(merges)
        self.crossing: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
        for (left, right), rank in sorted(merges.items(), key=lambda item: item[1]):
            self.crossing[left].append((rank, right))
        self.history = lru_cache(1 << 16)(self._history)
        # every prefix of a piece, so that pieces can be looked for byte by byte
        self.begins = {piece[:n] for piece in ids for n in range(len(piece) + 1)}

    def _history(self, part: bytes) -> list[tuple[int, tuple[bytes, ...]]]:
        """The encodings of an unsplit part: each with the rank from which on it holds."""
        tokens = tuple(part[i : i + 1] for i in range(len(part)))
        found = [(0, tokens)]
        while True:
            ranks = [self.merges.get(pair, self.end) for pair in pairwise(tokens)]
            rank = min(ranks, default=self.end)
            if rank == self.end:
                return found
            tokens = self._merged(tokens, rank)
            found.append((rank + 1, tokens))

    def _merged(self, tokens: tuple[bytes, ...], rank: int) -> tuple[bytes, ...]:
        merged: list[bytes] = []
        i = 0
        while i < len(tokens):
            here = i + 1 < len(tokens) and self.merges.get((tokens[i], tokens[i + 1])) == rank
            merged.append(tokens[i] + tokens[i + 1] if here else tokens[i])
            i += 2 if here else 1
        return tuple(merged)

    def encode(self, text: bytes, below: int) -> tuple[bytes, ...]:
        """The tokens of ``text`` by merges of rank ``below``."""
        tokens: list[bytes] = []
        for start, stop in pairwise([*self.split(text), len(text)]):
            history = self.history(text[start:stop])
            tokens += history[bisect_right([at for at, _ in history], below) - 1][1]
        return tuple(tokens)


def student_of(tokenizer: Tokenizer) -> Student | None:
    """The BPE of a byte-level tokenizer, None of any other."""
    with TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        file = Path(folder) / "tokenizer.json"
        content, backend = json.loads(file.read_text()), Backend.from_file(str(file))
    model = content["model"]
    if model["type"] != "BPE" or "ByteLevel" not in json.dumps(content["pre_tokenizer"]):
        return None
    pieces = tokenizer.vocabulary().all_pieces()
    vocab = model["vocab"]
    spelled = {text: pieces[number] for text, number in vocab.items()}
    merges = [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in model["merges"]]
    ids = {pieces[v]: v for v in vocab.values() if pieces[v]}
    ranked = {(spelled[a], spelled[b]): rank for rank, (a, b) in reversed([*enumerate(merges)])}

    def split(text: bytes) -> list[int]:
        shown = _readable(text)
        parts = backend.pre_tokenizer.pre_tokenize_str(shown)
        return [len(shown[: span[0]].encode()) for _, span in parts]

    return Student(ranked, ids, split)


def _readable(text: bytes) -> str:
    """``text`` with its incomplete last character as letters of one byte."""
    for cut in range(len(text), max(len(text) - 4, -1), -1):
        try:
            return text[:cut].decode() + "a" * (len(text) - cut)
        except UnicodeDecodeError:
            continue
    return text.decode("latin-1").encode("ascii", "replace").decode()


class _Table(NamedTuple):
    """A distribution in the order of what its tokens spell; ``sums`` are of those before each."""

    given: NDArray[np.int32]
    ids: NDArray[np.int32]
    ranks: NDArray[np.int64]
    sums: NDArray[np.float64]


class Teacher:
    """A model of tokens as one of bytes."""

    def __init__(self, vocabulary: Vocabulary, after: After) -> None:
        pieces = vocabulary.all_pieces()
        order = sorted(range(len(pieces)), key=lambda v: pieces[v])
        self._sorted = [pieces[v] for v in order]
        self._rank = np.empty(len(pieces), np.int64)
        self._rank[order] = np.arange(len(pieces))
        self.after, self.pieces, self.eos = after, pieces, vocabulary.eos
        self._range = lru_cache(1 << 16)(self._find)
        self._tables: dict[int, _Table] = {}

    def _find(self, prefix: bytes) -> tuple[int, int]:
        low = bisect_left(self._sorted, prefix)
        return low, bisect_left(self._sorted, prefix + b"\xff" * 8, lo=low)

    def begins(self, tokens: tuple[int, ...], prefix: bytes) -> float:
        """The mass of next tokens that begin with ``prefix``."""
        table = self._table(tokens)
        low, high = np.searchsorted(table.ranks, self._range(prefix))
        return float(table.sums[high] - table.sums[low])

    def equals(self, tokens: tuple[int, ...], piece: bytes) -> list[tuple[int, float]]:
        """The next tokens that spell ``piece``, and their masses."""
        table, first = self._table(tokens), bisect_left(self._sorted, piece)
        last = bisect_right(self._sorted, piece, lo=first)
        low, high = np.searchsorted(table.ranks, (first, last))
        masses = np.diff(table.sums[low : high + 1]).tolist()
        return list(zip(table.ids[low:high].tolist(), masses, strict=True))

    def ends(self, tokens: tuple[int, ...]) -> float:
        """The mass of the end of sequence."""
        ids, mass = self.after(tokens)
        return float(mass[ids == self.eos].sum())

    def _table(self, tokens: tuple[int, ...]) -> _Table:
        ids, mass = self.after(tokens)
        if id(ids) not in self._tables:  # which are kept, so that no others get their id
            order = np.argsort(self._rank[ids])
            sums = np.concatenate([np.zeros(1), np.cumsum(mass[order])])
            self._tables[id(ids)] = _Table(ids, ids[order], self._rank[ids][order], sums)
        return self._tables[id(ids)]


class Stream:
    """What the teacher's text is after ``known``, which is certain, with ``before`` written."""

    def __init__(self, teacher: Teacher, before: tuple[int, ...], known: bytes) -> None:
        self._teacher, self._known = teacher, known
        self._paths: dict[bytes, list[tuple[tuple[int, ...], float]]] = {b"": [(before, 1.0)]}
        self._mass: dict[bytes, float] = {}

    def mass(self, text: bytes) -> float:
        """P(text)."""
        if len(text) <= len(self._known):
            return float(self._known.startswith(text))
        if not text.startswith(self._known):
            return 0.0
        new = text[len(self._known) :]
        if new not in self._mass:
            self._mass[new] = sum(
                mass * self._teacher.begins(tokens, new[cut:])
                for cut in range(len(new))
                for tokens, mass in self.paths(new[:cut])
            )
        return self._mass[new]

    def paths(self, new: bytes) -> list[tuple[tuple[int, ...], float]]:
        """The ways to write exactly ``new``, with their masses."""
        if new not in self._paths:
            self._paths[new] = [
                ((*tokens, token), mass * share)
                for cut in range(len(new))
                for tokens, mass in self.paths(new[:cut])
                for token, share in self._teacher.equals(tokens, new[cut:])
                if mass * share > PATH
            ]
        return self._paths[new]

    def ends_after(self, text: bytes) -> float:
        """The probability that the text is ``text`` and nothing more."""
        new = text[len(self._known) :]
        return sum(mass * self._teacher.ends(tokens) for tokens, mass in self.paths(new))


class Conversion:
    """The student's next-token distributions in one place of a text; ``lost`` bounds the mass that
    was not followed, and ``total`` is that of all next tokens, before it is made 1."""

    def __init__(self, student: Student, stream: Stream, *, least: float = LEAST) -> None:
        self._student, self._stream, self._least = student, stream, least
        self.lost, self.total = 0.0, 1.0

    def begins(self, text: bytes, tokens: tuple[bytes, ...], below: int) -> float:
        """F: the mass of texts whose encoding by merges of rank ``below`` begins with ``tokens``,
        which spell ``text``."""
        student, mass = self._student, self._stream.mass(text)
        if mass <= self._least or student.encode(text, below) != tokens:
            self.lost += mass if mass <= self._least else 0.0
            return 0.0
        start = student.split(text)[-1]
        for first, stop, part in self._periods(text[start:], below):
            for rank, right in student.crossing.get(part[-1], ()):
                if not first <= rank < stop or (right == part[-1] and _run(part) % 2 == 0):
                    continue
                longer = text + right
                # the first byte alone tells of most that nothing goes on so
                if (rare := self._stream.mass(text + right[:1])) <= self._least:
                    self.lost += rare
                    continue
                if student.split(longer)[-1] == start:
                    mass -= self.begins(longer, (*student.encode(text, rank), right), rank)
        return mass

    def _periods(self, part: bytes, below: int) -> list[tuple[int, int, tuple[bytes, ...]]]:
        """The encodings of ``part`` by merges of lower rank, and the ranks from and to which each
        is the one."""
        history = self._student.history(part)
        stops = [*(first for first, _ in history[1:]), self._student.end]
        return [
            (first, min(stop, below), tokens)
            for (first, tokens), stop in zip(history, stops, strict=True)
            if first < below
        ]

    def next_token(self, before: bytes, read: bytes) -> dict[bytes | None, float]:
        """The distribution of the token after ``read``, which follows ``before``; None is the end.

        Args:
            before: bytes that the stream begins with and the student does not encode here.
            read: what it has read since, and encodes so.
        """
        placed = _Placed(self._stream, before)
        inner = Conversion(self._student, placed, least=self._least)
        tokens = self._student.encode(read, self._student.end)
        found: dict[bytes | None, float] = {}
        queue = [bytes([byte]) for byte in range(256)]
        while queue:
            piece = queue.pop()
            if piece not in self._student.begins:
                continue
            if (mass := placed.mass(read + piece)) <= self._least:
                inner.lost += mass
                continue
            if piece in self._student.ids:
                mass = inner.begins(read + piece, (*tokens, piece), self._student.end)
                if mass > 0:
                    found[piece] = mass
            queue += [piece + bytes([byte]) for byte in range(256)]
        ends = placed.ends_after(read)
        if ends > 0:
            found[None] = ends
        self.total, self.lost = sum(found.values()), self.lost + inner.lost
        return {piece: mass / self.total for piece, mass in found.items()}


class _Placed(Stream):
    """A stream after its first bytes."""

    def __init__(self, stream: Stream, before: bytes) -> None:
        self._stream, self._before = stream, before

    def mass(self, text: bytes) -> float:
        return self._stream.mass(self._before + text)

    def ends_after(self, text: bytes) -> float:
        return self._stream.ends_after(self._before + text)


def _run(tokens: Sequence[bytes]) -> int:
    """How many tokens equal to the last one end ``tokens``."""
    count = 0
    while count < len(tokens) and tokens[-1 - count] == tokens[-1]:
        count += 1
    return count


def convert(
    student: Student,
    teacher: Teacher,
    position: Position,
    *,
    least: float = LEAST,
) -> tuple[dict[bytes | None, float], float]:
    """The next token's distribution at a position, and at most what share was not followed.

    As in ``oracle.py`` the teacher has written its own tokens before the place, so that the words'
    bytes up to its last token are certain.
    """
    word, before, emitted = position.word, position.before, position.emitted
    known = word[: max(len(word) - len(emitted), 0)]
    earlier = emitted[: max(len(emitted) - len(word), 0)]
    conversion = Conversion(student, Stream(teacher, before, known), least=least)
    found = conversion.next_token(earlier, word)
    return found, conversion.lost / (conversion.total or 1.0)


def as_ids(
    student: Student, mass: Mapping[bytes | None, float], eos: int | None
) -> dict[int, float]:
    """The same distribution over the student's ids."""
    end = -1 if eos is None else eos
    return {end if v is None else student.ids[v]: p for v, p in mass.items()}
