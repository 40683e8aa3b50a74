r"""What a chat teacher thought, apart from what it says.

    "<think>\n3 and 4 ...\n</think>\n\nThe answer is 7"    text "The answer is 7", with its rows
                                                        thinking "3 and 4 ...", as plain text
                                                        thought, tokens and rows up to the text

A template may open the block itself, so that a text begins in its thinking. A block that is never
closed leaves no text: the response was cut, however it ended.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

from specialize.answers.own_text import reasoning_blocks
from specialize.records import ChatPrompt
from specialize.teacher.cutting import spelled
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer


def without_thinking(scored: ScoredText, tokenizer: Tokenizer, *, opened: bool) -> ScoredText:
    """``scored`` from the token on in which its content begins; itself where nothing was thought.

    Args:
        opened: the prompt opened a block of thinking.
    """
    text = spelled(scored, tokenizer)
    if text is None:
        return scored
    blocks = reasoning_blocks(text, opened=opened)
    if blocks.open:
        begin = blocks.outside[-1][1] if blocks.outside else 0
        return replace(
            scored.after(len(scored), ""), thinking=_clean(text[begin:]), finish="length",
            thought=scored,
        )  # fmt: skip
    if not blocks.inside:
        return scored
    start = blocks.outside[-1][0]
    start += len(text[start:]) - len(text[start:].lstrip())
    wanted = len(text[:start].encode("utf-8", "surrogateescape"))
    ends = accumulate(map(len, tokenizer.pieces(scored.token_id.tolist())))
    first = next((i for i, end in enumerate(ends) if end > wanted), len(scored))
    if start == len(text):  # no content: only an end may be left
        first = len(scored) - (scored.finish == "eos")
    content = scored.token_id[first:]
    content = content[:-1] if scored.finish == "eos" else content  # an end may spell its name
    thought = _clean("".join(text[a:b] for a, b in blocks.inside))
    return replace(
        scored.after(first, tokenizer.decode(content.tolist())),
        thinking=thought,
        thought=scored.first(first, thought),
    )


@lru_cache(maxsize=256)
def opens_thinking(prompt: ChatPrompt, tokenizer: Tokenizer) -> bool:
    """Whether the template itself opens a block where the assistant's turn begins."""
    if tokenizer.chat is None:
        return False
    before, whole = (
        tokenizer.chat.render(prompt.messages, answer=answer, arguments=prompt.arguments)
        for answer in (False, True)
    )
    return whole.startswith(before) and reasoning_blocks(whole[len(before) :]).open


def _clean(text: str) -> str:
    """``text`` as the store can hold it: bytes that are no UTF-8 become replacement characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
