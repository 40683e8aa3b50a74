"""What a student would learn from a teacher's rows: how much of them is left, and how true it is.

One worked line, GPT-2's tokens to T5's, 200 GSM8K solutions::

    k = 5    soft rows 99.9 %    mass stored .82    expected distance from the truth .18
             numbers alone                   .72                                   .37

The distance is total variation, with tail mass counted as missed. Soft rows and masses are those of
the rows at hand; the distance is measured on a stand-in that is as sharp as they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from align import Projection, Projector, Ragged, SparseDistributions
from align.blocks import Blocks
from align.projection import KINDS
from specialize.pairs.evidence import Evidence, completed, mass_at, stand_in
from specialize.pairs.fidelity import (
    Study,
    Truth,
    compare_row,
    error_by_text,
    known_rows,
    truths,
)
from specialize.pairs.ngrams import SHARP, After
from specialize.pairs.specials import Special, specials
from specialize.targets.counts import CLASSES, token_classes
from specialize.targets.projecting import Job
from specialize.tokens import Tokenizer

SIZES = (5, 20, 64)
KNOWN_ROWS = 3000  # about how many rows are compared with the truth
ENOUGH = 0.01  # of total variation: a larger k that gains less is not worth its bytes


@dataclass(frozen=True, slots=True)
class ClassForecast:
    """One class of student tokens at one k; shares and masses from 0 to 1."""

    rows: int
    soft_share: float
    stored: float  # mass of a soft row's entries, on average
    known_rows: int  # compared with the truth
    total_variation: float | None  # None where none was
    error: float | None  # standard error of it, by texts; None where they are of one text


@dataclass(frozen=True, slots=True)
class SizeForecast:
    """Rows of k entries on both sides. ``all`` are the rows of every class.

    Attributes:
        kept: mass that found tokens of the student, in soft rows, cut to k or not.
        inconsistent: mass of candidates that contradict what was written.
        seconds: of processor time, to align and project the measured texts.
    """

    k: int
    all: ClassForecast
    by_class: Mapping[str, ClassForecast]
    kept: float
    inconsistent: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Structure:
    """How two tokenizations of the same texts lie to each other, whatever the teacher says.

    Attributes:
        texts, teacher_tokens, student_tokens: measured, ends of sequence included.
        text_bytes: of all of them, in UTF-8.
        shared_boundaries: share of the student's tokens that end where one of the teacher's does.
        one_to_one: share of them that are alone opposite a single token of the teacher.
        kinds: share of rows by kind (``align.projection.KINDS``), written tokens being stored:
            ``mid`` begin inside a token of the teacher and are hard where that one is not stored.
    """

    texts: int
    teacher_tokens: int
    student_tokens: int
    text_bytes: int
    shared_boundaries: float
    one_to_one: float
    kinds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Everything that is forecast of the rows of a pair."""

    structure: Structure
    mass: Mapping[int, float]  # of the teacher's k best tokens
    sizes: tuple[SizeForecast, ...]
    advised_k: int
    tokens: Ragged  # the student's, of the measured texts
    specials: tuple[Special, ...]


def forecast(evidence: Evidence, student: Tokenizer) -> Forecast:
    """What becomes of the teacher's rows in the student's vocabulary.

    Raises:
        ConfigurationError: the student has no end of sequence.
    """
    wanted = tuple(k for k in SIZES if k <= evidence.most) or (evidence.most,)
    maker = _Maker(evidence, student)
    sizes = tuple(maker.size(k) for k in wanted)
    rows = evidence.rows_at(wanted[-1])
    return Forecast(
        maker.structure(),
        {k: mass_at(rows, k) for k in wanted},
        sizes,
        advised_k(sizes),
        maker.prepared.tokens,
        tuple(specials(evidence, student, maker.job(wanted[0]))),
    )


def advised_k(sizes: Sequence[SizeForecast]) -> int:
    """The least k at which no larger one is truer by ``ENOUGH``."""
    known = [(size.k, size.all.total_variation or 0.0) for size in sizes]
    best = min(distance for _, distance in known)
    return next(k for k, distance in known if distance <= best + ENOUGH)


class _Maker:
    """Aligns once and projects for every k."""

    def __init__(self, evidence: Evidence, student: Tokenizer) -> None:
        self.evidence, self.student = evidence, student
        self.same = evidence.fingerprint == student.fingerprint
        ends = evidence.ends  # rows of one tokenizer stay as they are
        self.ends = None if ends is None else replace(ends, adds_up=not self.same)
        self.source = student.vocabulary() if self.same else evidence.source
        self.classes = token_classes(student.vocabulary())
        self.prepared = self.job(SIZES[0]).prepare(evidence.texts)
        lengths = self.prepared.tokens.lengths
        self.text_of_row = np.repeat(np.arange(len(lengths)), lengths)
        self.after = evidence.after if evidence.after is not None else self._stand_in()
        self._structure: Structure | None = None
        self.known: list[Truth] = [] if self.same else self._truths()

    def job(self, k: int) -> Job:
        """By which rows of ``k`` entries are projected."""
        encode = self.student.encode_ragged
        projector = Projector(self.source, self.student.vocabulary(), encode=encode, keep=k)
        return Job(projector, self.student, self.classes, k, "all", 1, self.ends)

    def _stand_in(self) -> list[After]:
        """The teacher's own rows, and beside its path a stand-in that is as sharp as they are."""
        evidence = self.evidence
        rows, best = evidence.rows_at(evidence.most), min(SHARP, evidence.most)
        others = stand_in(evidence.seen.tokens, mass_at(rows, best), best)
        starts, after = evidence.seen.tokens.indptr, []
        for i, written in enumerate(self._written()):
            own = rows[int(starts[i]) : int(starts[i + 1])]
            after.append(completed(own, written, others[i]))
        return after

    def _written(self) -> list[list[int]]:
        tokens = self.evidence.seen.tokens
        return [tokens.sample(i).tolist() for i in range(self.evidence.measured)]

    def _truths(self) -> list[Truth]:
        tokens = self.prepared.tokens
        listed = [tokens.sample(i).tolist() for i in range(len(tokens))]
        study = Study(self.source, self.student, self._written(), listed, self.after)
        return truths(study, min(1.0, KNOWN_ROWS / max(len(tokens.ids), 1)))

    def size(self, k: int) -> SizeForecast:
        """The forecast for rows of ``k`` entries."""
        job, evidence = self.job(k), self.evidence
        job.observe(evidence.seen, job.prepare(evidence.seen))
        rows = evidence.rows_at(k)
        assumed = rows if evidence.known == "assumed" else self._assumed_rows(k)
        ideal = job.projection(evidence.texts.tokens, assumed, self.prepared)
        started = time.process_time()  # kernels are compiled by now
        prepared = job.prepare(evidence.texts)
        made = job.projection(evidence.texts.tokens, rows, prepared)
        seconds = time.process_time() - started
        if self._structure is None:
            self._structure = self._measured_structure(ideal, prepared.blocks)
        distances = self._distances(ideal.distributions, made)
        by_class = {
            name: part
            for number, name in enumerate(CLASSES)
            if (part := self._part(made, distances, number)).rows
        }
        soft = made.is_soft
        return SizeForecast(
            k, self._part(made, distances, None), by_class, _mean(made.kept[soft]),
            _mean(made.inconsistent[soft]), seconds,
        )  # fmt: skip

    def _assumed_rows(self, k: int) -> SparseDistributions:
        return known_rows(self._written(), self.after, k)

    def _distances(
        self, rows: SparseDistributions, made: Projection
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows of which the distance from the truth is known, and it."""
        if self.same:  # rows are carried over as they are: what is missing is the tail
            soft = np.flatnonzero(made.is_soft)
            return soft, np.exp(made.distributions.tail[soft].astype(np.float64))
        where = np.array([item.row for item in self.known], np.int64)
        return where, np.array([compare_row(rows, item)[0] for item in self.known])

    def _part(
        self,
        made: Projection,
        distances: tuple[NDArray[np.int64], NDArray[np.float64]],
        number: int | None,
    ) -> ClassForecast:
        """Rows of one class of tokens; None: of all."""
        classes = self.classes[self.prepared.tokens.ids]
        mine = np.ones(len(classes), np.bool_) if number is None else classes == number
        soft, (where, distance) = made.is_soft & mine, distances
        known = distance[mine[where]]
        texts = self.text_of_row[where][mine[where]]
        return ClassForecast(
            rows=int(mine.sum()),
            soft_share=float(soft.sum() / max(mine.sum(), 1)),
            stored=_mean(1 - np.exp(made.distributions.tail[soft].astype(np.float64))),
            known_rows=len(known),
            total_variation=float(known.mean()) if len(known) else None,
            error=error_by_text(known, texts) if len(set(texts.tolist())) > 1 else None,
        )

    def structure(self) -> Structure:
        if self._structure is None:
            raise ValueError("nothing was projected yet")
        return self._structure

    def _measured_structure(self, ideal: Projection, blocks: Blocks | None) -> Structure:
        tokens, texts = self.prepared.tokens, self.evidence.texts
        groups = np.zeros((0, 4), np.int32) if blocks is None else blocks.groups
        wide = (groups[:, 1] - groups[:, 0], groups[:, 3] - groups[:, 2])
        alone = (wide[0] == 1) & (wide[1] == 1)
        spelling = max(int(groups[:, 3].sum() - groups[:, 2].sum()), 1)
        shares = np.bincount(ideal.kind, minlength=len(KINDS)) / max(len(ideal.kind), 1)
        return Structure(
            texts=len(texts),
            teacher_tokens=len(texts.tokens.ids),
            student_tokens=len(tokens.ids),
            text_bytes=sum(len(response.text.encode()) for response in texts.responses),
            shared_boundaries=float(((wide[0] > 0) & (wide[1] > 0)).sum() / spelling),
            one_to_one=float(alone.sum() / spelling),
            kinds={
                name: float(share)
                for name, share in zip(KINDS, shares.tolist(), strict=True)
                if share
            },
        )


def _mean(values: NDArray[np.floating]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0
