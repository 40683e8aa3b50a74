"""From what a teacher wrote to a sample of the store: judged, or why it is no correct solution.

    "... = 72.\\nThe answer is 72", cut from "... = 72.\\nThe answer is 72\\n\\nQ: Tim"    correct

Nothing is thrown away: a response that is not correct is stored with the rest, and the reason is
counted. A text that was cut is right only if the whole one is right too.
"""

from __future__ import annotations

from specialize.answers import Kind, find_answer, is_correct
from specialize.answers.own_text import own_part
from specialize.answers.phrases import last_announcement
from specialize.records import Response
from specialize.store import Sample
from specialize.teacher.asks import Ask
from specialize.teacher.protocol import ScoredText

REASONS = ("empty", "cut by length", "no answer line", "no answer", "wrong answer")


def judge(
    ask: Ask, scored: ScoredText, whole: str, *, kind: Kind, announces: bool, with_prompt: bool
) -> tuple[Sample, str | None]:
    """The sample to store, and why it is not a correct solution (None: it is one).

    Args:
        whole: the text before it was cut.
        kind: how answers of this set are compared.
        announces: solutions must have a line "The answer is ...".
        with_prompt: store the prompt too: the samples of a question share it.
    """
    answer = find_answer(scored.text, kind=kind)
    reason = _reason(ask, scored, whole, answer, kind, announces)
    response = Response(
        example_id=ask.example.id,
        sample=ask.sample,
        prompt=ask.prompt if with_prompt else "",
        text=scored.text,
        answer=answer,
        correct=reason is None,
        finished=scored.finished,
        thinking=scored.thinking,
    )
    return scored.sample(response), reason


def _reason(
    ask: Ask, scored: ScoredText, whole: str, answer: str | None, kind: Kind, announces: bool
) -> str | None:
    if not scored.text.strip():
        return "cut by length" if scored.thinking and not scored.finished else "empty"
    if not scored.finished:
        return "cut by length"
    if announces and last_announcement(own_part(scored.text)) is None:
        return "no answer line"
    if answer is None:
        return "no answer"
    gold, choices = ask.example.answer, ask.example.choices
    right = all(
        is_correct(text, gold, kind=kind, choices=choices)
        for text in dict.fromkeys((scored.text, whole))
    )
    return None if right else "wrong answer"
