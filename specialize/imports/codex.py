"""Samples of code-davinci-002 on GSM8K with top-5 probabilities -> a store of responses.

A step of the source (Fu et al. 2023, arXiv:2301.12726) has the sampled token first, then the
service's top 5 in no order, which nearly always hold the sampled one again::

    " Nat" .6018 | " Nat" .6018, " in" .0261, " we" .0125, " 48" .0335, " she" .2588
    -> token " Nat", entries " Nat" .6018, " she" .2588, " 48" .0335, " in" .0261, " we" .0125,
       tail 1 - .9331

* The first two steps (" step", newline) end the prompt and the last two are newlines; a sample
  without this frame is skipped, as in the published alignment, and counted with the reason; so
  is one whose rows are not those of its tokens (``codex_proof``).
* Probabilities are rounded to 4 places: an entry of 0.0000 is below 5e-5 and joins the tail.
* The tail is 1 - sum, the only one to be had, which the store's settings say.
* Token texts that are no UTF-8 are written ``bytes: \\xc3``. Ids are those of the rank file
  p50k_base where it is given, else positions in the sorted list of all pieces of the dump; the
  store holds the bytes of every piece, so that alignment does not need either.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from specialize.errors import InputError, NothingPassedError
from specialize.imports.codex_proof import prove, without_frame
from specialize.imports.codex_samples import Ids, ids_of, sample_of
from specialize.imports.codex_steps import Step, Steps, read_samples
from specialize.imports.placement import Placement
from specialize.records import Example, question_key
from specialize.store import Store, StoreDescription, StoreWriter
from specialize.store.sealed import Json
from specialize.teacher.statistics import summarize
from specialize.tokens import load_tokenizer

TEACHER_NAME = "code-davinci-002"
SHARD_SAMPLES = 512


def import_codex(
    source: Path,
    out: Path,
    *,
    examples: Sequence[Example],
    vocabulary: str | Path | None = None,
    restart: bool = False,
) -> dict[str, Json]:
    """Write the samples of ``source`` into the store ``out``; continue what was begun.

    Args:
        source: the JSON file of the samples of question 0, or the text of many questions.
        examples: GSM8K train in its published order.
        vocabulary: p50k_base rank file, for the teacher's own ids; None: ids by position.

    Returns:
        Counts: samples, positions, correct, skipped by reason, and the mass of the entries.

    Raises:
        InputError: ``source`` or ``vocabulary`` is not what it claims to be, or the samples
            answer a question that ``examples`` has not.
        NothingPassedError: no sample can be used; names the reasons.
    """
    survey = _survey(source, examples)
    ids = ids_of(survey.pieces, load_tokenizer(vocabulary) if vocabulary is not None else None)
    description = _describe(source, survey, ids)
    with StoreWriter(out, description, shard_samples=SHARD_SAMPLES, restart=restart) as writer:
        for shard, group in enumerate(_groups(_framed(source))):
            if shard not in writer.committed:
                made = [sample_of(examples[s.question], s, ids, survey.width) for s in group]
                writer.write(shard, made)
        responses = (sample.response for sample in Store.open(out, allow_partial=True))
        summary = {
            **summarize(responses).as_json(),
            **survey.as_json(),
            "bytes_per_position": description.bytes_per_position,
        }
        if not writer.finished:
            writer.finish(ids.vocabulary, summary)
    return summary


@dataclass(slots=True)
class _Survey:
    """What a first reading finds: all that must be known before the first sample is written."""

    samples: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    asked: dict[int, Example] = field(default_factory=dict)
    pieces: set[bytes] = field(default_factory=set)
    width: int = 0  # most entries of a step
    positions: int = 0
    below_top: int = 0  # sampled tokens that were not the most probable
    mass: float = 0.0  # of all entries
    least: float = 1.0
    placement: Placement = field(default_factory=Placement)

    def add(self, step: Step) -> None:
        assert step.token is not None
        probabilities = step.probabilities
        stored = sum(probabilities.values())
        self.pieces |= {step.token, *probabilities}
        self.width = max(self.width, len(probabilities))
        self.positions += 1
        self.below_top += probabilities.get(step.token, 0.0) < max(
            probabilities.values(), default=0.0
        )
        self.mass += stored
        self.least = min(self.least, stored)

    def as_json(self) -> dict[str, Json]:
        return {
            "samples": self.samples,
            "positions": self.positions,
            "skipped": dict(self.skipped),
            "sampled_below_top": self.below_top,
            "mean_stored_mass": self.mass / self.positions,
            "least_stored_mass": self.least,
        }


def _survey(source: Path, examples: Sequence[Example]) -> _Survey:
    survey = _Survey()
    for sample in read_samples(source):
        framed = without_frame(sample)
        fault, evidence = (framed, None) if isinstance(framed, str) else prove(framed)
        if evidence is not None:
            survey.placement.add(evidence)
        if isinstance(framed, str) or fault is not None:
            survey.skipped[str(fault)] += 1
            continue
        survey.samples += 1
        survey.asked[sample.question] = _example(source, sample, examples)
        for step in framed.steps:
            survey.add(step)
    if survey.placement.fault is not None:
        raise InputError(f"{source}: {survey.placement.fault}; none of its samples is believed")
    if not survey.samples:
        reasons = ", ".join(f"{n} {reason}" for reason, n in survey.skipped.items())
        raise NothingPassedError(
            f"{source}: no sample has the frame and rows that hold ({reasons or 'no samples'})"
        )
    return survey


def _example(source: Path, sample: Steps, examples: Sequence[Example]) -> Example:
    """The example that a sample answers; the layout that tells the question is checked."""
    if sample.question >= len(examples):
        raise InputError(
            f"{source} answers question {sample.question}, but there are {len(examples)} "
            f"examples; give GSM8K train in its published order"
        )
    example = examples[sample.question]
    first = example.question.split("\n", 1)[0]
    if sample.asked is not None and question_key(sample.asked) != question_key(first):
        raise InputError(
            f"{source}: question {sample.question} is {sample.asked[:60]!r}, but example "
            f"{example.id!r} is {first[:60]!r}; give GSM8K train in its published order"
        )
    return example


def _framed(source: Path) -> Iterator[Steps]:
    for sample in read_samples(source):
        framed = without_frame(sample)
        if isinstance(framed, Steps) and prove(framed)[0] is None:
            yield framed


def _groups(samples: Iterator[Steps]) -> Iterator[list[Steps]]:
    """``SHARD_SAMPLES`` at a time."""
    while group := list(islice(samples, SHARD_SAMPLES)):
        yield group


def _describe(source: Path, survey: _Survey, ids: Ids) -> StoreDescription:
    asked = repr([(e.id, e.question, e.answer) for _, e in sorted(survey.asked.items())])
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return StoreDescription(
        kind="responses",
        teacher=TEACHER_NAME,
        tokenizer=ids.name,
        fingerprint=ids.fingerprint,
        vocabulary_size=len(ids.vocabulary),
        k=survey.width,
        temperature=0.5,
        prompt="8 demonstrations, published as prompt_complex.txt",
        dataset=f"sha256:{hashlib.sha256(asked.encode()).hexdigest()}",
        settings={"mode": "import", "source": f"sha256:{digest}", "tail": "complement"},
    )
