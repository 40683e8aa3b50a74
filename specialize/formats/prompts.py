"""Formats: how a question is put to a model, and what it should answer.

Two questions, four formats (Fu et al. 2023, arXiv:2301.12726, section 3 and code): with or without
demonstrations, with or without chain of thought. One worked record, ``zero-shot-cot``::

    prompt   "Q: Weng earns $12 an hour ... How much did she earn?\\nLet's think step by step\\n"
    target   "Weng earns 12/60 = $0.2 per minute.\\n...\\nThe answer is 10"

The published code ends the prompt with a newline when it evaluates and without one when it
trains. Here it always ends with one: training and evaluation then agree, the line is the same as
in a demonstration, and T5, whose vocabulary has no newline, sees no difference. Conversations for
chat models are in ``chats``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from specialize.errors import ConfigurationError
from specialize.formats.chats import CHAT_NAMES, ChatFormat, ChatStyle, find_chat, is_chat
from specialize.formats.demonstrations import check_demonstrations
from specialize.formats.prefixes import (
    PREFIX_NAMES,
    TaskPrefix,
    find_prefix,
    refuse_earlier_turns,
)
from specialize.records import Example, Prompt


@dataclass(frozen=True, slots=True)
class Style:
    """The strings around question, rationale and answer."""

    question: str = "Q: "
    rationale_cue: str = "\nLet's think step by step\n"  # between question and rationale
    answer_cue: str = "\nA:"  # between question and answer
    sole_answer_cue: str = " A:"  # the same without demonstrations
    after_rationale: str = "\n"
    answer: str = "The answer is "
    end: str = ""  # after the answer
    between: str = "\n\n"  # between demonstrations


FU = Style()
TEACHER = Style(question="Question: ", answer_cue="\n", sole_answer_cue="\n")
TEACHER_WITH_PERIOD = Style(question="Question: ", answer_cue="\n", sole_answer_cue="\n", end=".")
BBH = Style(
    rationale_cue="\nA: Let's think step by step.\n",
    sole_answer_cue="\nA:",
    after_rationale=" So ",
    answer="the answer is ",
    end=".",
)
BBH_ONE_LINE = replace(BBH, rationale_cue="\nA: Let's think step by step.")


class PromptFormat(Protocol):
    """What every format offers."""

    @property
    def name(self) -> str: ...

    @property
    def demonstrations(self) -> int:
        """How many demonstrations ``prompt`` wants."""
        ...

    @property
    def separator(self) -> str:
        """What comes between prompt and target where both are one text (a causal student)."""
        ...

    @property
    def needs_rationale(self) -> bool:
        """Whether the target, and each demonstration, is written with a rationale."""
        ...

    @property
    def announces(self) -> bool:
        """Whether a solution has a line "The answer is ..."."""
        ...

    def prompt(self, example: Example, demonstrations: Sequence[Example] = ()) -> Prompt: ...

    def target(self, rationale: str, answer: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Format:
    """In-context (``demonstrations`` > 0) or zero-shot, chain of thought or answer only."""

    cot: bool
    demonstrations: int = 0
    style: Style = FU
    instruction: str = ""  # comes before the first demonstration, as BIG-Bench Hard's do

    def __post_init__(self) -> None:
        if self.demonstrations < 0:
            raise ValueError(f"a prompt cannot hold {self.demonstrations} demonstrations")

    @property
    def needs_rationale(self) -> bool:
        return self.cot

    @property
    def announces(self) -> bool:
        return True

    @property
    def name(self) -> str:
        context = "in-context" if self.demonstrations else "zero-shot"
        return f"{context}-{'cot' if self.cot else 'answer'}"

    @property
    def separator(self) -> str:
        return "" if self._cue.endswith("\n") else " "

    def prompt(self, example: Example, demonstrations: Sequence[Example] = ()) -> str:
        """The text before the answer to ``example``.

        Raises:
            ValueError: not as many demonstrations as the format has, or the example itself among
                them, or one without rationale where the format shows them.
        """
        check_demonstrations(
            demonstrations, example, name=self.name, count=self.demonstrations,
            rationales=self.needs_rationale,
        )  # fmt: skip
        refuse_earlier_turns(example, self.name)
        shown = [self._demonstration(each) for each in demonstrations]
        head = [self.instruction] if self.instruction else []
        question = self.style.question + example.text + self._cue
        return self.style.between.join([*head, *shown, question])

    def target(self, rationale: str, answer: str) -> str:
        """The text that the model should write: rationale and answer, or the answer alone."""
        stated = self.style.answer + answer + self.style.end
        if not self.cot:
            return stated
        if not rationale.strip():
            raise ValueError(f"format {self.name} needs a rationale for answer {answer!r}")
        return rationale + self.style.after_rationale + stated

    @property
    def _cue(self) -> str:
        if self.cot:
            return self.style.rationale_cue
        return self.style.answer_cue if self.demonstrations else self.style.sole_answer_cue

    @lru_cache(maxsize=1 << 14)  # noqa: B019  # a run has few formats; an example is shown often
    def _demonstration(self, shown: Example) -> str:
        question = self.style.question + shown.text + self._cue
        return question + self.separator + self.target(shown.rationale, shown.answer)


_PLAIN_CHAT = ChatStyle()
_FOUR: Mapping[str, tuple[bool, bool]] = {  # name -> in context, chain of thought
    "in-context-cot": (True, True),
    "in-context-answer": (True, False),
    "zero-shot-cot": (False, True),
    "zero-shot-answer": (False, False),
}
FORMAT_NAMES = (*_FOUR, *CHAT_NAMES, *PREFIX_NAMES)


def is_format_name(name: str) -> bool:
    """Whether ``by_name`` knows ``name``."""
    return name in _FOUR or is_chat(name) or find_prefix(name) is not None


def by_name(
    name: str, demonstrations: int = 4, *, style: Style = FU, chat: ChatStyle = _PLAIN_CHAT
) -> Format | ChatFormat | TaskPrefix:
    """The format called ``name``, with ``demonstrations`` if it is an in-context one.

    For the names of task prefixes see ``find_prefix``.

    Args:
        chat: what a chat format puts around a question; other formats have no use for it.

    Raises:
        ConfigurationError: no such format, or an in-context one without demonstrations.
    """
    if (prefix := find_prefix(name)) is not None:
        return prefix
    if name.startswith("in-context") and is_format_name(name) and demonstrations < 1:
        raise ConfigurationError(
            f"format {name} needs at least 1 demonstration, got {demonstrations}"
        )
    if (found := find_chat(name, demonstrations, chat)) is not None:
        return found
    if name not in _FOUR:
        raise ConfigurationError(f"unknown format {name!r}; known: {', '.join(FORMAT_NAMES)}")
    in_context, cot = _FOUR[name]
    return Format(cot, demonstrations if in_context else 0, style)
