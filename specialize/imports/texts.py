r"""Plain texts of a teacher, one JSON object a line -> a store of responses without probabilities.

    {"id": "gsm8k/train/00007", "text": "She has 3 + 4 = 7.\nThe answer is 7", "teacher": "gpt-4"}
    {"prompt": "Ann has 3 ...?", "text": "It is 12. The ans", "finish_reason": "length"}

``text`` is needed, and ``id`` or ``prompt``; ``teacher`` is, unless the command names one, and all
records are of one teacher. With examples a record must have the id or question of one, whose answer
grades the text; a text that a limit cut is neither finished nor correct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from specialize.answers import Kind, find_answer, is_correct
from specialize.datasets.reading import json_lines, text_field
from specialize.errors import InputError, NothingPassedError
from specialize.imports.finish import CUT, finish_of
from specialize.imports.matching import Examples
from specialize.imports.text_store import write_texts
from specialize.records import Example, Response
from specialize.store.sealed import Json
from specialize.teacher.served.wire import BadReplyError

_EXPECTED = "JSON lines with text, prompt or id, and teacher"
_UNKNOWN = "no example has this id or question"


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
        InputError: the file is not JSON lines, a record lacks a field, or the records are of
            several teachers or none; names the line.
        NothingPassedError: no record is left; names the reasons.
    """
    known = Examples(examples)
    counts: Counter[str] = Counter()
    responses: list[Response] = []
    seen: Counter[str] = Counter()
    for number, (where, record) in enumerate(json_lines(source, _EXPECTED)):
        teacher = _teacher(record, teacher, where)
        found = _response(record, where, f"{source.stem}/{number:06d}", known, kind, seen)
        counts[found if isinstance(found, str) else "samples"] += 1
        if not isinstance(found, str):
            counts[CUT] += _word(record) == "length"
            responses.append(found)
    dropped: dict[str, Json] = {
        r: n for r, n in sorted(counts.items()) if r not in ("samples", CUT)
    }
    if teacher is None or not responses:
        raise NothingPassedError(f"no record of {source} can be used: {dropped or 'none'}")
    summary: dict[str, Json] = {
        "records": len(responses) + sum(counts[reason] for reason in dropped),
        "samples": len(responses),
        "correct": sum(response.correct is True for response in responses),
        "cut_by_length": counts[CUT],
        "dropped": dropped,
    }
    write_texts(
        out, responses, teacher=teacher, asked=known.digest(), sources=[source],
        summary=summary, restart=restart,
    )  # fmt: skip
    return summary


def _teacher(record: Mapping[str, object], teacher: str | None, where: str) -> str:
    """The one teacher of all records so far."""
    if "teacher" not in record and teacher is not None:
        return teacher
    if "teacher" not in record:
        raise InputError(f"{where}: no field 'teacher', and none is named; name it with --teacher")
    named = text_field(record, "teacher", where)
    if teacher not in (None, named):
        raise InputError(
            f"{where}: the text is of {named!r}, but the store is of {teacher!r}; import the texts "
            f"of each teacher on their own"
        )
    return named


def _word(record: Mapping[str, object]) -> str:
    """How the text ended; ``given`` where the record does not say it.

    Raises:
        BadReplyError: a word that is not known.
    """
    reason = record.get("finish_reason")
    if reason is not None and not isinstance(reason, str):
        raise BadReplyError("ended for an unknown reason")
    return finish_of(reason)


def _response(
    record: Mapping[str, object],
    where: str,
    name: str,
    known: Examples,
    kind: Kind,
    seen: Counter[str],
) -> Response | str:
    """The response of a record, or why there is none."""
    text = text_field(record, "text", where)
    prompt = text_field(record, "prompt", where) if "prompt" in record else ""
    identity = text_field(record, "id", where) if "id" in record else name
    if not prompt and "id" not in record:
        raise InputError(f"{where}: neither 'prompt' nor 'id' says what the text answers")
    try:
        finished = _word(record) != "length"
    except BadReplyError as error:
        return str(error)
    if not text.strip():
        return "empty"
    example = known.find(identity, prompt)
    if known.all and example is None:
        return _UNKNOWN
    correct = None
    if example is not None:
        right = is_correct(text, example.answer, kind=kind, choices=example.choices)
        identity, correct = example.id, right and finished
    seen[identity] += 1
    return Response(
        identity, seen[identity] - 1, prompt, text, answer=find_answer(text, kind=kind),
        correct=correct, finished=finished,
    )  # fmt: skip
