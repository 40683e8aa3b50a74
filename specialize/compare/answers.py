"""Scored answers of one system, by task: what every kind of evaluation is read into.

One worked answer: the second of three samples to question 17 of an inspect log, scored ``C``::

    Answer(question="17", sample=2, score=1.0, document="8c1f...", prompt="", cluster="17")
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from specialize.errors import ConfigurationError, InputError


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a log counts, where it holds more than one thing; None: the first.

    Attributes:
        metric: of lm-eval, such as ``acc_norm``; of inspect the scorer's name.
        filter: of lm-eval, such as ``strict-match``.
        cluster: the field of a question whose equal values belong together, or ``task``; None:
            only the answers to one question do.
    """

    metric: str | None = None
    filter: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One scored answer.

    Attributes:
        question: names the question within its task.
        sample: which of several answers to the question, from 1.
        score: 1 for a correct answer, 0 for a wrong one; other metrics give other numbers.
        document: digest of the question and its gold answer.
        prompt: digest of what the model read; empty where the log does not say.
        cluster: answers of equal cluster are not independent of one another.
    """

    question: str
    sample: int
    score: float
    document: str
    prompt: str
    cluster: str


@dataclass(frozen=True, slots=True)
class System:
    """The answers of one system by task, and what a reader of them should know."""

    tasks: Mapping[str, tuple[Answer, ...]]
    notes: tuple[str, ...] = ()


def digest(value: object) -> str:
    """16 hex digits of a JSON value."""
    written = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def cluster_of(fields: Mapping[str, object], choice: Choice, task: str, question: str) -> str:
    """The cluster of a question: the value of the chosen field, or the question itself.

    Args:
        fields: of the question, as its log has them.

    Raises:
        ConfigurationError: the question has no such field.
    """
    if choice.cluster is None:
        return f"{task}\n{question}"
    if choice.cluster in fields:
        return str(fields[choice.cluster])
    if choice.cluster == "task":
        return task
    raise ConfigurationError(
        f"question {question} of {task} has no field {choice.cluster!r} to cluster by; it has "
        f"{', '.join(sorted(fields)) or 'none'} (and task is always there)"
    )


def checked(answers: tuple[Answer, ...], where: str) -> tuple[Answer, ...]:
    """``answers``, if every one has a score and no question is answered twice as one sample.

    Raises:
        InputError: a score is not finite, or two evaluations were written into one file.
    """
    seen: set[tuple[str, int]] = set()
    for answer in answers:
        if not isfinite(answer.score):
            raise InputError(f"{where}: question {answer.question} has no score ({answer.score})")
        key = (answer.question, answer.sample)
        if key in seen:
            raise InputError(
                f"{where}: question {answer.question} is answered twice; the file holds more than "
                f"one evaluation, keep one of them"
            )
        seen.add(key)
    return answers
