"""Chat formats: turns, targets, demonstrations, and what has no place in a plain format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from specialize.answers import find_answer
from specialize.errors import ConfigurationError
from specialize.formats import FORMAT_NAMES, ChatStyle, by_name, is_chat, parse_prompt_file
from specialize.records import ChatPrompt, Example, Message

ASKED = Example("a/0", "2 + 3?", "5", "2 + 3 = 5.")
SHOWN = Example("a/1", "1 + 1?", "2", "1 + 1 = 2.")
CHATS = [name for name in FORMAT_NAMES if is_chat(name)]


@pytest.mark.parametrize("name", CHATS)
def test_every_name_makes_a_chat_that_can_be_graded(name: str) -> None:
    form = by_name(name, 1, chat=ChatStyle("Be brief.", {"enable_thinking": False}))
    prompt = form.prompt(ASKED, [SHOWN][: form.demonstrations])
    assert form.name == name
    assert isinstance(prompt, ChatPrompt)
    assert prompt.arguments == {"enable_thinking": False}
    roles = [turn.role for turn in prompt.messages]
    assert roles == ["system", *["user", "assistant"] * form.demonstrations, "user"]
    assert prompt.messages[-1].content.startswith("2 + 3?")
    assert find_answer(form.target(ASKED.rationale, ASKED.answer)) == "5"
    assert form.separator == ""


def test_what_the_assistant_should_say() -> None:
    assert by_name("chat-cot").target("2 + 3 = 5.", "5") == "2 + 3 = 5.\nThe answer is 5"
    said = "2 + 3 = 5.\n\nSo the answer is 5."
    assert by_name("chat-cot").target(said, "5") == said
    assert by_name("chat-answer").target("", "5") == "The answer is 5"
    assert by_name("chat").target(said, "5") == said
    assert by_name("chat").target("", "Five.") == "Five."
    assert by_name("chat").prompt(ASKED).messages == (Message("user", "2 + 3?"),)
    with pytest.raises(ValueError, match="chat-cot needs a rationale for answer '5'"):
        by_name("chat-cot").target(" ", "5")


def test_turns_before_the_question() -> None:
    earlier = (Message("system", "Own."), Message("user", "Hi"), Message("assistant", "Hello"))
    example = replace(ASKED, earlier=earlier)
    form = by_name("in-context-chat", 1, chat=ChatStyle("Be brief."))
    contents = [turn.content for turn in form.prompt(example, [SHOWN]).messages]
    assert contents == ["Own.", "1 + 1?", "1 + 1 = 2.", "Hi", "Hello", "2 + 3?"]
    for name in ("zero-shot-cot", "predict"):
        with pytest.raises(ConfigurationError, match="'a/0' has 3 turns before its question"):
            by_name(name).prompt(example)


def test_demonstrations_that_cannot_be_shown() -> None:
    form = by_name("in-context-chat-cot", 1)
    with pytest.raises(ValueError, match="takes 1 demonstrations, got 0"):
        form.prompt(ASKED)
    with pytest.raises(ValueError, match="cannot demonstrate itself"):
        form.prompt(ASKED, [ASKED])
    with pytest.raises(ValueError, match="'a/1' has no rationale"):
        form.prompt(ASKED, [replace(SHOWN, rationale="")])
    with pytest.raises(ConfigurationError, match="needs at least 1 demonstration"):
        by_name("in-context-chat", 0)


def test_a_published_prompt_as_turns(tmp_path: Path) -> None:
    path = tmp_path / "task.txt"
    path.write_text(
        "Add.\n\nQ: 1 + 1?\nA: Let's think step by step.\n1 + 1 = 2. So the answer is 2."
    )
    published = parse_prompt_file(path)
    form = published.like(by_name("in-context-chat-cot", 9))
    turns = form.prompt(ASKED, published.demonstrations).messages
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[0].content == "Add."
    assert turns[2].content == "1 + 1 = 2.\nThe answer is 2"
