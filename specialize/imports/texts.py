r"""Plain texts of a teacher -> a store of responses without probabilities.

    {"id": "gsm8k/train/00007", "text": "She has 3 + 4 = 7.\nThe answer is 7", "teacher": "gpt-4"}
    {"prompt": "Ann has 3 ...?", "text": "It is 12. The ans", "finish_reason": "length"}

One record a line; JSON lists, tables and compressed files are read too. ``text`` is needed, and
``id`` or ``prompt``; ``teacher`` is, unless the command names one, and all records are of one
teacher. With examples a record must have the id or question of one, whose answer grades the text; a
text that a limit cut is neither finished nor correct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from specialize.answers import Kind, find_answer, is_correct
from specialize.datasets.reading import text_field
from specialize.datasets.tables import records_of
from specialize.errors import InputError, NothingPassedError
from specialize.imports.finish import finish_of
from specialize.imports.matching import Examples
from specialize.imports.text_store import write_texts
from specialize.records import Example, Response
from specialize.store.sealed import Json
from specialize.teacher.served.wire import BadReplyError


def import_texts(
    source: Path,
    out: Path,
    *,
    teacher: str | None = None,
    examples: Sequence[Example] = (),
    kind: Kind = "number",
    restart: bool = False,
) -> dict[str, Json]:
    """Write every text of ``source`` into the store ``out``.

    Args:
        teacher: its name; None: the records' own.
        examples: whose answers grade the texts; none: nothing is graded.
        kind: how answers of the examples are compared.

    Returns:
        Counts: records, samples, correct, cut by length, dropped by reason.

    Raises:
        InputError: the file cannot be read, a record lacks a field, or the records are of several
            teachers or none; names the line.
        NothingPassedError: no record is left; names the reasons.
    """
    reader = _Reader(Examples(examples), kind)
    responses = []
    for number, (where, record) in enumerate(records_of(source)):
        teacher = _teacher(record, teacher, where)
        found = reader.response(record, where, f"{source.stem}/{number:06d}")
        if isinstance(found, str):
            reader.dropped[found] += 1
        else:
            responses.append(found)
    if teacher is None or not responses:
        raise NothingPassedError(f"no record of {source} can be used: {dict(reader.dropped)}")
    summary = _summary(responses, reader.dropped)
    write_texts(
        out, responses, teacher=teacher, asked=reader.known.digest(), sources=[source],
        summary=summary, restart=restart,
    )  # fmt: skip
    return summary


def _summary(responses: Sequence[Response], dropped: Counter[str]) -> dict[str, Json]:
    return {
        "records": len(responses) + dropped.total(),
        "samples": len(responses),
        "correct": sum(response.correct is True for response in responses),
        "cut_by_length": sum(not response.finished for response in responses),
        "dropped": dict(sorted(dropped.items())),
    }


def _teacher(record: Mapping[str, object], teacher: str | None, where: str) -> str:
    """The one teacher of all records so far."""
    if record.get("teacher") is None and teacher is not None:
        return teacher
    if record.get("teacher") is None:
        raise InputError(f"{where}: no field 'teacher', and none is named; name it with --teacher")
    named = text_field(record, "teacher", where)
    if teacher not in (None, named):
        raise InputError(
            f"{where}: the text is of {named!r}, but the store is of {teacher!r}; import the texts "
            f"of each teacher on their own"
        )
    return named


def _was_cut(record: Mapping[str, object]) -> bool:
    """Whether a limit cut the text.

    Raises:
        BadReplyError: a word for its end that is not known.
    """
    reason = record.get("finish_reason")
    if reason is not None and not isinstance(reason, str):
        raise BadReplyError("ended for an unknown reason")
    return finish_of(reason) == "length"


class _Reader:
    """Makes responses of records; keys are examples' ids and how often each came before."""

    def __init__(self, known: Examples, kind: Kind) -> None:
        self.known = known
        self.dropped: Counter[str] = Counter()
        self._kind = kind
        self._seen: Counter[str] = Counter()

    def response(self, record: Mapping[str, object], where: str, name: str) -> Response | str:
        """The response of a record, or why there is none."""
        text = text_field(record, "text", where)
        prompt = text_field(record, "prompt", where) if record.get("prompt") else ""
        identity = text_field(record, "id", where) if record.get("id") else None
        if not prompt and identity is None:
            raise InputError(f"{where}: neither 'prompt' nor 'id' says what the text answers")
        try:
            cut = _was_cut(record)
        except BadReplyError as error:
            return str(error)
        if not text.strip():
            return "empty"
        example = self.known.find(identity or "", prompt)
        if self.known.all and example is None:
            return "no example has this id or question"
        key, correct = identity or name, None
        if example is not None:
            key, answer = example.id, example.answer
            right = is_correct(text, answer, kind=self._kind, choices=example.choices)
            correct = right and not cut
        self._seen[key] += 1
        return Response(
            key, self._seen[key] - 1, prompt, text, answer=find_answer(text, kind=self._kind),
            correct=correct, finished=not cut,
        )  # fmt: skip
