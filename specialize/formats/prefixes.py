"""Task prefixes: one student, several tasks distinguished by a word before the question.

    predict                  "predict: <question>"  ->  "<answer>"              (the code)
    rationale:[rationale]    "[rationale] <question>"  ->  "<rationale>"        (the paper)
    plain                    "<question>"  ->  "<answer>"                     (standard fine-tuning)
    plain-solution           "<question>"  ->  "<rationale> So the answer is <answer>" (single task)

Hsieh et al. 2023 (arXiv:2305.02301) use two prefixes, Tian et al. 2024 (arXiv:2402.04616) one more
for every further teacher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from specialize.errors import ConfigurationError
from specialize.records import Example

Wanted = Literal["answer", "rationale", "solution"]
_BETWEEN = " So the answer is "  # rationale and answer in one text
_NAMED: Mapping[str, tuple[str, Wanted]] = {
    "predict": ("predict", "answer"),
    "explain": ("explain", "rationale"),
    "plain": ("", "answer"),
    "plain-solution": ("", "solution"),
}
_WANTED: Mapping[str, Wanted] = {
    "answer": "answer", "rationale": "rationale", "solution": "solution"
}  # fmt: skip
PREFIX_NAMES = (*_NAMED, *(f"{wanted}:PREFIX" for wanted in _WANTED))


@dataclass(frozen=True, slots=True)
class TaskPrefix:
    """``prefix`` before a question, and what is ``wanted`` after it; "": no prefix."""

    prefix: str
    wants: Wanted
    demonstrations: int = 0

    def __post_init__(self) -> None:
        if self.prefix and not self.prefix.strip():
            raise ValueError("a task prefix needs a word, such as 'predict'")
        if self.demonstrations:
            raise ValueError(f"task prefix {self.prefix!r} takes no demonstrations")

    @property
    def name(self) -> str:
        for known, (prefix, wants) in _NAMED.items():
            if (prefix, wants) == (self.prefix, self.wants):
                return known
        if self.prefix.startswith("explain-") and self.wants == "rationale":
            return self.prefix
        return f"{self.wants}:{self.prefix}"

    @property
    def separator(self) -> str:
        return "\n"

    @property
    def needs_rationale(self) -> bool:
        return self.wants != "answer"

    @property
    def announces(self) -> bool:
        return False

    def prompt(self, example: Example, demonstrations: Sequence[Example] = ()) -> str:
        """``<prefix>: <question>``; one that ends with a mark, as ``[label]``, has no colon."""
        if demonstrations:
            raise ValueError(f"task prefix {self.prefix!r} takes no demonstrations")
        refuse_earlier_turns(example, self.name)
        if not self.prefix:
            return example.text
        return f"{self.prefix}{': ' if self.prefix[-1].isalnum() else ' '}{example.text}"

    def target(self, rationale: str, answer: str) -> str:
        """The answer, the rationale, or both, whichever the prefix asks for."""
        if self.wants == "answer":
            return answer
        if not rationale.strip():
            raise ValueError(f"task prefix {self.prefix!r} needs a rationale (answer {answer!r})")
        return rationale if self.wants == "rationale" else f"{rationale}{_BETWEEN}{answer}"


def refuse_earlier_turns(example: Example, name: str) -> None:
    """A format that is no chat would ask the last question of a conversation without the rest.

    Raises:
        ConfigurationError: ``example`` has turns before its question.
    """
    if example.earlier:
        raise ConfigurationError(
            f"example {example.id!r} has {len(example.earlier)} turns before its question, which "
            f"format {name} has no place for; use a chat format, such as chat"
        )


def find_prefix(name: str) -> TaskPrefix | None:
    """The task prefix called ``name``; None if it is no name of one.

    ``predict``, ``explain``, ``plain``, ``plain-solution``; ``explain-<teacher>``, one teacher's
    among several; ``answer:PREFIX``, ``rationale:PREFIX`` and ``solution:PREFIX`` for any prefix.
    """
    if name in _NAMED:
        return TaskPrefix(*_NAMED[name])
    wanted, colon, prefix = name.partition(":")
    if colon and wanted in _WANTED and prefix.strip():
        return TaskPrefix(prefix.strip(), _WANTED[wanted])
    if name.startswith("explain-") and name.removeprefix("explain-").strip():
        return TaskPrefix(name, "rationale")
    return None
