"""A user's own examples, one record each; ids are in the records, or positions: mine/00000.

    {"question": "2 + 3?", "answer": "5", "rationale": "2 + 3 = 5."}
    {"messages": [{"role": "user", "content": "2 + 3?"},
                  {"role": "assistant", "content": "2 + 3 = 5.\\nThe answer is 5"}]}

Fields that are not read are named once. ``docs/data.md`` describes every field and format.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from specialize.answers.phrases import clean, last_announcement
from specialize.datasets.layouts import named
from specialize.datasets.reading import Record, clean_text, number_field, text_field
from specialize.datasets.spec import SetSpec
from specialize.datasets.tables import file_of, records_of
from specialize.errors import InputError
from specialize.io.files import write_atomically
from specialize.records import Example, Json, Message, message_of

FIELDS = ("id", "question", "answer", "rationale", "choices", "task", "context", "messages")
_log = logging.getLogger(__name__)


def _read(path: Path, split: str | None) -> list[Example]:
    path = file_of(path, split)
    found, unread = [], set[str]()
    for at, (where, record) in enumerate(records_of(path)):
        found.append(own_example(record, f"{path.name.partition('.')[0]}/{at:05d}", where))
        unread |= record.keys() - set(FIELDS)
    if unread:
        _log.warning("%s: fields that are not read: %s", path, ", ".join(sorted(map(str, unread))))
    return found


def own_example(record: Record, id_: str, where: str) -> Example:
    """One record as an example; ``id_`` is for a record that has none.

    Raises:
        InputError: question or answer is missing, or a field is of another type; names the place.
    """
    present = {key: record[key] for key in FIELDS if record.get(key) is not None}
    earlier: tuple[Message, ...] = ()
    if "messages" in present:
        earlier, stated = _conversation(present, where)
        present = stated | present
    values = {key: text_field(present, key, where) for key in present if key in _TEXTS}
    for key in ("id", "answer"):
        if key in present:
            is_text = isinstance(present[key], str)
            values[key] = (text_field if is_text else number_field)(present, key, where)
    values.setdefault("id", id_)
    for key in ("id", "question", "answer"):
        if not values.get(key, "").strip():
            unknown = sorted(map(str, record.keys() - set(FIELDS)))
            also = f"; unknown field {named(unknown)}: rename what holds it" if unknown else ""
            raise InputError(f"{where}: no {key!r}{also}")
    choices = _choices(present.get("choices", []), where)
    return Example(**values, choices=choices, earlier=earlier)


def _conversation(
    present: Mapping[str, object], where: str
) -> tuple[tuple[Message, ...], dict[str, object]]:
    """The turns before the last question, and what the others say in place of fields.

    The last turn of the user is the question. What an assistant says after it is the rationale, or
    the answer itself where the record has no other and none is announced in it.
    """
    if "question" in present:
        raise InputError(f"{where}: 'messages' hold the question; leave 'question' out")
    turns = present["messages"]
    if not isinstance(turns, list) or not turns:
        raise InputError(f"{where}: 'messages' must be a list of turns, got {turns!r:.60}")
    messages = [_message(turn, f"{where}, message {i}") for i, turn in enumerate(turns)]
    last = messages.pop() if messages[-1].role == "assistant" else None
    if not messages or messages[-1].role != "user":
        raise InputError(f"{where}: 'messages' must end with a user's turn and its answer, if any")
    fields: dict[str, object] = {"question": messages[-1].content}
    if last is not None:
        announced = None if "answer" in present else last_announcement(last.content)
        if "answer" in present or announced:
            fields["rationale"] = last.content
        if "answer" not in present:
            fields["answer"] = clean(announced.phrase) if announced else last.content
    return tuple(messages[:-1]), fields


def _message(turn: object, where: str) -> Message:
    """A turn as the common formats write it."""
    if not isinstance(turn, dict):
        raise InputError(f"{where} is no object with role and content: {turn!r:.60}")
    content = text_field(turn, "content", where)
    role = "system" if turn.get("role") == "developer" else turn.get("role")
    thinking = next((turn[key] for key in _THINKING if isinstance(turn.get(key), str)), "")
    value: Json = {"role": role, "content": content, "thinking": clean_text(thinking, where)}
    try:
        return message_of(value)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


_THINKING = ("thinking", "reasoning_content", "reasoning")
_TEXTS = ("question", "rationale", "task", "context")


def _choices(value: object, where: str) -> tuple[str, ...]:
    """A list of texts, also one written as JSON in a cell of CSV."""
    if isinstance(value, str) and value.strip()[:1] == "[":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(f"{where}: 'choices' is not a JSON list: {value!r:.60}") from None
    if value == "":
        return ()
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise InputError(f"{where}: 'choices' must be a list of texts, got {value!r:.60}")
    return tuple(clean_text(choice, where) for choice in value)


def write_jsonl(path: Path, examples: Sequence[Example]) -> None:
    """Write ``examples`` as JSON lines that read back; empty fields are left out."""
    lines = []
    for example in examples:
        fields = {
            "id": example.id,
            **({} if example.earlier else {"question": example.question}),
            "messages": _written(example),
            "answer": example.answer,
            "rationale": example.rationale,
            "choices": list(example.choices),
            "task": example.task,
            "context": example.context,
        }
        values = {key: value for key, value in fields.items() if value}
        lines.append(json.dumps(values, sort_keys=True, ensure_ascii=False) + "\n")
    write_atomically(path, "".join(lines).encode())


def _written(example: Example) -> list[Json]:
    """The turns of a conversation up to its question; none of a question alone."""
    if not example.earlier:
        return []
    turns = (*example.earlier, Message("user", example.question))
    return [turn.as_json() for turn in turns]


JSONL = SetSpec("jsonl", "number", _read, licence="the user's own", source="docs/data.md")
