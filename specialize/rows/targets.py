"""What the student should write: the token ids of targets, with a distribution for each of them.

Gold targets come from the examples, in the words of a format; a teacher's come from its target
store, as they were aligned. What is too long, wrong, or about an example that may not be trained
on is left out and counted, never cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions, concatenate, one_hot
from specialize.answers import Kind
from specialize.formats import PromptFormat
from specialize.formats.quality import rationale_fault
from specialize.records import Example, Response
from specialize.store import Sample, Store
from specialize.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Target:
    """What a row should say, before anything is asked; ``ids`` end with the end of sequence.

    ``learned`` (T,) is True where a token carries the loss; None: everywhere.
    """

    example: Example
    sample: int
    ids: NDArray[np.int32]
    distributions: SparseDistributions
    learned: NDArray[np.bool_] | None = None

    def carries_loss(self) -> NDArray[np.bool_]:
        """(T,) whether each token does."""
        return np.ones(len(self.ids), np.bool_) if self.learned is None else self.learned


@dataclass(frozen=True, slots=True)
class Limits:
    """Which responses are kept, how many of a question, and how long a target may be.

    ``kind`` is how answers of the set are compared; ``keep="sound"`` needs it.
    """

    keep: str
    samples_per_question: int | None
    target_tokens: int
    kind: Kind = "number"

    @property
    def of_a_question(self) -> int | None:
        """The most targets of one question; None: no bound."""
        return 1 if self.keep == "first-correct" else self.samples_per_question


def gold_targets(
    examples: Sequence[Example],
    form: PromptFormat,
    tokenizer: Tokenizer,
    *,
    lead: str,
    target_tokens: int,
) -> tuple[list[Target], Counter[str]]:
    """The dataset's own answers, in the format's words, as hard rows.

    Args:
        lead: what is between prompt and target where both are one text.
        target_tokens: longer ones are left out.

    Returns:
        The targets, and why others are not among them.
    """
    able = [e for e in examples if e.rationale.strip() or not form.needs_rationale]
    texts = [lead + form.target(example.rationale, example.answer) for example in able]
    encoded = tokenizer.encode_batch(texts, eos=True)
    ids = [np.array(tokens, np.int32) for tokens in encoded]
    found = [Target(e, 0, tokens, one_hot(tokens)) for e, tokens in zip(able, ids, strict=True)]
    lost = Counter({"no_rationale": len(examples) - len(able)})
    return _short_enough(found, target_tokens, lost), lost


def teacher_targets(
    store: Store,
    examples: Sequence[Example],
    limits: Limits,
    eos: int,
    *,
    with_thinking: Callable[[Target, Sample], Target | None] | None = None,
) -> tuple[list[Target], Counter[str]]:
    """The kept responses of a store with their distributions, in the order of the examples.

    Args:
        with_thinking: a target that begins with what its sample thought; None where its rows are
            missing. None: thinking is left out.
    """
    found: list[Target] = []
    lost: Counter[str] = Counter()
    for example, sample in _kept(store, examples, limits, lost):
        target = Target(example, sample.response.sample, *as_stored(sample.content(), eos))
        whole = with_thinking(target, sample) if with_thinking else target
        if whole is None:
            lost["thinking_without_rows"] += 1
        else:
            found.append(whole)
    targets = _short_enough(found, limits.target_tokens, lost)
    return _first_of_each(targets, limits.of_a_question, lost), lost


def spoken_targets(
    store: Store,
    examples: Sequence[Example],
    limits: Limits,
    form: PromptFormat,
    tokenizer: Tokenizer,
    *,
    lead: str,
) -> tuple[list[Target], Counter[str]]:
    """The teacher's answers in the format's words, as hard rows; responses without one are lost."""
    lost: Counter[str] = Counter()
    said: list[tuple[Example, Sample, str]] = []
    for example, sample in _kept(store, examples, limits, lost):
        answer = sample.response.answer
        if answer is None:
            lost["no_answer"] += 1
        else:
            said.append((example, sample, lead + form.target(sample.response.text, answer)))
    encoded = tokenizer.encode_batch([text for _, _, text in said], eos=True)
    found = []
    for (example, sample, _), tokens in zip(said, encoded, strict=True):
        ids = np.array(tokens, np.int32)
        found.append(Target(example, sample.response.sample, ids, one_hot(ids)))
    targets = _short_enough(found, limits.target_tokens, lost)
    return _first_of_each(targets, limits.of_a_question, lost), lost


def _kept(
    store: Store, examples: Sequence[Example], limits: Limits, lost: Counter[str]
) -> list[tuple[Example, Sample]]:
    """The responses that may be learnt from, in the order of the examples; counts the others."""
    place = {example.id: i for i, example in enumerate(examples)}
    found: list[tuple[int, int, Sample]] = []
    answered: set[str] = set()
    for sample in (sample for shard in store.shards() for sample in shard):
        response = sample.response
        if response.example_id not in place:
            lost["not_a_training_example"] += 1
            continue
        answered.add(response.example_id)
        reason = _why_not(response, examples[place[response.example_id]], limits)
        if reason is None:
            found.append((place[response.example_id], response.sample, sample))
        else:
            lost[reason] += 1
    lost["no_response"] = len(place) - len(answered)
    found.sort(key=lambda entry: entry[:2])
    return [(examples[at], sample) for at, _, sample in found]


def _why_not(response: Response, example: Example, limits: Limits) -> str | None:
    if limits.keep in ("correct", "first-correct") and response.correct is not True:
        return "not_correct"
    if not response.text.strip():
        return "empty"  # never trained on: it would teach silence
    if limits.keep == "wrong" and response.correct is not False:
        return "not_wrong"
    if limits.keep == "sound":
        fault = rationale_fault(response.text, example, limits.kind)
        return fault and fault.replace(" ", "_").replace("-", "_")
    return None


def as_stored(sample: Sample, eos: int) -> tuple[NDArray[np.int32], SparseDistributions]:
    """Ids and rows as stored; where the text's end was seen and has no row, a certain one."""
    ids = np.asarray(sample.token_id, np.int32)
    rows = sample.distributions
    if sample.response.finished and (not len(ids) or ids[-1] != eos):
        end = np.array([eos], np.int32)
        return np.concatenate([ids, end]), concatenate([rows, one_hot(end)])
    return ids, rows


def _short_enough(targets: list[Target], most: int, lost: Counter[str]) -> list[Target]:
    kept = [target for target in targets if len(target.ids) <= most]
    lost["target_too_long"] = len(targets) - len(kept)
    return kept


def _first_of_each(targets: list[Target], most: int | None, lost: Counter[str]) -> list[Target]:
    """At most ``most`` targets of a question, in their order."""
    if most is None:
        return targets
    taken: Counter[str] = Counter()
    kept = []
    for target in targets:
        taken[target.example.id] += 1
        if taken[target.example.id] <= most:
            kept.append(target)
    lost["beyond_samples_per_question"] = len(targets) - len(kept)
    return kept
