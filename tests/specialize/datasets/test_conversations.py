"""A user's own conversations as examples: which turn is the question, the answer, the context."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize import datasets
from specialize.artifacts.predictions import read_questions, write_questions
from specialize.cli.data import data
from specialize.errors import InputError
from specialize.records import Example, Message

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2 + 3?"},
    {"role": "assistant", "content": "5", "reasoning_content": "Easy."},
    {"role": "user", "content": "And 4 + 4?"},
]
EARLIER = (
    Message("system", "Be brief."),
    Message("user", "2 + 3?"),
    Message("assistant", "5", "Easy."),
)
SAID = {"role": "assistant", "content": "4 + 4 = 8.\nThe answer is 8."}


def read(tmp_path: Path, record: object) -> Example:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(record) + "\n")
    return datasets.load("jsonl", str(path))[0]


@pytest.mark.parametrize(
    ("record", "answer", "rationale"),
    [
        ({"messages": TURNS, "answer": 8}, "8", ""),
        ({"messages": [*TURNS, SAID]}, "8", SAID["content"]),
        ({"messages": [*TURNS, SAID], "answer": "nine"}, "nine", SAID["content"]),
        ({"messages": [*TURNS, {"role": "assistant", "content": "Eight"}]}, "Eight", ""),
    ],
)
def test_the_last_user_turn_is_asked(
    tmp_path: Path, record: object, answer: str, rationale: str
) -> None:
    found = read(tmp_path, record)
    assert found == Example("mine/00000", "And 4 + 4?", answer, rationale, earlier=EARLIER)


def test_conversations_are_written_and_kept_as_they_are(tmp_path: Path) -> None:
    found = [read(tmp_path, {"messages": TURNS, "answer": "8", "rationale": "4 + 4 = 8."})]
    datasets.write_jsonl(tmp_path / "again.jsonl", found)
    assert [*datasets.load("jsonl", str(tmp_path / "again.jsonl"))] == found
    write_questions(tmp_path, "mine", "test", found)
    assert read_questions(tmp_path, "mine", "test") == {found[0].id: found[0]}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"messages": []}, "line 1: 'messages' must be a list of turns"),
        ({"messages": "Hello"}, "line 1: 'messages' must be a list of turns, got 'Hello'"),
        ({"messages": ["Hello"]}, "message 0 is no object with role and content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "message 0: a message has role 'tool'"),
        ({"messages": [{"role": "user"}]}, "message 0: no field 'content'"),
        ({"messages": TURNS[:1]}, "'messages' must end with a user's turn"),
        ({"messages": TURNS}, "line 1: no 'answer'"),
        ({"messages": TURNS, "question": "?", "answer": "8"}, "leave 'question' out"),
        (
            {"messages": [{"role": "user", "content": "?", "thinking": "hm"}], "answer": "8"},
            "message 0: a message of role 'user' has thinking",
        ),
    ],
)
def test_what_is_no_conversation_is_named(tmp_path: Path, record: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, record)


def test_data_shows_the_turns_before_the_question(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"messages": TURNS, "answer": 8}) + "\n")
    shown = CliRunner().invoke(data, ["jsonl", str(path)]).output
    assert "earlier: [system]" in shown
    assert "[assistant]" in shown
    assert "question: And 4 + 4?" in shown
