r"""Where a response is over: after the line that announces its first complete answer.

    "I check whether the answer is positive: 3\n1 + 2 = 3.\nThe answer is 3\nQ: "    offset 68
    "The answer is:\n\\[\nx = 3\n\\]\nI hope that helps."    after the display, offset 26

A line that announces no complete answer ends nothing: "The answer is in dollars", "The answer is
the sum of 2 and 3", whatever is in a reasoning block.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from specialize.answers.equations import evaluate
from specialize.answers.finding import Kind
from specialize.answers.forms import read_truth
from specialize.answers.number_phrases import answer_core, numbers_of
from specialize.answers.options import read_choice
from specialize.answers.own_text import MAX_READ, REASONING, reasoning_blocks
from specialize.answers.phrases import announcements, clean, line_end
from specialize.answers.quantities import plain_mathematics, quantities, stated_quantities

MAX_COMPLETE = 300  # characters of an announced answer that ends a response

_LEAD = re.compile(
    r"(?:[A-Za-z]\s*=|about|approximately|roughly|around|only|exactly|just|simply|a total of|\s)*",
    re.IGNORECASE,
)
_NO_ANSWER = re.compile(
    r"\W*(?:as follows|below|above|following|found|obtained|given|calculated|computed|determined"
    r"|correct|right|wrong|the (?:sum|product|difference|quotient|ratio|number|amount|total|result)"
    r"|in (?:the|a)\b|not\b|whether\b|what\b|how\b|to\b)",
    re.IGNORECASE,
)
_OPENS = re.compile(r"[:,;=+*/(\-]\s*\Z")


def answer_end(
    text: str,
    *,
    kind: Kind = "number",
    choices: Sequence[str] = (),
    reasoning: Sequence[tuple[str, str]] = REASONING,
    thinking: bool = False,
) -> int | None:
    """The offset of the line end after which ``text`` says nothing that its answer needs.

    Whatever is written after that line, the offset stays the same: so the rule can stop a model
    that is writing, and cut what was written, at the same place.

    Args:
        text: a response, or its beginning.
        kind: how answers of this set are compared; says what a complete answer is.
        choices: the options' texts, if known.
        reasoning: opening and closing tags of the blocks in which a model thinks aloud.
        thinking: the prompt opened such a block, so that the response begins in it.

    Returns:
        ``text[:offset]`` is the response without what follows; None while no line that announces
        a complete answer is over.
    """
    text = text[:MAX_READ]
    for start, end in reasoning_blocks(text, reasoning, opened=thinking).outside:
        for found in announcements(text, start, end):
            if is_complete(found.phrase, kind, choices):
                over = line_end(text, found.end, end)
                if over is not None:
                    return over
                break
    return None


def is_complete(phrase: str, kind: Kind, choices: Sequence[str] = ()) -> bool:
    """Whether an announced phrase is an answer of this kind, with nothing of it still to come."""
    text = clean(phrase)
    if not text or len(text) > MAX_COMPLETE or _OPENS.search(text) or _NO_ANSWER.match(text):
        return False
    match kind:
        case "number":
            return _is_complete_number(text)
        case "choice":
            return bool(read_choice(text, choices).letter)
        case "boolean":
            return read_truth(text) is not None
        case "equation":
            return evaluate(text) is not None
    return True


def _is_complete_number(phrase: str) -> bool:
    """Whether the phrase is one number, or a sum with its result, and not on the way to one."""
    if stated_quantities(phrase):
        return True
    core = answer_core(phrase)
    found = numbers_of(core)
    if len(found) != 1 or ("=" not in phrase and sum(1 for _ in quantities(core)) > 1):
        return False
    lead = _LEAD.sub("", plain_mathematics(core[: found[0].start]), count=1)
    return not lead.strip(" $€£¥₹-+*_(")
