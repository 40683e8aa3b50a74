"""Texts whose tokens were drawn from their rows, as a teacher draws them; ways to misplace them.

A row's masses come first, then the place that the token has in it: an entry or the tail, drawn by
these masses. The other entries are tokens of the corpus, as often as they are there, so that rows
share tokens by chance as those of a real teacher do.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from align import from_padded
from specialize.imports.own_tokens import own_logprob
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer
from tests.support.store_samples import topk_id, topk_logprob

NAMES = ["Ann", "Ben", "Mia", "Tom", "Seven boxes", "The farmer", "Nobody"]
VERBS = ["has", "buys", "sells", "finds", "counts"]
THINGS = ["pens", "red apples", "boxes of four pens", "eggs", "coins", "old books"]


def sentences(rng: np.random.Generator, count: int) -> str:
    """A few sentences of toy arithmetic."""
    made = []
    words = [rng.integers(len(words), size=count).tolist() for words in (NAMES, VERBS, THINGS)]
    for name, verb, thing, (a, b) in zip(*words, rng.integers(2, 99, (count, 2)), strict=True):
        made.append(
            f"{NAMES[name]} {VERBS[verb]} {a} {THINGS[thing]} and {b} more, {a} + {b} = {a + b}."
        )
    return "\n".join(made)


def drawn(
    rng: np.random.Generator,
    tokenizer: Tokenizer,
    *,
    k: int = 5,
    sharpness: float = 3.0,
    temperature: float = 1.0,
    count: int = 1,
) -> ScoredText:
    """A text with rows of ``k`` entries from which its tokens were drawn.

    Args:
        sharpness: 1 for flat rows, 3 for those of a sure teacher.
        temperature: at which the places were drawn; 0: the most probable entry always.
        count: sentences.
    """
    text = sentences(rng, count)
    tokens = np.array(tokenizer.encode(text), np.int32)
    corpus = np.unique(tokenizer.encode(sentences(rng, 20)))
    spread = np.sort(rng.dirichlet(np.ones(k + 1), len(tokens)) ** sharpness)[:, ::-1]
    chances = spread / spread.sum(axis=1, keepdims=True)
    masses = chances[:, :k]
    best = chances == chances.max(axis=1, keepdims=True)
    tempered = chances ** (1 / temperature) if temperature else best.astype(float)
    below = tempered.cumsum(axis=1) / tempered.sum(axis=1, keepdims=True)
    place = (below[:, :k] <= rng.random((len(tokens), 1))).sum(axis=1, keepdims=True)
    order = rng.random((len(tokens), len(corpus)))
    order[corpus == tokens[:, None]] = np.inf
    others = corpus[np.argsort(order, axis=1)[:, :k]]
    column = np.arange(k)
    moved = np.take_along_axis(others, column - (column > place), axis=1)
    ids = np.where(column == place, tokens[:, None], moved).astype(np.int32)
    logprobs = np.log(masses).astype(np.float32)
    return _scored(text, tokens, ids, logprobs)


def _scored(text: str, tokens: np.ndarray, ids: np.ndarray, logprobs: np.ndarray) -> ScoredText:
    """With the log-probability of a token that its own row may say."""
    own = []
    for token, entries, values in zip(
        tokens.tolist(), ids.tolist(), logprobs.tolist(), strict=True
    ):
        own.append(own_logprob(token, tuple(zip(entries, values, strict=True))))
    tails = np.log1p(-np.exp(logprobs.astype(np.float64)).sum(axis=1).clip(max=1 - 1e-9))
    return ScoredText(
        text, tokens, np.array(own, np.float32), from_padded(ids, logprobs, tails), "given"
    )


def _with_rows(text: ScoredText, order: np.ndarray) -> ScoredText:
    """Row ``order[i]`` beside token i."""
    return _scored(text.text, text.token_id, topk_id(text)[order], topk_logprob(text)[order])


def misplaced(text: ScoredText, rng: np.random.Generator) -> Iterator[tuple[str, ScoredText]]:
    """The text with rows in another order, shifted, and with one missing in the middle."""
    rows = np.arange(len(text))
    shift = int(rng.choice([-3, -2, -1, 1, 2, 3]))
    yield "shuffled", _with_rows(text, rng.permutation(rows))
    yield f"shifted by {shift}", _with_rows(text, (rows + shift) % len(rows))
    cut = int(rng.integers(1, 4))
    lost = len(rows) // 3
    yield (
        "with a gap",
        _with_rows(text, np.concatenate([rows[:lost], (rows[lost:] + cut) % len(rows)])),
    )


def cut_rows(text: ScoredText, count: int) -> ScoredText:
    """The text without its last ``count`` tokens and rows; the words stay."""
    return text.first(len(text) - count, text.text)
