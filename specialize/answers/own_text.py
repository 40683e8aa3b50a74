r"""The part of a response in which its answer may be: outside reasoning blocks, before a run-on.

One worked record: of ``"<think>3? No, 4.</think>The answer is 4.\n\nQ: How many pens?\nA: 5"`` the
own part is ``"The answer is 4."``.

A reasoning block counts only when nothing follows it; one that is never closed has no answer, and a
closing tag alone closes a block that the prompt opened. A run-on is a next question or turn that
the model wrote for itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

MAX_READ = 100_000  # characters in which blocks and run-ons are looked for, from the end
MAX_TEXT = 20_000  # characters in which the answer is looked for, from the end
MAX_OPENINGS = 5  # run-ons that may open a text before one counts

REASONING: tuple[tuple[str, str], ...] = (
    *((f"<{name}>", f"</{name}>") for name in (
        "think", "thinking", "thought", "thoughts", "reasoning", "analysis", "reflection",
        "scratchpad", "seed:think",
    )),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)  # fmt: skip

_HEADING = (
    r"(?:\#{1,6}[ \t]*+|[*_]{2}|\[)?(?:Next[ \t]++|New[ \t]++|Follow-up[ \t]++)?"
    r"(?:Question|Premise|Problem|Instructions?|Human|User|Exercise|Puzzle)"
)
_RUN_ON = re.compile(
    rf"""\n[ \t]*+(?=[\#*_<\[QqPpIiHhUuEeNnFfTtB])(?:
        (?i:{_HEADING})(?:[ \t]*+[#№]?\d++)?+[*_\]]{{0,3}}[ \t]?:(?!\d)
      | (?i:{_HEADING})[ \t]*+[#№]?\d++[*_\]]{{0,3}}(?:[.)])?[ \t]*+(?:\n|\Z)
      | \#{{1,6}}[ \t]*+(?i:Question|Problem|Instruction|Human|User|Input)\b
        [^\n:]{{0,10}}(?:[:\n]|\Z)
      | \*\*(?i:Question|Problem|Instruction|Human|User)\b[^\n:*]{{0,10}}\*\*[ \t]*+(?:\n|\Z)
      | (?i:Q)(?:[ \t]?:|[ \t]?\d++[.:)](?=[^\n]{{0,400}}\?))
      | (?i:Example|Task)[ \t]*+[#№]?\d++[*_]{{0,2}}[ \t]?: | Input: | Human[ \t]*+\n
      | Below\ is\ an\ instruction\ that\ describes\ a\ task
      | \[(?:Question|Problem|Instruction)\]
      | <\|(?:im_start\|>|start\|>|start_header_id\|>)?(?i:user|human)\b
      | <start_of_turn>user\b | \[INST\]
    )""",
    re.VERBOSE,
)
_END = re.compile(r"<\|(?:endoftext|eot_id|eom_id|im_end|end|return)\|>|</s>|<(?:eos|end_of_turn)>")
# T5 writes no newlines, so its next question is on the same line
_SAME_LINE = re.compile(
    r"(?<=[\w.)%] )(?:Q|Question): "
    r"|(?<=[\d.)%] )(?:\#{1,6} ?(?:Question|Problem|Instruction|Human|User|Input)\b"
    r"|(?:Problem|Question|Exercise) \d{1,3}: |(?:Instruction|Human): )"
)


def own_part(text: str, reasoning: Sequence[tuple[str, str]] = REASONING) -> str:
    """``text`` outside reasoning blocks and up to a run-on; its last ``MAX_TEXT`` characters.

    Args:
        text: a response.
        reasoning: opening and closing tags of the blocks in which a model thinks aloud.

    Returns:
        The part; "" where a block is left open.
    """
    text = text[-MAX_READ:]
    text = "".join(text[start:end] for start, end in spoken(text, reasoning))
    return text[: run_on_start(text)][-MAX_TEXT:]


class Blocks(NamedTuple):
    """Spans of a text outside and inside reasoning blocks; ``open`` if the last never closes."""

    outside: list[tuple[int, int]]
    inside: list[tuple[int, int]]
    open: bool


def spoken(text: str, reasoning: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Spans of ``text`` that count: those outside blocks, or all without tags if nothing follows.

    None where a block is left open.
    """
    blocks = reasoning_blocks(text, reasoning)
    if blocks.open:
        return []
    last = blocks.outside[-1]
    return blocks.outside if text[slice(*last)].strip() else sorted(blocks.inside + blocks.outside)


def reasoning_blocks(
    text: str, reasoning: Sequence[tuple[str, str]] = REASONING, *, opened: bool = False
) -> Blocks:
    """The reasoning blocks of a response.

    Args:
        text: a response.
        reasoning: opening and closing tags.
        opened: the prompt opened a block.
    """
    blocks, at = Blocks([], [], False), 0
    partner = _partners(tuple(reasoning))
    ends = set(partner.values())
    wanted = ends if opened else set()  # the tags that close the present block
    for match in _tags(tuple(reasoning)).finditer(text) if reasoning else ():
        tag = match.group().casefold()
        if tag in wanted:
            blocks.inside.append((at, match.start()))
            wanted = set()
        elif not wanted and tag in partner:
            blocks.outside.append((at, match.start()))
            wanted = {partner[tag]}
        elif not wanted and not blocks.inside:  # closes a block that the prompt opened
            blocks.inside.append((0, match.start()))
            blocks.outside.clear()
        else:
            continue
        at = match.end()
    if wanted:
        return blocks._replace(open=True)
    blocks.outside.append((at, len(text)))
    return blocks


def run_on_start(text: str) -> int:
    """Where a question begins that the model asked itself, or its own end is written out.

    The text's length if there is neither.
    """
    starts = [len(text)]
    for pattern in (_RUN_ON, _SAME_LINE, _END):
        for tried, match in enumerate(pattern.finditer(text)):
            if tried == MAX_OPENINGS or text[: match.start()].strip():
                starts.append(match.start())
                break
    return min(starts)


@cache
def _partners(reasoning: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The closing tag of every opening one."""
    return {start.casefold(): end.casefold() for start, end in reasoning}


@cache
def _tags(reasoning: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    every = sorted({tag for pair in reasoning for tag in pair}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, every)), re.IGNORECASE)
