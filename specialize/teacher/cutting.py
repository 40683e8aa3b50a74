r"""Where a text is over by what it says, and the row of the end that is put there.

    "I check whether the answer is positive: 3\n1 + 2 = 3.\nThe answer is 3\n\nQ: Tim"
    answer      -> the text up to "The answer is 3", where a complete answer has been announced
    published   -> its first line alone, which holds "answer is" (Fu et al. 2023, arXiv:2301.12726,
                   code: the rule for code-davinci-002 with its few-shot prompt)

Text and rows are cut at a token boundary: a token in which the line ends (``".\n"``) is kept whole,
its text with it, so that text and tokens always agree. The row of the token that would have come
next becomes the row of the end: what the teacher gives the end there is stored, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from specialize.answers import Kind, answer_end, cut_after_answer
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Cut:
    """A rule for where a text is over; ``kind`` says what a complete answer of the set is."""

    rule: Literal["answer", "published"] = "answer"
    kind: Kind = "number"

    def end(self, text: str, choices: Sequence[str] = ()) -> int | None:
        """The offset after which ``text`` does not count; None while it is not over."""
        if self.rule == "answer":
            return answer_end(text, kind=self.kind, choices=choices)
        kept = cut_after_answer(text)
        return len(kept) if kept is not None and len(kept) < len(text) else None


def cut_at_answer(
    scored: ScoredText, cut: Cut, tokenizer: Tokenizer, *, choices: Sequence[str] = ()
) -> ScoredText:
    """``scored`` up to the token in which its answer's line is over, and the end's row.

    Itself where nothing is cut.

    Args:
        choices: the options' texts, if there are any.
    """
    text = spelled(scored, tokenizer)
    over = cut.end(text, choices) if text is not None else None
    if text is None or over is None:
        return scored
    ended = "answer" if scored.finish == "length" else scored.finish
    return replace(up_to(scored, _bytes(text[:over]), tokenizer, end=True), finish=ended)


def cut_at_stop(scored: ScoredText, stops: Sequence[str], tokenizer: Tokenizer) -> ScoredText:
    """``scored`` up to the token in which the first of the texts ``stops`` begins."""
    text = spelled(scored, tokenizer) if stops else None
    if text is None:
        return scored
    first = min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
    if first is None:
        return scored
    return replace(up_to(scored, _bytes(text[:first]), tokenizer, end=True), finish="stop")


def spelled(scored: ScoredText, tokenizer: Tokenizer) -> str | None:
    """What the tokens spell, bytes that are no UTF-8 as surrogates; None where an id is beyond the
    tokenizer."""
    pieces = tokenizer.pieces([token for token in scored.token_id if token < tokenizer.size])
    if len(pieces) != len(scored):
        return None
    if scored.finish in ("eos", "answer") and scored.token_id[-1] in tokenizer.ends:
        pieces = pieces[:-1]  # an end may spell its name
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def up_to(scored: ScoredText, wanted: int, tokenizer: Tokenizer, *, end: bool) -> ScoredText:
    """The tokens that spell the first ``wanted`` bytes, the last of them whole.

    Args:
        end: the end follows, with the row of the first token that is left out, where there is one.
    """
    count = covered = 0
    pieces = tokenizer.pieces(scored.token_id.tolist())
    while covered < wanted:
        covered += len(pieces[count])
        count += 1
    rows = min(count + (end and bool(tokenizer.ends)), len(scored))
    kept = scored.first(rows, tokenizer.decode(scored.token_id[:count].tolist()))
    return kept if rows == count else _ending(kept, tokenizer.ends)


def _ending(scored: ScoredText, ends: Sequence[int]) -> ScoredText:
    """``scored`` whose last token is the likeliest end in its row.

    Where the teacher does not say how likely an end outside the stored entries is, it is as likely
    as it can be: as the least of the entries, or as the tail.
    """
    if len(scored.end_id):
        return _with_last(scored, scored.end_id[-1], scored.end_logprob[-1])
    row = scored.distributions[len(scored) - 1 :]
    most = min(row.logprobs.min(initial=0), row.tail[0])
    return with_likeliest_end(_with_last(scored, ends[0], most), ends)


def with_likeliest_end(scored: ScoredText, ends: Sequence[int]) -> ScoredText:
    """``scored`` whose last token, an end, is the likeliest of ``ends`` among its row's entries.

    Itself where none of them is listed.
    """
    row = scored.distributions[len(scored) - 1 :]
    listed = np.flatnonzero(np.isin(row.ids, ends))  # most probable first
    if not len(listed):
        return scored
    return _with_last(scored, row.ids[listed[0]], row.logprobs[listed[0]])


def _with_last(scored: ScoredText, token: int, logprob: float) -> ScoredText:
    """``scored`` with another last token."""
    ids, logprobs = scored.token_id.copy(), scored.token_logprob.copy()
    ids[-1], logprobs[-1] = token, logprob
    return replace(scored, token_id=ids, token_logprob=logprobs)
