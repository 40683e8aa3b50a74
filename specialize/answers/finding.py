r"""The answer of a response, as it is written there.

One worked record: ``find_answer("16 - 3 - 4 = 9.\nThe answer is $1,018 (see step 2).")`` is
``1,018``. What is announced counts; without an announcement, a text that is nothing but an answer
is one; mode ``flexible`` then looks for the last thing that could be an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from specialize.answers.equations import evaluate
from specialize.answers.forms import last_truth, read_truth
from specialize.answers.number_phrases import answer_core, is_denied, is_name, numbers_of
from specialize.answers.options import (
    concluded_letter,
    is_one_sentence,
    is_rejected,
    names_an_option,
    read_choice,
)
from specialize.answers.own_text import MAX_TEXT, REASONING, own_part
from specialize.answers.phrases import clean, last_announcement, last_line
from specialize.answers.quantities import (
    last_quantity,
    plain_mathematics,
    series,
    stated_quantities,
)

Mode = Literal["flexible", "strict", "legacy"]
Kind = Literal["number", "choice", "boolean", "text", "equation", "bbh", "math"]

MAX_BARE = 200  # characters of a text that is taken for an answer as a whole
MAX_LETTERED_WORDS = 8  # after "A:", which may be the option A
MAX_BARE_WORDS = 5  # of one without number, in mode strict

_LEGACY = re.compile(r"\d*\.?\d+")


def find_answer(
    text: str,
    *,
    mode: Mode = "flexible",
    kind: Kind = "number",
    reasoning: Sequence[tuple[str, str]] = REASONING,
) -> str | None:
    r"""The answer of a response or of a bare answer, as it is written there; None if none is found.

    A number comes with its sign and separators, without currency, percent sign, unit or remark:
    "1,018" of "#### $1,018 eggs", "-3" of "\boxed{-3}", "5:45 p.m." of "It ends at 5:45 p.m.";
    several come as one piece ("5, 15 and 20"). An answer without number, or of another kind, is
    the announced phrase without quotes, emphasis and final period: "(d) math problem". Compare
    answers with ``is_correct`` or by ``canonical``, never as texts: the answer that is found
    grades as the whole response does.

    Mode ``strict`` takes what is announced, or a text that is nothing but an answer; ``legacy``
    the last match of ``\d*\.?\d+`` wherever it is (Fu et al., arXiv:2301.12726, code).

    Args:
        text: a whole response, or a bare answer.
        mode: what counts as an answer.
        kind: what the answer is.
        reasoning: opening and closing tags of blocks in which a model thinks aloud.

    Returns:
        A part of ``text``, or None.
    """
    if mode == "legacy":
        return last_legacy(text)
    phrase = candidate(own_part(text, reasoning), kind=kind, strict=mode == "strict")
    if phrase is None:
        return None
    if kind == "number":
        core = answer_core(phrase)
        found = numbers_of(core)
        if found:
            if len(found) == 1:
                return found[0].text
            return core[found[0].start : found[-1].end]
    return clean(phrase) or None


def candidate(own: str, *, kind: Kind, strict: bool) -> str | None:
    """The phrase of the own part of a response in which an answer of this kind is to be read."""
    announcement = last_announcement(own)
    if announcement is not None:
        is_option = kind == "choice" and announcement.is_letter
        short = len(announcement.phrase.split()) <= MAX_LETTERED_WORDS
        return f"A: {announcement.phrase}" if is_option and short else announcement.phrase
    bare = own.strip()
    if _is_bare(bare, kind, strict):
        return bare
    if strict:
        return None
    match kind:
        case "number":
            return _last_number(plain_mathematics(own))
        case "choice":
            return concluded_letter(own)
        case "boolean":
            return last_truth(_short_last_line(own))
    return _short_last_line(own) or None


def _last_number(text: str) -> str | None:
    last = last_quantity(text)
    return None if last is None or is_denied(text, last) else last.text


def _short_last_line(text: str) -> str:
    """The last line, unless it is too long to be a conclusion."""
    line = last_line(text) or ""
    return line if len(line) <= MAX_BARE else ""


def _is_bare(text: str, kind: Kind, strict: bool) -> bool:
    """Whether ``text`` is nothing but an answer of this kind."""
    if not text or len(text) > MAX_BARE or "\n" in text:
        return False
    if kind == "number":
        if any(character.isdigit() for character in text):
            return (
                bool(stated_quantities(text))
                or evaluate(text) is not None
                or is_name(clean(text), series(text)[0])
            )
        return not strict or len(text.split()) <= MAX_BARE_WORDS
    if kind == "choice":
        if not read_choice(text).letter:
            return not names_an_option(text)
        return is_one_sentence(clean(text)) and not is_rejected(clean(text))
    if kind == "boolean":
        return read_truth(text.split()[0]) is not None
    return kind != "equation" or evaluate(text) is not None


def last_legacy(text: str) -> str | None:
    """The last match of Fu et al.'s pattern."""
    found = None
    for match in _LEGACY.finditer(text[-MAX_TEXT:]):
        found = match.group()
    return found
