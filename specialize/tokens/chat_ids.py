"""The turns of a chat as the ids that a model reads: rendered by its template, then encoded.

    user "2 + 2?"  ->  <|im_start|> user \\n 2 + 2 ? <|im_end|> \\n <|im_start|> assistant \\n

Where no turn holds the written form of a control token these are the ids that
``apply_chat_template(tokenize=True)`` of transformers gives. Where one does, its text stays text:
what a user writes can neither end a turn nor begin one. Control tokens are the special ones and
those that the template names, as Qwen3's names ``<think>``; an assistant's own turn may hold the
latter, which templates look for there.

The rendered text is encoded whole, by a tokenizer that knows control tokens under other names.
These are drawn anew in every process, so that no text can hold one.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from specialize.records import Message
from specialize.tokens.chat_template import ChatTemplate
from specialize.tokens.definition import AddedEntry, Definition, encoder, parse_definition

_SECRET = secrets.token_hex(16)
_PLAIN: AddedEntry = {
    "id": 0, "content": "", "special": True,
    "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
}  # fmt: skip


def _mark(kind: str, number: int) -> str:
    return f"{_SECRET}{kind}{number:06d}."


_IN_TURN = re.compile(re.escape(_SECRET) + r"t(\d{6})\.")


@dataclass(frozen=True, slots=True)
class ChatEncoder:
    """What encodes the chats of one tokenizer; ``chat_encoder`` makes it.

    Attributes:
        names: how control tokens are written, the longest first.
        special: of these, the special ones.
        ids: of the control tokens, by the ids of their marks.
        backend: takes marks for tokens, and no control token.
    """

    names: Sequence[str]
    special: frozenset[str]
    ids: Mapping[int, int]
    backend: Backend

    def encode(
        self, messages: Sequence[Message], render: Callable[[Sequence[Message]], str]
    ) -> list[int]:
        """The ids of what ``render`` makes of ``messages``."""
        numbers = {name: number for number, name in enumerate(self.names)}
        text = render([self._masked(message, numbers) for message in messages])
        text = _either(self.names).sub(lambda found: _mark("c", numbers[found.group()]), text)
        text = _IN_TURN.sub(lambda found: self.names[int(found.group(1))], text)
        ids = self.backend.encode(text, add_special_tokens=False).ids
        return [self.ids.get(token, token) for token in ids]

    def _masked(self, message: Message, numbers: Mapping[str, int]) -> Message:
        """``message`` with marks in place of the names that it must not be read for."""
        own = message.role == "assistant"
        pattern = _either([name for name in self.names if not own or name in self.special])

        def mask(text: str) -> str:
            return pattern.sub(lambda found: _mark("t", numbers[found.group()]), text)

        return replace(message, content=mask(message.content), thinking=mask(message.thinking))


def chat_encoder(
    definition: Definition, special: Mapping[str, int], template: ChatTemplate
) -> ChatEncoder:
    """The encoder of a tokenizer's chats.

    Args:
        definition: of the tokenizer.
        special: its special tokens.
        template: may name tokens that are not special, or be handed some (``bos_token``) that a
            configuration calls special and the definition does not.
    """
    added = [t for t in definition.content["added_tokens"] if t["content"]]
    handed = {name: i for i, name in definition.written.items() if name in template.tokens.values()}
    known = {t["content"] for t in added}
    added += [
        {**_PLAIN, "id": token, "content": name}
        for name, token in {**special, **handed}.items()
        if name and name not in known
    ]
    control = [t for t in added if t["special"] or t["content"] in template.source]
    control.sort(key=lambda token: -len(token["content"]))
    hidden = {token["id"] for token in control}
    # as special tokens none of them can come from text; see ``encoder``
    closed = [{**t, "special": t["special"] or t["id"] in hidden} for t in added]
    content = json.dumps({**definition.content, "added_tokens": closed})
    backend = encoder(parse_definition(content.encode(), "chat"))
    marks = [_mark("c", number) for number in range(len(control))]
    backend.add_tokens([_as(mark, token) for mark, token in zip(marks, control, strict=True)])
    placed = [backend.token_to_id(mark) for mark in marks]
    return ChatEncoder(
        [token["content"] for token in control],
        frozenset(token["content"] for token in control if token["special"]),
        {at: t["id"] for at, t in zip(placed, control, strict=True) if at is not None},
        backend,
    )


def _as(mark: str, token: AddedEntry) -> AddedToken:
    """A token that is found as ``token`` is, under another name."""
    return AddedToken(
        mark,
        single_word=token["single_word"],
        lstrip=token["lstrip"],
        rstrip=token["rstrip"],
        normalized=False,
        special=False,
    )


def _either(names: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, names)) or r"(?!)")
