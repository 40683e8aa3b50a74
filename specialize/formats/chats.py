"""Chat formats: a question as the last turn of a conversation, its answer as the assistant's.

One worked record, ``in-context-chat-cot`` with one demonstration and a system prompt::

    system      "You are a careful tutor."
    user        "Ann has 3 pens ...?\\n\\nThink step by step, and end with a line that ..."
    assistant   "3 + 2 = 5.\\nThe answer is 5"
    user        "Weng earns $12 an hour ...?\\n\\nThink step by step, and end with a line that ..."
    target      "Weng earns 12/60 = $0.2 per minute.\\n...\\nThe answer is 10"

What a model reads of these turns is made by the template of its own tokenizer: teacher and student
need not share one. A chat model is told in words what a model that continues a text is shown by a
cue, so these formats have names of their own beside the four (``prompts``):

    chat           the question alone; whatever the assistant says is its answer
    chat-cot       asks for steps and a last line "The answer is ..."
    chat-answer    asks for that line alone

each with ``in-context-`` before it for demonstrations as turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from specialize.answers.phrases import last_announcement
from specialize.formats.demonstrations import check_demonstrations
from specialize.records import ChatPrompt, Example, Json, Message

Wanted = Literal["reply", "cot", "answer"]
_IN_CONTEXT = "in-context-"
_NAMED: Mapping[str, Wanted] = {"chat": "reply", "chat-cot": "cot", "chat-answer": "answer"}
CHAT_NAMES = (*_NAMED, *(_IN_CONTEXT + name for name in _NAMED))
_ANNOUNCED = "The answer is "
_ASKED: Mapping[Wanted, str] = {
    "reply": "",
    "cot": '\n\nThink step by step, and end with a line that reads "The answer is ...".',
    "answer": '\n\nReply with one line that reads "The answer is ...", and nothing else.',
}


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """What a model is told before every chat, and the further variables of its template."""

    system: str = ""
    arguments: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """A conversation in which the assistant is to speak next."""

    wants: Wanted
    demonstrations: int = 0
    style: ChatStyle = ChatStyle()

    def __post_init__(self) -> None:
        if self.demonstrations < 0:
            raise ValueError(f"a chat cannot hold {self.demonstrations} demonstrations")

    @property
    def name(self) -> str:
        known = next(name for name, wanted in _NAMED.items() if wanted == self.wants)
        return (_IN_CONTEXT if self.demonstrations else "") + known

    @property
    def separator(self) -> str:
        """Nothing: the template says what comes before an answer."""
        return ""

    @property
    def needs_rationale(self) -> bool:
        return self.wants == "cot"

    @property
    def announces(self) -> bool:
        return self.wants != "reply"

    def prompt(self, example: Example, demonstrations: Sequence[Example] = ()) -> ChatPrompt:
        """The turns before the assistant's; a system turn of the example's own comes first.

        Raises:
            ValueError: not as many demonstrations as the format has, or the example itself among
                them, or one without rationale where the format shows them.
        """
        check_demonstrations(
            demonstrations, example, name=self.name, count=self.demonstrations,
            rationales=self.needs_rationale,
        )  # fmt: skip
        own = [turn for turn in example.earlier if turn.role == "system"]
        given = [Message("system", self.style.system)] if self.style.system else []
        shown = [turn for each in demonstrations for turn in self._shown(each)]
        earlier = [turn for turn in example.earlier if turn.role != "system"]
        turns = [*(own or given), *shown, *earlier, self._asked(example)]
        return ChatPrompt(tuple(turns), self.style.arguments)

    def target(self, rationale: str, answer: str) -> str:
        """What the assistant should say: its words as they are, or in the asked form."""
        if self.wants == "reply":
            return rationale if rationale.strip() else answer
        if self.wants == "answer":
            return _ANNOUNCED + answer
        if not rationale.strip():
            raise ValueError(f"format {self.name} needs a rationale for answer {answer!r}")
        if last_announcement(rationale) is not None:
            return rationale
        return f"{rationale}\n{_ANNOUNCED}{answer}"

    def _asked(self, example: Example) -> Message:
        return Message("user", example.text + _ASKED[self.wants])

    def _shown(self, shown: Example) -> tuple[Message, Message]:
        answered = Message("assistant", self.target(shown.rationale, shown.answer))
        return self._asked(shown), answered


def is_chat(name: str) -> bool:
    """Whether a format of this name is a conversation."""
    return name in CHAT_NAMES


def find_chat(name: str, demonstrations: int, style: ChatStyle) -> ChatFormat | None:
    """The chat format called ``name``; None if it is no name of one."""
    if not is_chat(name):
        return None
    shows = name.startswith(_IN_CONTEXT)
    wanted = _NAMED[name.removeprefix(_IN_CONTEXT)]
    return ChatFormat(wanted, demonstrations if shows else 0, style)
