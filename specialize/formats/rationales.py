r"""Prompts that ask a teacher for a rationale, per kind of set, and the reader of what it wrote.

Two ways to ask. *Few-shot* (Hsieh et al. 2023, arXiv:2305.02301): demonstrations show rationale and
label, and the teacher writes both::

    Q: A beaver is known for building ... from where?\nAnswer Choices:\n(a) zoo\n(b) wooded area
    A: The answer must be the place ... So the answer is (b) wooded area.

*Forced* (Tian et al. 2024, arXiv:2402.04616): the answer is given, the teacher writes only why::

    Question: ...\nAnswer: wooded area\nRationale: Let's think step by step.\nBeavers fell trees ...

``read`` turns the teacher's text into rationale and answer, without what it ran on to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from specialize.records import Example

_BETWEEN = "\n\n"
_FORCED_CUE = "Let's think step by step."
# a teacher that is done begins the next question by itself
_RUN_ON = re.compile(
    r"\n\s*\n|\n(?:Q|Question|Premise|Problem|Options|Answer Choices):", re.IGNORECASE
)
_SAYS = re.compile(
    r"(?:\b(?:so|thus|therefore|hence),?\s+)?\bthe answer is:?\s+"
    r"(?P<answer>(?:(?!the answer is)[^\n])*)",
    re.IGNORECASE,
)


class Reading(NamedTuple):
    """What a teacher wrote, in its two parts; ``end`` is where the rationale ends in the text.

    ``answer`` is what it says after "the answer is", without the final period; None: nothing.
    """

    rationale: str
    answer: str | None
    end: int


@dataclass(frozen=True, slots=True)
class RationaleTemplate:
    """The strings around question, rationale and answer in a few-shot prompt."""

    question: str = "Q: "
    cue: str = "\nLet's think step by step\n"  # between question and rationale
    answer: str = "\nThe answer is "  # between rationale and answer
    end: str = ""  # after the answer
    letters: bool = False  # an answer among choices is stated with its letter: "(b) wooded area"

    def few_shot(self, example: Example, demonstrations: Sequence[Example] = ()) -> str:
        """The prompt after which the teacher writes rationale and answer."""
        shown = [
            f"{self.question}{d.text}{self.cue}{self._rationale(d)}{self.answer}{self.stated(d)}"
            f"{self.end}"
            for d in demonstrations
        ]
        return _BETWEEN.join([*shown, f"{self.question}{example.text}{self.cue}"])

    def forced(self, example: Example, demonstrations: Sequence[Example] = ()) -> str:
        """The prompt that gives the answer, after which the teacher writes the rationale."""
        shown = [self._given(d, shown=True) for d in demonstrations]
        return _BETWEEN.join([*shown, self._given(example)])

    def stated(self, example: Example) -> str:
        """The gold answer as a demonstration states it."""
        if self.letters and example.answer in example.choices:
            letter = chr(ord("a") + example.choices.index(example.answer))
            return f"({letter}) {example.answer}"
        return example.answer

    def _given(self, example: Example, *, shown: bool = False) -> str:
        """Question and answer; of a demonstration with its rationale, where it has one."""
        if not example.answer.strip():
            raise ValueError(
                f"example {example.id!r} has no answer to give the teacher; ask for rationales of "
                f"unlabelled questions without forcing"
            )
        question = f"Question: {example.text}\nAnswer: {self.stated(example)}"
        if shown and not example.rationale.strip():
            return question
        return f"{question}\nRationale: {_FORCED_CUE}\n{example.rationale.strip() if shown else ''}"

    def _rationale(self, shown: Example) -> str:
        if not shown.rationale.strip():
            raise ValueError(
                f"demonstration {shown.id!r} has no rationale to show; draw demonstrations from "
                f"examples with rationales, or ask without demonstrations"
            )
        return shown.rationale.strip()


_CHOICES = RationaleTemplate(cue="\nA: ", answer=" So the answer is ", end=".", letters=True)
_NLI = RationaleTemplate(question="", cue="\nAnswer: ", answer=" So the answer is ", end=".")
_TEMPLATES: Mapping[str, RationaleTemplate] = {
    **dict.fromkeys(("cqa", "obqa", "arc", "piqa", "riddlesense", "pubmedqa", "bioasq"), _CHOICES),
    "svamp-equation": RationaleTemplate(cue="\nA: ", answer=" The answer is ", end="."),
    "anli-r1": _NLI,
    "esnli": _NLI,
}


def template_of(name: str) -> RationaleTemplate:
    """The template of a set; the plain one for any other."""
    return _TEMPLATES.get(name, RationaleTemplate())


def read_rationale(text: str) -> Reading:
    """Rationale and answer of what a teacher wrote, up to where it ran on.

    The last "the answer is" of the teacher's own part counts; without one the rationale is all.
    """
    start = len(text) - len(text.lstrip())
    stop = _RUN_ON.search(text, start)
    own = text[: stop.start()] if stop else text
    announced = None
    for announced in _SAYS.finditer(own):  # noqa: B007
        pass
    if announced is None:
        return Reading(own.strip(), None, len(own.rstrip()))
    rationale = own[: announced.start()].rstrip()
    answer = announced["answer"].strip().removesuffix(".").strip()
    return Reading(rationale.strip(), answer or None, len(rationale))
