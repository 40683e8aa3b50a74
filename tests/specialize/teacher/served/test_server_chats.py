"""Chats at servers: turns where the server renders them, ids of our rendering elsewhere."""

from __future__ import annotations

import pytest

from specialize.errors import ConfigurationError
from specialize.records import ChatPrompt, Message
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects import DIALECTS, Speaker
from specialize.teacher.served.wire import Prompt
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys

CHAT = ChatPrompt(
    (Message("user", "2 + 3?"), Message("assistant", "5", "Easy."), Message("user", "Why?")),
    {"brief": True},
)


@pytest.mark.parametrize("kind", ["openai-chat", "vllm-chat"])
def test_turns_with_their_arguments(kind: str) -> None:
    dialect = DIALECTS[kind](Speaker("toy", load_tokenizer(toys.chat())))
    body = dialect.ask(Prompt(CHAT, (1, 2)), Sampling(5), 1, 1).body
    assert body["messages"] == [
        {"role": "user", "content": "2 + 3?"},
        {"role": "assistant", "content": "5", "reasoning_content": "Easy."},
        {"role": "user", "content": "Why?"},
    ]
    assert body["chat_template_kwargs"] == {"brief": True}
    plain = dialect.ask(Prompt("Why?", (1, 2)), Sampling(5), 1, 1).body
    assert plain["messages"] == [{"role": "user", "content": "Why?"}]
    assert "chat_template_kwargs" not in plain


@pytest.mark.parametrize(
    ("kind", "key"),
    [("vllm", "prompt"), ("vllm-tokens", "token_ids"), ("sglang", "input_ids"),
     ("llama.cpp", "prompt")],
)  # fmt: skip
def test_rendered_ids(kind: str, key: str) -> None:
    tokenizer = load_tokenizer(toys.chat())
    (ids,) = tokenizer.encode_prompts([CHAT])
    dialect = DIALECTS[kind](Speaker("toy", tokenizer))
    body = dialect.ask(Prompt(CHAT, tuple(ids)), Sampling(5), 1, 1).body
    assert body[key] == tokenizer.encode_chat(CHAT.messages, arguments={"brief": True})


def test_a_server_of_texts_says_the_way_out() -> None:
    dialect = DIALECTS["openai"](Speaker("toy", load_tokenizer(toys.chat())))
    with pytest.raises(ConfigurationError, match="takes texts, not chats; use openai-chat"):
        dialect.ask(Prompt(CHAT, (1, 2)), Sampling(5), 1, 1)
