"""How far projected rows are from the truth, where the truth is known.

    the truth of a student token   {" 12": .55, " 10": .30, " 1": .15}
    its projected row              {" 12": .50, " 10": .28}  tail .22       total variation .22

Tail mass counts as missed. The teacher is one whose distributions are known whatever it is asked
(``After``); the truth comes from expanding what it may write (``oracle.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align import SparseDistributions
from align.vocabulary import Vocabulary
from specialize.pairs.ngrams import After
from specialize.pairs.oracle import (
    Pieces,
    Position,
    class_of,
    continuations,
    positions,
    text_of,
    truth,
)
from specialize.tokens import Tokenizer

_LEAD = "a"  # a word before a part of a text
RESOLVED = 0.8  # rows of which the expansion settled less are left out


@dataclass(frozen=True, slots=True)
class Truth:
    """The true distribution of one student token, where it is, and the share of the mass that it
    rests on."""

    row: int
    position: Position
    mass: Mapping[int, float]
    resolved: float
    token_class: str


@dataclass(frozen=True, slots=True)
class Study:
    """Texts in both vocabularies, ends of sequence included, and what the teacher says after each
    token."""

    source: Vocabulary
    target: Tokenizer
    written: Sequence[list[int]]
    tokens: Sequence[list[int]]
    after: Sequence[After]


def truths(study: Study, share: float) -> list[Truth]:
    """The truth at a random ``share`` of the positions that the folded text shows."""
    generator = np.random.default_rng(0)
    pieces_of_source = Pieces.of(study.source.all_pieces())
    eos, target_eos = _end(study.source.eos), _end(study.target.eos)
    todo = []
    start = 0
    for written, tokens, after in zip(study.written, study.tokens, study.after, strict=True):
        pieces = study.target.pieces(tokens[:-1])
        spelled = study.source.pieces(written[:-1])
        found = positions(spelled, pieces, written[:-1], tokens[:-1])
        for i, position in enumerate(found):
            if position is not None and generator.random() < share:
                follows, lost = continuations(after, pieces_of_source, eos, position)
                todo.append((start + i, position, class_of(pieces[i], position), follows, lost))
        start += len(tokens)
    texts = sorted({text_of(position, c) for _, position, _, follows, _ in todo for c in follows})
    encoded = encode_within(study.target, [text.decode(errors="replace") for text in texts])
    answers = dict(zip(texts, encoded, strict=True))
    known = []
    for row, position, name, follows, lost in todo:
        mass, total = truth(position, follows, answers, target_eos)
        if total and total / (total + lost) >= RESOLVED:
            known.append(Truth(row, position, mass, total / (total + lost), name))
    return known


def encode_within(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of ``texts`` as they are inside a longer text, where they begin with a blank.

    A tokenizer that puts a space before a text of its own puts none before a part of one: alone,
    Mistral's reads " b" as two spaces.
    """
    lead = tokenizer.encode(_LEAD)
    whole = tokenizer.encode_batch([_LEAD + text for text in texts])
    alone = tokenizer.encode_batch(texts)
    return [
        within[len(lead) :] if text[:1].isspace() and within[: len(lead)] == lead else own
        for text, within, own in zip(texts, whole, alone, strict=True)
    ]


def _end(eos: int | None) -> int:
    return -1 if eos is None else eos


def known_rows(
    texts: Sequence[Sequence[int]], after: Sequence[After], k: int
) -> SparseDistributions:
    """The teacher's rows of the tokens of ``texts``: its k best tokens and the written one."""
    sizes: list[int] = [0]
    ids: list[int] = []
    mass: list[float] = []
    rest: list[float] = []
    for written, follow in zip(texts, after, strict=True):
        for at, token in enumerate(written):
            best, probability = follow(written[:at])
            kept = dict(zip(best[:k].tolist(), probability[:k].tolist(), strict=True))
            if token not in kept:
                kept[token] = max(float(probability[best == token].sum()), 1e-8)
            ids += kept.keys()
            mass += kept.values()
            sizes.append(len(kept))
            rest.append(max(0.0, 1 - sum(kept.values())))
    with np.errstate(divide="ignore"):
        return SparseDistributions(
            np.cumsum(sizes).astype(np.int64),
            np.array(ids, np.int32),
            np.log(np.array(mass)).astype(np.float32),
            np.log(np.array(rest)).astype(np.float32),
        )


def compare_row(rows: SparseDistributions, item: Truth) -> tuple[float, float]:
    """Total variation, and the loss in nats of a student that is the truth, over its entropy."""
    row = rows[item.row : item.row + 1]
    tail = float(np.exp(row.tail[0]))
    mine = dict(
        zip(row.ids.tolist(), np.exp(row.logprobs.astype(np.float64)).tolist(), strict=True)
    )
    apart = sum(
        abs(mine.get(v, 0.0) - item.mass.get(v, 0.0)) for v in mine.keys() | item.mass.keys()
    )
    rest = max(1 - sum(item.mass.get(v, 0.0) for v in mine), 0.0)
    events = [(p, item.mass.get(v, 0.0)) for v, p in mine.items()] + [(tail, rest)]
    nats = sum(p * np.log(p / max(q, 1e-6)) for p, q in events if p > 0)
    return (apart + tail) / 2, float(nats)


def error_by_text(values: NDArray[np.float64], texts: NDArray[np.int64]) -> float:
    """The standard error of the mean of ``values``, those of a text being alike.

    Args:
        values: (n,), n at least 1.
        texts: (n,) the text of each; 0 where all are of one.
    """
    _, number = np.unique(texts, return_inverse=True)
    sums = np.bincount(number, values - values.mean())
    return float(np.sqrt((sums**2).sum()) / len(values))
