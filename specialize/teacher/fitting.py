"""What fits into a teacher's context: the others are refused, or left out and counted.

This is checked before anything is paid for. Prompts are tokenized by the teacher, which keeps them
for its requests; where bytes alone show that prompt and text fit, they are not even tokenized.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from specialize.errors import ConfigurationError
from specialize.teacher.asks import Ask, Asks
from specialize.teacher.protocol import Teacher

TooLong = Literal["refuse", "skip"]
_FRAME = 8  # tokens around a prompt, at most


def fitting(teacher: Teacher, asks: Asks, too_long: TooLong) -> Asks:
    """``asks``, or with ``skip`` those that leave room for at least one token of a text.

    Raises:
        ConfigurationError: one does not fit and nothing is to be skipped, or none fits; names the
            first example and its tokens.
    """
    context = teacher.context
    if context is None:
        return asks
    firsts = [ask for ask in asks.firsts if not _surely_fits(ask, context)]
    needed = dict(zip([ask.key for ask in firsts], _tokens(teacher, firsts), strict=True))
    long = {key: count for key, count in needed.items() if count + 1 > context}
    if not long:
        return asks
    kept = tuple(ask for ask in asks.firsts if ask.key not in long)
    if too_long == "skip" and kept:
        return replace(asks, firsts=kept, too_long=tuple(id_ for id_, _ in long))
    (first, _), count = next(iter(long.items()))
    advice = "use fewer demonstrations" + (
        "" if too_long == "skip" else ", or leave such examples out (--too-long skip)"
    )
    raise ConfigurationError(
        f"example {first!r} needs {count} tokens, which leaves no room in the teacher's context of "
        f"{context}, and {len(long)} of {len(long) + len(kept)} examples "
        f"are as long; {advice}"
    )


def _surely_fits(ask: Ask, context: int) -> bool:
    """Whether bytes alone show it: of plain ASCII no token spells less than one."""
    if not isinstance(ask.prompt, str):
        return False  # what a template adds is not seen in the messages
    written = ask.prompt + (ask.text or "")
    return written.isascii() and len(written) + _FRAME < context


def _tokens(teacher: Teacher, firsts: list[Ask]) -> list[int]:
    """How much of the context each ask needs."""
    prompts = teacher.prompt_tokens([ask.prompt for ask in firsts])
    texts = teacher.tokenizer.encode_batch([ask.text or "" for ask in firsts])
    both = zip(prompts, texts, strict=True)
    if teacher.continues:
        return [len(prompt) + len(text) for prompt, text in both]
    return [max(len(prompt), len(text)) for prompt, text in both]
