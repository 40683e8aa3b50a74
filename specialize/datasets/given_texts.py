"""Texts to score, by the example that they answer: a student's own samples, or anybody's.

    {"id": "gsm8k/train/00007", "text": "She has 3 + 4 = 7.\\nThe answer is 7"}
    {"id": "gsm8k/train/00007", "text": "She had three and", "finish_reason": "length"}

One record a line; further fields are not read. A text that a limit cut has no end to learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from specialize.config.teacher import Teacher
from specialize.datasets.reading import Record, json_lines, text_field
from specialize.errors import InputError, NothingPassedError
from specialize.records import Example, GivenText

_EXPECTED = "texts with the fields id and text, as JSON lines"


def read_texts(path: str | Path, examples: Sequence[Example]) -> Mapping[str, list[GivenText]]:
    """The texts of a file by the id of their example, in the file's order; blank ones are left out.

    Args:
        examples: those that the texts may answer.

    Raises:
        InputError: the file cannot be read, a record lacks a field, or answers no example; names
            the line.
        NothingPassedError: every text is blank.
    """
    path = Path(path)
    found: dict[str, list[GivenText]] = {}
    known = {example.id for example in examples}
    for where, record in json_lines(path, _EXPECTED):
        name = text_field(record, "id", where)
        if name not in known:
            raise InputError(
                f"{where}: no example has the id {name!r}; name the set and split that the texts "
                f"were written for"
            )
        text = GivenText(text_field(record, "text", where), _was_cut(record, where))
        if text.text.strip():
            found.setdefault(name, []).append(text)
    if not found:
        raise NothingPassedError(f"every text of {path} is blank, so there is nothing to score")
    return found


def texts_to_score(
    settings: Teacher, examples: Sequence[Example]
) -> Mapping[str, list[GivenText]] | None:
    """The texts that a teacher is to score; None: the set's own solutions, or it writes itself."""
    return None if settings.texts is None else read_texts(settings.texts, examples)


def _was_cut(record: Record, where: str) -> bool:
    reason = record.get("finish_reason")
    if reason not in (None, "stop", "length"):
        raise InputError(f"{where}: finish_reason must be 'stop' or 'length', got {reason!r:.60}")
    return reason == "length"
