"""From what a teacher wrote to a sample of the store: cut behind the answer, judged, or why lost.

    "... = 72.\\nThe answer is 72\\n\\nQ: Tim"   ->   "... = 72.\\nThe answer is 72", correct

Text and rows are cut behind the first line that holds "answer is" (Fu et al. 2023,
arXiv:2301.12726, code), at a token boundary: a token in which the line ends (``".\\n"``) is kept
whole, its text with it, so that text and tokens always agree. Nothing is thrown away: a response
that is not correct is stored with the rest, and the reason is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specialize.answers import Kind, cut_after_answer, find_answer, is_correct
from specialize.records import Response
from specialize.store import Sample, padded_sample
from specialize.teacher.asks import Ask
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer

REASONS = ("empty", "cut by length", "no answer line", "no answer", "wrong answer")


def cut_behind_answer(scored: ScoredText, tokenizer: Tokenizer) -> ScoredText:
    """``scored`` up to the token in which its answer line ends; itself if nothing is behind."""
    text = spelled(scored, tokenizer)
    kept = cut_after_answer(text) if text is not None else None
    if text is None or kept is None or len(kept) == len(text):
        return scored
    ended = "answer" if scored.finish == "length" else scored.finish
    return replace(first_bytes(scored, len(kept), tokenizer), finish=ended)


def cut_at_stop(scored: ScoredText, stops: Sequence[str], tokenizer: Tokenizer) -> ScoredText:
    """``scored`` up to the token in which the first of the texts ``stops`` begins."""
    text = spelled(scored, tokenizer) if stops else None
    if text is None:
        return scored
    found = [text.find(stop.encode().decode("latin-1")) for stop in stops]
    first = min((at for at in found if at >= 0), default=None)
    if first is None:
        return scored
    return replace(first_bytes(scored, first, tokenizer), finish="stop")


def spelled(scored: ScoredText, tokenizer: Tokenizer) -> str | None:
    """One character a byte, so that places in the text are places in the pieces.

    None where an id is beyond the tokenizer.
    """
    pieces = tokenizer.pieces([token for token in scored.token_ids if token < tokenizer.size])
    return b"".join(pieces).decode("latin-1") if len(pieces) == len(scored) else None


def first_bytes(scored: ScoredText, wanted: int, tokenizer: Tokenizer) -> ScoredText:
    """The tokens that spell the first ``wanted`` bytes, the last of them whole."""
    count = covered = 0
    pieces = tokenizer.pieces(scored.token_ids.tolist())
    while covered < wanted:
        covered += len(pieces[count])
        count += 1
    tokens = scored.token_ids[:count]
    return replace(
        scored,
        text=tokenizer.decode(tokens.tolist()),
        token_ids=tokens,
        token_logprobs=scored.token_logprobs[:count],
        topk_ids=scored.topk_ids[:count],
        topk_logprobs=scored.topk_logprobs[:count],
        tail_logprobs=scored.tail_logprobs[:count],
        tempered_tails=scored.tempered_tails[:count],
    )


def judge(
    ask: Ask, scored: ScoredText, *, kind: Kind, announces: bool, with_prompt: bool
) -> tuple[Sample, str | None]:
    """The sample to store, and why it is not a correct solution (None: it is one).

    Args:
        kind: how answers of this set are compared.
        announces: solutions must have a line "The answer is ...".
        with_prompt: store the prompt too: the samples of a question share it.
    """
    answer = find_answer(scored.text, kind=kind)
    reason = _reason(ask, scored, answer, kind, announces)
    response = Response(
        example_id=ask.example.id,
        sample=ask.sample,
        prompt=ask.prompt if with_prompt else "",
        text=scored.text,
        answer=answer,
        correct=reason is None,
    )
    sample = padded_sample(
        response,
        scored.token_ids,
        scored.token_logprobs,
        scored.topk_ids,
        scored.topk_logprobs,
        scored.tail_logprobs,
        scored.tempered_tails,
    )
    return sample, reason


def _reason(
    ask: Ask, scored: ScoredText, answer: str | None, kind: Kind, announces: bool
) -> str | None:
    if not scored.text.strip():
        return "empty"
    if not scored.finished:
        return "cut by length"
    if announces and cut_after_answer(scored.text) is None:
        return "no answer line"
    if answer is None:
        return "no answer"
    right = is_correct(scored.text, ask.example.answer, kind=kind, choices=ask.example.choices)
    return None if right else "wrong answer"
