r"""What a chat teacher thought, apart from what it says.

    "<think>\n3 and 4 ...\n</think>\n\nThe answer is 7"    text "The answer is 7", with its rows
                                                        thinking "3 and 4 ...", as plain text
                                                        thought, tokens and rows up to the text

A template may open the block itself, so that a text begins in its thinking. A block that is never
closed leaves no text: the response was cut, however it ended. Marks are the usual ones and those of
the template itself, which may be special tokens (gpt-oss's ``<|channel|>analysis<|message|>``).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from specialize.answers.own_text import REASONING, reasoning_blocks
from specialize.errors import InputError
from specialize.records import ChatPrompt
from specialize.teacher.cutting import spelled
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer
from specialize.tokens.thinking_tags import content_lead, thinking_tags


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands around thinking, and ``lead``, which stands before what is said without any."""

    tags: tuple[tuple[str, str], ...] = REASONING
    lead: str = ""


def without_thinking(
    scored: ScoredText, tokenizer: Tokenizer, *, opened: bool, marks: Marks = Marks()
) -> ScoredText:
    """``scored`` from the token on in which its content begins; itself where nothing was thought.

    Args:
        opened: the prompt opened a block of thinking.
        marks: of the teacher's template.
    """
    if spelled(scored, tokenizer) is None:
        return scored
    pieces = _written(scored, tokenizer)
    text = b"".join(pieces).decode("utf-8", "surrogateescape")
    blocks = reasoning_blocks(text, marks.tags, opened=opened)
    if blocks.open:
        begin = blocks.outside[-1][1] if blocks.outside else 0
        return replace(
            scored.after(len(scored), ""), thinking=_clean(text[begin:]), finish="length",
            thought=scored,
        )  # fmt: skip
    led = bool(marks.lead) and text.startswith(marks.lead)
    if not blocks.inside and not led:
        return scored
    start = blocks.outside[-1][0] if blocks.inside else len(marks.lead)
    start += len(text[start:]) - len(text[start:].lstrip())
    over = list(accumulate(map(len, pieces)))
    first = bisect_right(over, _bytes(text[:start]))
    if start == len(text):  # no content: only an end may be left
        first = len(scored) - (scored.finish == "eos")
    content = scored.token_id[first:]
    content = content[:-1] if scored.finish == "eos" else content  # an end may spell its name
    said = scored.after(first, tokenizer.decode(content.tolist()))
    if led or not blocks.inside:
        return said
    thinking = _clean("".join(text[a:b] for a, b in blocks.inside))
    inside = [_bytes(text[:at]) for at in blocks.inside[-1]]
    thought = _thought(scored.first(first, thinking), tokenizer, over, inside)
    return replace(said, thinking=thinking, thought=thought)


def _thought(
    before: ScoredText, tokenizer: Tokenizer, over: Sequence[int], inside: Sequence[int]
) -> ScoredText:
    """The tokens ``before`` the content; between special marks those inside and the first mark.

    Special tokens spell nothing, so that a mark which holds some could not be found again.
    """
    last = bisect_right(over, inside[1])  # the closing mark's first token
    special = set(tokenizer.special_tokens().values())
    if last >= len(before) or int(before.token_id[last]) not in special:
        return before
    first = bisect_right(over, inside[0])
    return before.first(last + 1, before.text).after(first, before.text)


def _written(scored: ScoredText, tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of every token, special ones by their names; nothing for the end of the text."""
    names = {token: name.encode() for name, token in tokenizer.special_tokens().items()}
    ids = scored.token_id.tolist()
    found = [names.get(i, piece) for i, piece in zip(ids, tokenizer.pieces(ids), strict=True)]
    if found and scored.finish in ("eos", "answer") and ids[-1] in tokenizer.ends:
        found[-1] = b""
    return found


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def marks_of(prompt: ChatPrompt, tokenizer: Tokenizer) -> Marks:
    """The usual marks of thinking and those of the template, as ``prompt`` sets it."""
    return _marks(json.dumps(dict(prompt.arguments), sort_keys=True), tokenizer)


@lru_cache(maxsize=32)
def _marks(arguments: str, tokenizer: Tokenizer) -> Marks:
    if tokenizer.chat is None:
        return Marks()
    given = json.loads(arguments)
    try:
        own = thinking_tags(tokenizer.chat, given)
        lead = content_lead(tokenizer.chat, given)
    except InputError:  # it may take other turns than these; the prompt itself says what is wrong
        return Marks()
    tags = (*REASONING, (own.opening.strip(), own.closing.strip())) if own else REASONING
    return Marks(tags, lead)


@lru_cache(maxsize=256)
def opens_thinking(prompt: ChatPrompt, tokenizer: Tokenizer) -> bool:
    """Whether the template itself opens a block where the assistant's turn begins."""
    if tokenizer.chat is None:
        return False
    before, whole = (
        tokenizer.chat.render(prompt.messages, answer=answer, arguments=prompt.arguments)
        for answer in (False, True)
    )
    tags = marks_of(prompt, tokenizer).tags
    return whole.startswith(before) and reasoning_blocks(whole[len(before) :], tags).open


def _clean(text: str) -> str:
    """``text`` as the store can hold it: bytes that are no UTF-8 become replacement characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
