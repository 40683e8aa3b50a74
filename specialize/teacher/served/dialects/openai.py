"""OpenAI's completions and chat, and what speaks them; texts are sampled, never scored.

Where a server sends ids beside its tokens, they are taken. OpenAI itself knows none: an entry is
then the id of the tokenizer that spells its bytes; where several do, they cannot be
distinguished and the row is not believed. -9999 is the value of what is not among the first 20.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from specialize.errors import ConfigurationError
from specialize.records import ChatPrompt
from specialize.store.sealed import Json
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects.dialect import Ids, Speaker, drawn
from specialize.teacher.served.dialects.shapes import Reader
from specialize.teacher.served.wire import Part, Prompt, Reply, Request
from specialize.tokens.spellings import Spellings

_NO_SCORES = "this interface scores no given texts"


@dataclass(frozen=True, slots=True)
class OpenAI:
    """``/v1/completions`` with prompts as text, or ``/v1/chat/completions`` with messages.

    Attributes:
        chat: messages, which the server renders with its own template.
        by_id: ask for ids in place of token texts, as vLLM understands it.
    """

    speaker: Speaker
    chat: bool = False
    by_id: bool = False
    scores: ClassVar[bool] = False
    _reader: Reader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        spellings = Spellings.of(self.speaker.tokenizer)
        reader = Reader(self.speaker, spellings, shows_ends=self.by_id)
        object.__setattr__(self, "_reader", reader)

    @property
    def continues(self) -> bool:
        return not self.chat

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        body = {"model": self.speaker.model, **drawn(settings, seed, count)}
        if self.chat:
            body |= {"messages": _turns(prompt.chat), "logprobs": True}
            body["top_logprobs"] = settings.top_k
            if prompt.chat.arguments:  # vLLM's, SGLang's and llama.cpp's name for them
                body["chat_template_kwargs"] = dict(prompt.chat.arguments)
        else:
            body |= {"prompt": _text(prompt), "logprobs": settings.top_k}
        if self.by_id:
            body["return_tokens_as_token_ids"] = True
        path = "/v1/chat/completions" if self.chat else "/v1/completions"
        return Request(path, body, len(prompt.ids) + count * settings.max_new_tokens)

    def replies(self, body: Json, count: int) -> list[Reply]:
        return self._reader.replies(body, count)

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        raise ValueError(_NO_SCORES)

    def ask_chosen(self, head: Ids, tokens: Ids, chosen: tuple[Ids, ...]) -> None:
        return None

    def scores_of(self, body: Json, part: Part) -> Reply:
        raise ValueError(_NO_SCORES)

    def simpler(self) -> None:
        return None

    def ask_tokens(self, text: str) -> Request | None:
        return None


def _turns(chat: ChatPrompt) -> list[Json]:
    """Messages as the interface knows them; thinking under the name that servers give it."""
    turns: list[Json] = []
    for message in chat.messages:
        thinking: dict[str, Json] = (
            {"reasoning_content": message.thinking} if message.thinking else {}
        )
        turns.append({"role": message.role, "content": message.content, **thinking})
    return turns


def _text(prompt: Prompt) -> str:
    if not isinstance(prompt.asked, str):
        raise ConfigurationError(
            "a server of kind openai takes texts, not chats; use openai-chat, or a kind that takes "
            "ids (vllm, vllm-tokens, sglang, llama.cpp)"
        )
    return prompt.asked
