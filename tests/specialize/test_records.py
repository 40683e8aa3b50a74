"""Chats as prompts: what they are, and that they are written and read back whole."""

from __future__ import annotations

import pytest

from specialize.records import ChatPrompt, Message, message_of

CHAT = ChatPrompt(
    (
        Message("system", "Be brief."),
        Message("user", "2 + 3?"),
        Message("assistant", "5", "Easy."),
        Message("user", "Why?"),
    ),
    {"enable_thinking": False, "tags": ["a", None]},
)


def test_a_chat_is_read_back_whole() -> None:
    assert ChatPrompt.from_json(CHAT.as_json()) == CHAT
    assert hash(ChatPrompt.from_json(CHAT.as_json())) == hash(CHAT)
    assert ChatPrompt(CHAT.messages) != CHAT


def test_a_chat_shows_every_turn_under_its_role() -> None:
    assert str(CHAT) == "[system]\nBe brief.\n\n[user]\n2 + 3?\n\n[assistant]\n5\n\n[user]\nWhy?"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "an object with a list of messages"),
        ({"messages": [], "arguments": {}}, "ends with a message of the user"),
        ({"messages": [{"role": "user", "content": "?"}], "arguments": 3}, "a list of messages"),
        ({"messages": [{"role": "assistant", "content": "5"}]}, "ends with a message of the user"),
        ({"messages": [{"role": "user", "content": 5}]}, "the content of a message is no text"),
        ({"messages": [5]}, "an object with role and content"),
    ],
)
def test_what_is_no_chat_is_refused(value: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ChatPrompt.from_json(value)


def test_only_an_assistant_thinks() -> None:
    with pytest.raises(ValueError, match="role 'user' has thinking"):
        message_of({"role": "user", "content": "?", "thinking": "hm"})
    with pytest.raises(ValueError, match="role 'tool'; known roles: system, user, assistant"):
        Message("tool", "x")
