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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, get_args

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat; ``thinking`` is what an assistant thought before its ``content``."""

    role: Role
    content: str
    thinking: str = ""

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            known = ", ".join(get_args(Role))
            raise ValueError(f"a message has role {self.role!r}; known roles: {known}")
        if self.thinking and self.role != "assistant":
            raise ValueError(
                f"a message of role {self.role!r} has thinking; only an assistant's may"
            )

    def as_json(self) -> dict[str, Json]:
        """What ``message_of`` reads back."""
        thinking: dict[str, Json] = {"thinking": self.thinking} if self.thinking else {}
        return {"role": self.role, "content": self.content, **thinking}


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """The turns before a model's own, which its chat template makes into what it reads.

    ``arguments`` are further variables of the template, such as ``enable_thinking``.
    """

    messages: tuple[Message, ...]
    arguments: Mapping[str, Json] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1].role != "user":
            raise ValueError("a chat prompt ends with a message of the user")

    def as_json(self) -> dict[str, Json]:
        """Everything of it; ``from_json`` reads it back."""
        turns: list[Json] = [message.as_json() for message in self.messages]
        arguments = {"arguments": dict(self.arguments)} if self.arguments else {}
        return {"messages": turns, **arguments}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> ChatPrompt:
        """What ``as_json`` wrote.

        Raises:
            ValueError: anything else.
        """
        turns, arguments = value.get("messages"), value.get("arguments", {})
        if not isinstance(turns, list) or not isinstance(arguments, dict):
            raise ValueError("a chat prompt is an object with a list of messages")
        return cls(tuple(map(message_of, turns)), arguments)

    def __str__(self) -> str:
        """For people: every turn under its role."""
        return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in self.messages)


Prompt = str | ChatPrompt  # what a model is asked: a text that it continues, or a chat


def message_of(value: Json) -> Message:
    """A message from an object with ``role``, ``content`` and perhaps ``thinking``.

    Raises:
        ValueError: no such object.
    """
    if not isinstance(value, dict):
        raise ValueError("a message is an object with role and content")
    texts = {name: value.get(name) or "" for name in ("content", "thinking")}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"the {name} of a message is no text")
    role = next((role for role in get_args(Role) if role == value.get("role")), None)
    if role is None:
        known = ", ".join(get_args(Role))
        raise ValueError(f"a message has role {value.get('role')!r}; known roles: {known}")
    return Message(role, str(texts["content"]), str(texts["thinking"]))


@dataclass(frozen=True, slots=True)
class Example:
    """One ``question`` with its gold ``answer``, and the ``choices`` if it names some.

    ``id`` is stable across machines and releases: ``<set>/<split>/<position or published id>``.
    ``rationale`` is the worked solution without its answer line; empty where the set has none.
    ``task`` names the part of a set that is scored on its own (a BIG-Bench Hard task).
    ``context`` is what the question is about, where it is long and may be cut (an abstract).
    ``earlier`` are the turns before the question, where it is the last of a chat.
    """

    id: str
    question: str
    answer: str
    rationale: str = ""
    choices: tuple[str, ...] = ()
    task: str = ""
    context: str = ""
    earlier: tuple[Message, ...] = ()

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
    """What a teacher wrote for the example ``example_id``, asked ``prompt``.

    ``sample`` counts its answers to the same question, from 0.
    ``answer`` is what the extractor found in ``text`` (None: nothing found). ``correct`` compares
    it with the example's gold answer (None: the gold is unknown). ``finished`` is False where a
    limit cut the text: its end was not seen, so none may be taught. ``thinking`` is what came
    before the text and is no part of it; the first ``thinking_tokens`` of the sample's tokens are
    those of the thinking, its marks included (0: it has none there).
    """

    example_id: str
    sample: int
    prompt: Prompt
    text: str
    answer: str | None = None
    correct: bool | None = None
    finished: bool = True
    thinking: str = ""
    thinking_tokens: int = 0

    @property
    def key(self) -> tuple[str, int]:
        """The example's id and the number of the sample; different within a store."""
        return self.example_id, self.sample


@dataclass(frozen=True, slots=True)
class GivenText:
    """A text that somebody wrote for an example, to be scored; ``cut`` where a limit ended it."""

    text: str
    cut: bool = False


def check_unique(examples: Sequence[Example], where: str) -> None:
    """Refuse a set in which two examples share an id.

    Raises:
        ValueError: two examples share an id.
    """
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            raise ValueError(f"{where}: two examples share the id {example.id!r}")
        seen.add(example.id)


_PUNCTUATION = re.compile(r"[.,;:!?…]+(?=\s|$)|[\"'“”‘’`]")


@lru_cache(maxsize=1 << 14)  # every demonstration that is drawn asks for it
def question_key(question: str) -> str:
    """``question`` without case, spacing, quotes, and punctuation that ends a word.

    Numbers, brackets and signs of operation stay: they may be all that tells two questions apart.
    """
    folded = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(_PUNCTUATION.sub("", folded).split())
