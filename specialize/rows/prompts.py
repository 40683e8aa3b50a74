"""What the student reads: prompts of rows, with their demonstrations, as token ids.

The demonstrations of an in-context row are drawn once, from the training examples, by a generator
seeded with the recipe's seed, the objective and the row's key: the row is the same in every epoch
and in every order.

A prompt that is too long loses words from the end of its context, never from the question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from specialize.formats import DemonstrationPool, PromptFormat
from specialize.records import Example, Prompt
from specialize.tokens import Tokenizer

_BLOCK = 1024  # prompts that are tokenized at once


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt, and the part of it that may be cut; "" where nothing may."""

    prompt: Prompt
    context: str = ""

    def cut(self, words: int) -> Prompt:
        """The prompt with the first ``words`` words of its context alone."""
        kept = " ".join(self.context.split()[:words])
        if isinstance(self.prompt, str):
            return self.prompt.replace(self.context, kept, 1)
        *before, asked = self.prompt.messages
        shorter = replace(asked, content=asked.content.replace(self.context, kept, 1))
        return replace(self.prompt, messages=(*before, shorter))


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt's ids, and whether its context was cut to make it fit."""

    ids: NDArray[np.int32]
    cut: bool


def prompts_of(
    name: str,
    form: PromptFormat,
    examples: Sequence[Example],
    asked: Iterable[tuple[Example, int]],
    seed: int,
) -> Iterator[Question]:
    """The prompt of every target of objective ``name``.

    Args:
        name: of the objective.
        form: its format.
        examples: those that may be shown.
        asked: example and sample of every target.
        seed: of the demonstrations.

    Raises:
        ConfigurationError: fewer examples than demonstrations.
    """
    if not form.demonstrations:
        yield from (Question(form.prompt(example), example.context) for example, _ in asked)
        return
    # a chain-of-thought prompt can only show examples that have a rationale
    able = [e for e in examples if e.rationale.strip() or not form.needs_rationale]
    pool = DemonstrationPool(able)
    for example, sample in asked:
        key = f"{name}\0{example.id}\0{sample}"
        digest = hashlib.sha256(key.encode()).digest()
        rng = np.random.default_rng([seed, int.from_bytes(digest[:16])])
        shown = pool.draw(example, form.demonstrations, rng)
        yield Question(form.prompt(example, shown), example.context)


def encode(
    prompts: Iterable[Question], tokenizer: Tokenizer, *, most: int, eos: bool, threads: int = 1
) -> Iterator[Fitted]:
    """The ids of every prompt; equal prompts that follow one another are encoded once.

    A prompt of more than ``most`` tokens that has a context is cut to fit; without one, or where
    the rest alone is too long, it comes as it is.
    """
    for block in _batched(prompts, _BLOCK):
        asked = [question.prompt for question in block]
        distinct = {prompt: i for i, prompt in enumerate(dict.fromkeys(asked))}
        arrays = tokenizer.prompt_ids(list(distinct), eos=eos, threads=threads)
        for question, prompt in zip(block, asked, strict=True):
            yield fit(question, arrays[distinct[prompt]], tokenizer, most=most, eos=eos)


def fit(
    question: Question, ids: NDArray[np.int32], tokenizer: Tokenizer, *, most: int, eos: bool
) -> Fitted:
    """``ids``, the prompt's, or those of the prompt with as much context as ``most`` tokens hold.

    The most words are found by bisection, in about log2(words) encodings.
    """
    if len(ids) <= most or not question.context:
        return Fitted(ids, False)
    low, high = 0, len(question.context.split())
    best = ids
    while low < high:
        middle = (low + high) // 2
        found = tokenizer.prompt_ids([question.cut(middle)], eos=eos)[0]
        if len(found) <= most:
            low, best = middle + 1, found
        else:
            high = middle
    return Fitted(best, len(best) <= most)


def _batched(items: Iterable[Question], size: int) -> Iterator[list[Question]]:
    """Lists of ``size`` items, the last one shorter."""
    rest = iter(items)
    while block := list(islice(rest, size)):
        yield block
