"""What the student should write: the token ids of targets, with a distribution for each of them.

Gold targets come from the examples, in the words of a format; a teacher's come from its target
store, as they were aligned. What is too long, wrong, or about an example that may not be trained
on is left out and counted, never cut. Each function here goes through its source once and notes
which targets there are and where (``Found``); none is kept.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions, concatenate, one_hot
from specialize.answers import Kind
from specialize.errors import StoreError
from specialize.formats import PromptFormat
from specialize.formats.quality import rationale_fault
from specialize.records import Example, Response
from specialize.rows.found import Found, FoundWriter
from specialize.rows.ids import Ids
from specialize.store import Sample, Store
from specialize.tokens import Tokenizer

_BLOCK = 1024  # texts that are tokenized at once


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


@dataclass(frozen=True, slots=True)
class Asked:
    """The examples that an objective is about: ``all_examples[first:last]``, of these ``only`` some
    where it is not None."""

    all_examples: Sequence[Example]
    first: int
    last: int
    only: Set[int] | None = None

    def __len__(self) -> int:
        return self.last - self.first if self.only is None else len(self.only)

    def __iter__(self) -> Iterator[tuple[int, Example]]:
        """Every example with its place among all."""
        places = range(self.first, self.last) if self.only is None else sorted(self.only)
        return ((at, self.all_examples[at]) for at in places)


# ---- where targets are -------------------------------------------------------------------------


def gold_targets(
    asked: Asked, form: PromptFormat, tokenizer: Tokenizer, kept: Ids, *, lead: str, most: int
) -> tuple[Found, Counter[str]]:
    """The dataset's own answers, in the format's words.

    Args:
        asked: the examples.
        form: writes the target of each.
        tokenizer: the student's.
        kept: where the ids go.
        lead: what is between prompt and target where both are one text.
        most: tokens; longer ones are left out.

    Returns:
        The targets, each with its offset in ``kept``, and why others are not among them.
    """
    able = [(at, e) for at, e in asked if e.rationale.strip() or not form.needs_rationale]
    texts = (lead + form.target(example.rationale, example.answer) for _, example in able)
    writer, unk = FoundWriter(1), tokenizer.unk
    for (at, _), ids in zip(able, _encoded(texts, tokenizer), strict=True):
        writer.add(at, 0, len(ids), len(ids), _count(ids, unk), kept.append(ids))
    lost = Counter({"no_rationale": len(asked) - len(able)})
    return _short_enough(writer.found(), most, lost), lost


def teacher_targets(
    store: Store,
    asked: Asked,
    limits: Limits,
    tokenizer: Tokenizer,
    *,
    whole: Callable[[Example, Sample], Target | None] | None = None,
) -> tuple[Found, Counter[str]]:
    """The kept responses of a store, in the order of the examples.

    Args:
        store: targets in the student's vocabulary.
        asked: the examples.
        limits: which responses are kept.
        tokenizer: the student's.
        whole: the target of a sample where it is not simply what was said, None where its rows are
            missing. None: lengths tell all, and no row is read.

    Returns:
        The targets, each with its shard and its row there, and why others are not among them.
    """
    writer, lost = FoundWriter(2), Counter[str]()
    for at, (shard, row), response, tokens in _kept(store, asked, limits, tokenizer, lost):
        ids = tokens[response.thinking_tokens :]
        length = learned = len(ids) + _needs_end(response, ids, tokenizer.eos)
        if whole is not None:
            target = whole(asked.all_examples[at], store.sample_at(shard, row))
            if target is None:
                lost["thinking_without_rows"] += 1
                continue
            ids, length, learned = target.ids, len(target.ids), int(target.carries_loss().sum())
        writer.add(at, response.sample, length, learned, _count(ids, tokenizer.unk), shard, row)
    found = _short_enough(writer.found().in_order(), limits.target_tokens, lost)
    return _first_of_each(found, limits.of_a_question, lost), lost


def spoken_targets(
    store: Store,
    asked: Asked,
    limits: Limits,
    form: PromptFormat,
    tokenizer: Tokenizer,
    kept: Ids,
    *,
    lead: str,
) -> tuple[Found, Counter[str]]:
    """The teacher's answers in the format's words; responses without one are lost.

    Args:
        store: targets in the student's vocabulary.
        asked: the examples.
        limits: which responses are kept.
        form: writes a target from a response's text and answer.
        tokenizer: the student's.
        kept: where the ids go.
        lead: what is between prompt and target where both are one text.

    Returns:
        The targets, each with its offset in ``kept``, and why others are not among them.
    """
    lost = Counter[str]()
    keys: deque[tuple[int, int]] = deque()

    def texts() -> Iterator[str]:
        for at, _, response, _ in _kept(store, asked, limits, tokenizer, lost):
            if response.answer is None:
                lost["no_answer"] += 1
                continue
            keys.append((at, response.sample))
            yield lead + form.target(response.text, response.answer)

    writer = FoundWriter(1)
    for ids in _encoded(texts(), tokenizer):
        writer.add(
            *keys.popleft(), len(ids), len(ids), _count(ids, tokenizer.unk), kept.append(ids)
        )
    found = _short_enough(writer.found().in_order(), limits.target_tokens, lost)
    return _first_of_each(found, limits.of_a_question, lost), lost


_Kept = tuple[int, tuple[int, int], Response, NDArray[np.int32]]


def _kept(
    store: Store, asked: Asked, limits: Limits, tokenizer: Tokenizer, lost: Counter[str]
) -> Iterator[_Kept]:
    """The responses that may be learnt from, in the order of the store; counts the others.

    Yields:
        The example's place among all, the shard and the row in it, the response, its tokens.
    """
    place = {example.id: at for at, example in asked}
    answered: set[int] = set()
    for shard in range(len(store.shard_sizes)):
        texts = store.shard_texts(shard)  # first: it finds damage
        _check_ids(store, shard, tokenizer)
        for row, response in enumerate(texts.responses):
            at = place.get(response.example_id)
            if at is None:
                lost["not_a_training_example"] += 1
                continue
            answered.add(at)
            reason = _why_not(response, asked.all_examples[at], limits)
            if reason is None:
                yield at, (shard, row), response, texts.tokens.sample(row)
            else:
                lost[reason] += 1
    lost["no_response"] = len(place) - len(answered)


def _check_ids(store: Store, shard: int, tokenizer: Tokenizer) -> None:
    largest = store.largest_id(shard)
    if largest >= tokenizer.size:
        raise StoreError(
            f"{store.path} has target id {largest} in shard {shard}, but tokenizer "
            f"{tokenizer.name} has only {tokenizer.size} ids; align again"
        )


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
    if _needs_end(sample.response, ids, eos):
        end = np.array([eos], np.int32)
        return np.concatenate([ids, end]), concatenate([rows, one_hot(end)])
    return ids, rows


def _needs_end(response: Response, ids: NDArray[np.int32], eos: int | None) -> bool:
    """Whether the text's end was seen and is not among ``ids``."""
    return response.finished and (not len(ids) or bool(ids[-1] != eos))


def _encoded(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[NDArray[np.int32]]:
    """The ids of every text and the end of sequence, without holding all texts."""
    rest = iter(texts)
    while block := list(islice(rest, _BLOCK)):
        found = tokenizer.encode_ragged(block, eos=True)
        yield from (found.sample(i) for i in range(len(block)))


def _count(ids: NDArray[np.int32], unk: int | None) -> int:
    return 0 if unk is None else int(np.count_nonzero(ids == unk))


def _short_enough(found: Found, most: int, lost: Counter[str]) -> Found:
    kept = found.take(found.length <= most)
    lost["target_too_long"] = len(found) - len(kept)
    return kept


def _first_of_each(found: Found, most: int | None, lost: Counter[str]) -> Found:
    """At most ``most`` targets of a question, in their order."""
    if most is None:
        return found
    # of targets by example: how many of the same example came before
    first = np.flatnonzero(np.diff(found.example, prepend=-1))
    turn = np.arange(len(found)) - np.repeat(first, np.diff(np.append(first, len(found))))
    kept = found.take(turn < most)
    lost["beyond_samples_per_question"] = len(found) - len(kept)
    return kept
