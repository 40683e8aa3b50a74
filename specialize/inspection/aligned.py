"""A teacher's response beside the targets made of it, split into aligned groups.

    teacher   [" $" | "12"]        {" $": .90, " a": .10}  {"12": .70, "10": .20}
    student   [" $12"]             {" $12": .63, " $10": .18}   kept .81   dropped .19

A group is a minimal block of tokens that spell the same text on both sides. What was dropped is the
mass that no stored entry of the student holds, and, named, the candidates at a group's first
teacher token that no entry of its first student token begins or continues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align import align_pieces
from specialize.errors import ConfigurationError
from specialize.inspection.store import find_sample
from specialize.store import Sample, Store


@dataclass(frozen=True, slots=True)
class Candidate:
    """One stored entry; ``dropped`` where the other side has nothing of it."""

    piece: bytes
    probability: float
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One token with its stored entries; ``kept`` is their mass, 0 to 1."""

    piece: bytes
    candidates: tuple[Candidate, ...]
    kept: float

    @property
    def soft(self) -> bool:
        """Whether more than the token itself is stored."""
        return len(self.candidates) > 1 or self.kept < 1 - 1e-3


@dataclass(frozen=True, slots=True)
class Group:
    """Tokens of both sides that spell the same text; one side may be empty."""

    teacher: tuple[Cell, ...]
    student: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Aligned:
    """One response, group by group."""

    title: str
    policy: str
    groups: tuple[Group, ...]

    @property
    def kept(self) -> float:
        """Mean mass that the student's rows keep."""
        cells = [cell.kept for group in self.groups for cell in group.student]
        return sum(cells) / len(cells) if cells else 0.0


def align_samples(responses: Path, targets: Path, example: str | None, sample: int) -> Aligned:
    """One response of a teacher's store beside its targets.

    Args:
        example: an example's id; None: the first of the targets.

    Raises:
        ConfigurationError: ``targets`` are no targets of these responses, or lack the sample.
        StoreError: a store is damaged.
    """
    source, made = Store.open(responses), Store.open(targets)
    if made.description.kind != "targets" or source.description.kind != "responses":
        raise ConfigurationError(
            f"{responses} holds {source.description.kind} and {targets} {made.description.kind}; "
            f"name the store of targets, and with --responses the one that it was aligned from"
        )
    if made.description.settings.get("responses") != f"sha256:{source.digest}":
        raise ConfigurationError(f"{targets} was not aligned from {responses}; name its responses")
    found = find_sample(made, example, sample)
    key = found.response.key
    teacher = _cells(source[key].content(), source.vocabulary())
    student = _cells(found.content(), made.vocabulary())
    groups = _groups(teacher, student)
    title = f"{key[0]}, sample {key[1]}"
    return Aligned(title, str(made.description.settings.get("policy")), groups)


def _cells(sample: Sample, vocabulary: Mapping[int, bytes]) -> list[Cell]:
    cells = []
    for i, token in enumerate(sample.token_id.tolist()):
        row = sample.distributions[i : i + 1]
        probabilities = np.exp(row.logprobs.astype(np.float64))
        pairs = zip(row.ids.tolist(), probabilities.tolist(), strict=True)
        entries = tuple(Candidate(vocabulary[id_], p) for id_, p in pairs if p > 0)
        cells.append(
            Cell(vocabulary[token], entries, min(1.0, sum(e.probability for e in entries)))
        )
    return cells


def _groups(teacher: Sequence[Cell], student: Sequence[Cell]) -> tuple[Group, ...]:
    """Minimal blocks; an end of sequence, which spells nothing, is a block of its own."""
    sides = [_text(cells) for cells in (teacher, student)]
    alignment = align_pieces(*([cell.piece for cell in side] for side in sides))
    made = []
    for a, b, c, d in alignment.groups():
        first = not a and not c
        made.append(_marked(teacher[a:b], student[c:d], first))
    ends = [
        tuple(cells[len(side) :]) for cells, side in zip((teacher, student), sides, strict=True)
    ]
    if any(ends):
        made.append(Group(*ends))
    return tuple(made)


def _text(cells: Sequence[Cell]) -> Sequence[Cell]:
    """``cells`` without an end of sequence."""
    return cells[:-1] if cells and not cells[-1].piece else cells


def _marked(teacher: Sequence[Cell], student: Sequence[Cell], first: bool) -> Group:
    """A group whose first teacher token shows which of its candidates were dropped.

    A tokenizer may put a space before a text, so there spaces do not count, and fold others.
    """
    if not teacher or not student:
        return Group(tuple(teacher), tuple(student))
    known = [entry.piece for entry in student[0].candidates]
    kept = [_bare(piece, first) for piece in known]
    # the space alone that a tokenizer puts before a text begins every candidate
    any_begins = first and any(piece and not piece.strip() for piece in known)
    marked = tuple(
        Candidate(
            entry.piece,
            entry.probability,
            not (any_begins or _continues(_bare(entry.piece, first), kept)),
        )
        for entry in teacher[0].candidates
    )
    head = Cell(teacher[0].piece, marked, teacher[0].kept)
    return Group((head, *teacher[1:]), tuple(student))


def _bare(piece: bytes, first: bool) -> bytes:
    bare = piece.lstrip()
    return bare if first or bare == piece else b" " + bare


def _continues(piece: bytes, kept: Sequence[bytes]) -> bool:
    if not piece:
        return b"" in kept
    return any(piece.startswith(other) or other.startswith(piece) for other in kept if other)
