r"""Responses whose thinking has rows, as two texts each: what was thought, and what was said.

    tokens    <think> \n 3 + 4 . \n </think> \n \n 7 <end>      the first nine are the thinking's
    thought   3 + 4 . \n <eos>                                   its mark of the end as the end
    content   7 <end>

Both are aligned like any text, one after the other, and joined again on the student's side, where
``thinking_tokens`` counts the student's. The marks themselves are in neither: the student's own are
put there when rows are made of them, and the row of the closing mark is that of the thought's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from align import Ragged, Vocabulary
from align.ragged import pointers
from align.sparse import concatenate
from specialize.records import Response
from specialize.store import Shard, Texts, thinking_tokens
from specialize.targets.ends import Ends

Part = TypeVar("Part", Texts, Shard)


@dataclass(frozen=True, slots=True)
class Thought:
    """The tokens ``first:last`` of a sample, which spell ``text``; then the mark that closes it.

    ``closing`` is the mark's id; None where it is several tokens, or never came.
    """

    first: int
    last: int
    text: str
    closing: int | None


def find_thought(tokens: Sequence[int], vocabulary: Vocabulary) -> Thought | None:
    """What is thought in ``tokens``, those of the thinking with its marks.

    From the first token that is not whitespace alone to the one with which the closing mark begins;
    None where nothing is left, or where it is no text.
    """
    from specialize.answers.own_text import REASONING, reasoning_blocks

    pieces = vocabulary.pieces(tokens)
    text = b"".join(pieces).decode("utf-8", "surrogateescape")
    blocks = reasoning_blocks(text)
    if blocks.open:
        return None
    start, stop = blocks.inside[-1] if blocks.inside else (0, len(text))
    start += len(text[start:stop]) - len(text[start:stop].lstrip())
    begins, ends = (len(text[:at].encode("utf-8", "surrogateescape")) for at in (start, stop))
    over = np.cumsum([len(piece) for piece in pieces])
    first = int(np.searchsorted(over, begins, side="right"))
    last = int(np.searchsorted(over, ends, side="left")) + 1
    if last > len(pieces) or over[last - 1] > ends:  # a token that is of the mark too
        last -= 1
    while last > first and not pieces[last - 1]:  # special tokens spell nothing
        last -= 1
    thought = b"".join(pieces[first:last]).decode("utf-8", "replace").removeprefix(" ")
    if not thought.strip() or "\ufffd" in thought:
        return None
    marks = {b"", *(end.casefold().encode() for _, end in REASONING)}
    closes = last < len(pieces) and pieces[last].strip().lower() in marks
    return Thought(first, last, thought, tokens[last] if closes else None)


def split_thoughts(
    part: Part, vocabulary: Vocabulary, *, adds_up: bool
) -> tuple[Part, NDArray[np.int64]]:
    """The contents of ``part``, then its thoughts; which sample each of these is of.

    A thought that was closed by one token ends with the end of ``vocabulary`` instead.

    Args:
        adds_up: its rows have the mass of closing marks on that end too.
    """
    kept = contents(part)
    if kept is part:
        return part, np.zeros(0, np.int64)
    spans, said, marks, samples = [], [], [], []
    for i, response in enumerate(part.responses):
        thought = _thought(part, i, vocabulary)
        if thought is None:
            continue
        start, closed = int(part.tokens.indptr[i]), thought.closing is not None
        spans.append((start + thought.first, start + thought.last + closed))
        said.append(_as_response(response, thought.text, finished=closed))
        marks.append(thought.closing)
        samples.append(i)
    if not samples:
        return kept, np.zeros(0, np.int64)
    thoughts = _closed(_chosen(part, spans, said), marks, vocabulary.eos, adds_up=adds_up)
    return _appended(kept, thoughts), np.array(samples, np.int64)


def contents(part: Part) -> Part:
    """``part`` without the tokens of thinking; itself where there are none."""
    thinking = thinking_tokens(part.responses)
    if not thinking.any():
        return part
    spans = np.stack([part.tokens.indptr[:-1] + thinking, part.tokens.indptr[1:]], axis=1)
    said = [replace(response, thinking_tokens=0) for response in part.responses]
    return _chosen(part, [(first, last) for first, last in spans.tolist()], said)


def _thought(part: Texts | Shard, index: int, vocabulary: Vocabulary) -> Thought | None:
    """What is thought in one sample; closed only where the vocabulary has an end to say so."""
    count = part.responses[index].thinking_tokens
    ids = part.tokens.sample(index)[:count].tolist()
    found = find_thought(ids, vocabulary) if count else None
    return replace(found, closing=None) if found and vocabulary.eos is None else found


def _as_response(response: Response, text: str, *, finished: bool) -> Response:
    return replace(
        response, text=text, thinking="", thinking_tokens=0, prompt="", finished=finished
    )


def _chosen(part: Part, spans: Sequence[tuple[int, int]], responses: Sequence[Response]) -> Part:
    """``responses`` with the positions of ``part`` that ``spans`` name, one for each."""
    lengths = np.array([last - first for first, last in spans], np.int64)
    at = np.concatenate([np.arange(first, last) for first, last in spans])
    tokens = Ragged(pointers(lengths), part.tokens.ids[at])
    if isinstance(part, Texts):
        return Texts(responses, tokens)
    rows = concatenate([part.distributions[first:last] for first, last in spans])
    return Shard(responses, tokens, part.token_logprob[at], rows, part.tempered_tails[at])


def _closed(part: Part, marks: Sequence[int | None], eos: int | None, *, adds_up: bool) -> Part:
    """``part`` in which ``eos`` stands for the closing ``marks`` at the samples' ends."""
    closed = np.array([mark is not None for mark in marks])
    if eos is None or not closed.any():
        return part
    ids = part.tokens.ids.copy()
    ids[part.tokens.indptr[1:][closed] - 1] = eos
    tokens = Ragged(part.tokens.indptr, ids)
    if isinstance(part, Texts):
        return replace(part, tokens=tokens)
    ending = Ends(eos, sorted({eos, *(mark for mark in marks if mark is not None)}), None, adds_up)
    return replace(part, tokens=tokens, distributions=ending.merged(tokens, part.distributions))


def _appended(one: Part, other: Part) -> Part:
    """The samples of ``one``, then those of ``other``."""
    responses = [*one.responses, *other.responses]
    lengths = np.concatenate([one.tokens.lengths, other.tokens.lengths])
    tokens = Ragged(pointers(lengths), np.concatenate([one.tokens.ids, other.tokens.ids]))
    if isinstance(one, Texts) or isinstance(other, Texts):
        return Texts(responses, tokens)
    return Shard(
        responses,
        tokens,
        np.concatenate([one.token_logprob, other.token_logprob]),
        concatenate([one.distributions, other.distributions]),
        np.concatenate([one.tempered_tails, other.tempered_tails]),
    )


def join_thoughts(part: Shard, samples: NDArray[np.int64], responses: Sequence[Response]) -> Shard:
    """One sample for each of ``responses``: its thought, where there is one, then its content.

    Args:
        part: the contents, then the thoughts.
        samples: which of ``responses`` each thought is of.
    """
    count = len(responses)
    if not len(samples):
        return part
    lengths = np.zeros(count, np.int64)
    lengths[samples] = part.tokens.lengths[count:]
    order = np.argsort(np.concatenate([np.arange(count) * 2 + 1, samples * 2]), kind="stable")
    bounds = part.tokens.indptr.tolist()
    spans = [(bounds[i], bounds[i + 1]) for i in order.tolist()]
    laid = _chosen(part, spans, [part.responses[i] for i in order.tolist()])
    whole = [
        replace(response, thinking_tokens=tokens)
        for response, tokens in zip(responses, lengths.tolist(), strict=True)
    ]
    indptr = pointers(lengths + part.tokens.lengths[:count])
    return replace(laid, responses=whole, tokens=Ragged(indptr, laid.tokens.ids))
