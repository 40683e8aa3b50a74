"""The values that travel between stages: an example, and a teacher's response to it.

One worked record::

    Example(id="gsm8k/train/00000", question="Natalia sold clips to 48 of her friends ...",
            answer="72", rationale="Natalia sold 48/2 = 24 clips in May.\\n...")
    Response(example_id="gsm8k/train/00000", sample=0, text="Natalia sold ...\\nThe answer is 72",
             answer="72", correct=True)

Nothing here knows a file format, a tokenizer or a model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its gold answer.

    ``id`` is stable across machines and releases: ``<set>/<split>/<position or published id>``.
    ``rationale`` is the worked solution without its answer line; empty where the set has none.
    ``task`` names the part of a set that is scored on its own (a BIG-Bench Hard task).
    ``context`` is what the question is about, where it is long and may be cut (an abstract).
    """

    id: str
    question: str
    answer: str
    rationale: str = ""
    choices: tuple[str, ...] = ()
    task: str = ""
    context: str = ""

    @property
    def text(self) -> str:
        """What is asked: the context, if any, and the question."""
        return f"{self.context}\n{self.question}" if self.context else self.question

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("an example needs a non-empty id")
        if not self.question.strip():
            raise ValueError(f"example {self.id!r} has an empty question")


@dataclass(frozen=True, slots=True)
class Response:
    """What a teacher wrote for one example; ``sample`` counts its answers to the same question.

    ``answer`` is what the extractor found in ``text`` (None: nothing found). ``correct`` compares
    it with the example's gold answer (None: the gold is unknown). ``finished`` is False where a
    limit cut the text: its end was not seen, so none may be taught.
    """

    example_id: str
    sample: int
    prompt: str
    text: str
    answer: str | None = None
    correct: bool | None = None
    finished: bool = True

    @property
    def key(self) -> tuple[str, int]:
        return self.example_id, self.sample


def check_unique(examples: Sequence[Example], where: str) -> None:
    """Refuse a set in which two examples share an id."""
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            raise ValueError(f"{where}: two examples share the id {example.id!r}")
        seen.add(example.id)


_PUNCTUATION = re.compile(r"[.,;:!?…]+(?=\s|$)|[\"'“”‘’`]")


def question_key(question: str) -> str:
    """``question`` without case, spacing, quotes, and punctuation that ends a word.

    Numbers, brackets and signs of operation stay: they may be all that tells two questions apart.
    """
    folded = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(_PUNCTUATION.sub("", folded).split())
