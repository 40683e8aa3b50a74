r"""The marks that a chat template puts around an assistant's thinking, found by rendering some.

    Qwen3    "<think>\n" thinking "\n</think>\n\n" content

A template that renders no thinking but speaks of ``<think>`` (DeepSeek R1's drops it from earlier
turns) has those marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from specialize.errors import InputError
from specialize.records import Json, Message
from specialize.tokens.chat_template import NO_ARGUMENTS, ChatTemplate
from specialize.tokens.tokenizer import Tokenizer

_ASKED, _THOUGHT, _SAID = "question 7f3a", "thought 7f3b", "answer 7f3c"
_NAMED = ("<think>\n", "\n</think>\n\n")


@dataclass(frozen=True, slots=True)
class ThinkingTags:
    """What a template writes around thinking.

    Attributes:
        opening: before it; its whitespace too.
        closing: between it and the content.
        opened: the prompt itself ends with the opening.
        closed: the prompt holds an empty block: no thinking is to follow.
    """

    opening: str
    closing: str
    opened: bool
    closed: bool


def thinking_tags(
    template: ChatTemplate, arguments: Mapping[str, Json] = NO_ARGUMENTS
) -> ThinkingTags | None:
    """The marks of ``template``; None where it knows no thinking.

    Raises:
        InputError: it cannot render a question with its answer.
    """
    question = Message("user", _ASKED)
    turn = Message("assistant", _SAID, thinking=_THOUGHT)
    prompt = template.render([question], arguments=arguments).rpartition(_ASKED)[2]
    whole = template.render([question, turn], answer=False, arguments=arguments)
    tags = _around(whole.rpartition(_ASKED)[2], prompt)
    if tags is None:
        if not all(tag.strip() in template.source for tag in _NAMED):
            return None
        tags = _NAMED
    opening, closing = tags
    begins, ends = prompt.rfind(opening.strip()), prompt.rfind(closing.strip())
    return ThinkingTags(opening, closing, begins > ends, begins < ends)


def content_lead(template: ChatTemplate, arguments: Mapping[str, Json] = NO_ARGUMENTS) -> str:
    """What a model writes between its prompt and what it says where it thinks nothing.

    gpt-oss's ``<|channel|>final<|message|>``; empty for most.

    Raises:
        InputError: the template cannot render a question with its answer.
    """
    question = Message("user", _ASKED)
    prompt = template.render([question], arguments=arguments)
    turns = [question, Message("assistant", _SAID)]
    before, found, _ = template.render(turns, answer=False, arguments=arguments).partition(_SAID)
    return before.removeprefix(prompt) if found and before.startswith(prompt) else ""


def _around(turn: str, prompt: str) -> tuple[str, str] | None:
    """What is before and after the thinking in ``turn``, which follows the question."""
    before, found, after = turn.partition(_THOUGHT)
    if not found or _SAID not in after:
        return None
    differing = (i for i, (a, b) in enumerate(zip(prompt, before, strict=False)) if a != b)
    opening = before[next(differing, min(len(prompt), len(before))) :]
    if not opening.strip():  # the prompt opens the thinking itself: its last mark is the opening
        mark = re.search(r"\S+\s*\Z", before)
        opening = mark.group() if mark else ""
    closing = after.partition(_SAID)[0]
    return (opening, closing) if opening.strip() and closing.strip() else None


def tag_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of marks; names of special tokens in ``text`` are these tokens."""
    special = tokenizer.special_tokens()
    names = sorted(filter(None, special), key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, names)) + ")", text) if names else [text]
    ids: list[int] = []
    for part in filter(None, parts):
        ids += [special[part]] if part in special else tokenizer.encode(part)
    return ids


def refuse_unknown(tokenizer: Tokenizer, tags: ThinkingTags | None, wanted: str) -> ThinkingTags:
    """``tags``, where thinking can be written with them.

    Raises:
        InputError: the template has none, or closes them in its prompt.
    """
    if tags is None:
        raise InputError(
            f"chat.thinking is {wanted}, but the chat template of {tokenizer.name} has no marks "
            f"for thinking; leave it at drop, or train a student whose template renders "
            f"thinking (reasoning_content)"
        )
    if tags.closed:
        raise InputError(
            f"chat.thinking is {wanted}, but the chat template of {tokenizer.name} writes an empty "
            f"block of thinking into its prompt; turn it on (chat.arguments: "
            f"{{enable_thinking: true}}), or leave chat.thinking at drop"
        )
    return tags
