"""What the readers of several sets share: a question from its parts, an example from a question."""

from __future__ import annotations

from specialize.errors import InputError
from specialize.records import Example

_ENDS_SENTENCE = (".", "!", "?", ",", ";", ":", '"', "”")


def example(
    id_: str,
    question: str,
    answer: str,
    where: str,
    rationale: str = "",
    *,
    choices: tuple[str, ...] = (),
    task: str = "",
) -> Example:
    """An example whose question says something, and is stripped.

    Args:
        id_: stable across machines, ``<set>/<split>/<position>``.
        where: file and line, for the error.
        rationale: the worked solution without its answer line.
        choices: texts of the options, in order.
        task: the part of the set that is scored on its own.

    Raises:
        InputError: the question is empty.
    """
    if not question.strip():
        raise InputError(f"{where}: the question is empty")
    return Example(id_, question.strip(), answer, rationale, choices, task)


def join_question(body: str, question: str) -> str:
    """Body and question as one text, with a period between where the body ends without a mark."""
    body, question = " ".join(body.split()), " ".join(question.split())
    if not body:
        return question
    return f"{body} {question}" if body.endswith(_ENDS_SENTENCE) else f"{body}. {question}"
