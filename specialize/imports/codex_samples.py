"""Steps of code-davinci-002 -> samples of the store: ids, log-probabilities, tail.

Step(b" Nat", {b" Nat": .6018, b" she": .2588})
-> token_id 18, ids [18, 47], logprobs [log .6018, log .2588], tail log .1394
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from align.sparse import from_padded
from align.vocabulary import BARE, MARKER, SPECIAL, Vocabulary, build_vocabulary
from specialize.answers import find_answer, is_correct
from specialize.errors import InputError
from specialize.formats import TEACHER, Format
from specialize.imports.codex_steps import END, ROUNDING, Step, Steps
from specialize.records import Example, Response
from specialize.store import Sample
from specialize.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Ids:
    """Which id is that of a piece (b"" is the end of text), and how the ids are known."""

    of: Mapping[bytes, int]
    vocabulary: Vocabulary
    name: str
    fingerprint: str


def ids_of(pieces: Collection[bytes], tokenizer: Tokenizer | None) -> Ids:
    """The tokenizer's ids, or, without one, positions in the sorted list of ``pieces``.

    Raises:
        InputError: the tokenizer lacks a piece; it is not the teacher's.
    """
    if tokenizer is None:
        ordered = sorted({b"", *pieces})
        digest = hashlib.sha256(repr(ordered).encode()).hexdigest()
        of = {piece: number for number, piece in enumerate(ordered)}
        vocabulary = _marked(ordered)
        return Ids(of, vocabulary, "pieces of the dump", digest)
    known = tokenizer.vocabulary()
    of = {known.piece(number): number for number in reversed(range(len(known)))}
    of.pop(b"", None)
    if tokenizer.eos is not None:
        of[b""] = tokenizer.eos
    missing = sorted(piece for piece in pieces if piece not in of)
    if missing:
        raise InputError(
            f"tokenizer {tokenizer.name} lacks {len(missing)} of {len(pieces)} pieces of the dump, "
            f"the first is {missing[0].decode(errors='backslashreplace') or END!r}; give the rank "
            f"file p50k_base"
        )
    return Ids(of, known, tokenizer.name, tokenizer.fingerprint)


def _marked(pieces: list[bytes]) -> Vocabulary:
    """Flags as a byte-level tokenizer has them; piece 0 is the end of text."""
    flags = {
        number: MARKER | (BARE if piece == b" " else 0)
        for number, piece in enumerate(pieces)
        if piece.startswith(b" ")
    }
    return build_vocabulary(pieces, flags=flags | {0: SPECIAL}, eos=0)


def sample_of(example: Example, sample: Steps, ids: Ids, width: int) -> Sample:
    """Entries by falling probability in ``width`` slots; the tail is what is missing to 1."""
    steps = sample.steps
    tokens = [step.token for step in steps if step.token is not None]
    text = b"".join(tokens).decode("utf-8", errors="replace")
    shape = (len(steps), width)
    entries, logprobs = np.zeros(shape, np.int64), np.full(shape, -np.inf, np.float32)
    tails = np.empty(len(steps), np.float32)
    for row, step in enumerate(steps):
        ordered = sorted(step.probabilities.items(), key=lambda item: (-item[1], item[0]))
        for k, (piece, probability) in enumerate(ordered):
            entries[row, k], logprobs[row, k] = ids.of[piece], math.log(probability)
        missing = 1 - sum(step.probabilities.values())
        tails[row] = math.log(missing) if missing >= ROUNDING else -np.inf
    response = Response(
        example_id=example.id,
        sample=sample.sample,
        prompt=Format(cot=True, style=TEACHER).prompt(example) if sample.sample == 0 else "",
        text=text,
        answer=find_answer(text),
        correct=is_correct(text, example.answer),
    )
    return Sample(
        response,
        np.array([ids.of[token] for token in tokens], np.int64),
        np.array([_token_logprob(step) for step in steps], np.float32),
        from_padded(entries, logprobs, tails),
    )


def _token_logprob(step: Step) -> float:
    """Of a sampled token written 0.0000: the largest value that is rounded to it."""
    return math.log(max(step.probability, ROUNDING))
