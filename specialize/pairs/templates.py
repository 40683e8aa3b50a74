"""Where two chat templates do not match: what one of them refuses, drops, writes or lacks.

    Qwen2.5 -> Gemma 2    the student's template refuses a system turn; leave chat.system empty
    SmolLM3 -> GPT-2      the student has no chat template; ...

Nothing is known of families by name: both templates are rendered with words that none has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from specialize.errors import ConfigurationError, InputError
from specialize.pairs.specials import ANY_DAY, tags_of
from specialize.records import Message
from specialize.tokens import Tokenizer
from specialize.tokens.chat_template import ChatTemplate
from specialize.tokens.thinking_tags import ThinkingTags

_SYSTEM, _ASKED, _MORE = "careful tutor 7f3d", "question 7f3a", "more 7f3e"
_TURNS = (
    Message("user", _ASKED),
    Message("assistant", "answer 7f3c"),
    Message("user", _MORE),
)
_WORDS = 4  # words before a question that make a system prompt
_SHOWN = 60  # characters of it


@dataclass(frozen=True, slots=True)
class _Side:
    """What a template does with the turns of a chat.

    Attributes:
        who: whose it is.
        broken: why it cannot be rendered at all; all else is then unknown.
        wants_day: it writes today's date.
        system: what becomes of a system turn: ``refused``, ``left out`` or None where it is read.
        own: the system prompt that it writes where there is none.
        always: that it writes words of its own beside a system turn too.
        one_turn: it refuses a second question, or leaves it out.
        tags: its marks of thinking.
    """

    who: str
    broken: str | None = None
    wants_day: bool = False
    system: str | None = None
    own: str = ""
    always: bool = False
    one_turn: bool = False
    tags: ThinkingTags | None = None


def template_cautions(teacher: Tokenizer | None, student: Tokenizer) -> list[str]:
    """One sentence for each way in which a chat of the two would differ; none without templates.

    Args:
        teacher: None where only a store of it is at hand.
    """
    mine = None if teacher is None else teacher.chat
    if student.chat is None or mine is None:
        return _one_sided(teacher, student)
    if mine.digest == student.chat.digest:
        return _of_one(_side("both", student, student.chat))
    sides = _side("the teacher", teacher, mine), _side("the student", student, student.chat)
    found = [sentence for side in sides for sentence in _of_one(side)]
    return found if any(side.broken for side in sides) else found + _between(*sides)


def _one_sided(teacher: Tokenizer | None, student: Tokenizer) -> list[str]:
    if teacher is None or (teacher.chat is None) == (student.chat is None):
        return []
    with_one, without = ("student", "teacher") if teacher.chat is None else ("teacher", "student")
    return [
        f"the {with_one} has a chat template, the {without} has none: ask the {without} in a "
        f"format without chat, such as zero-shot-cot"
    ]


def _side(who: str, tokenizer: Tokenizer | None, template: ChatTemplate) -> _Side:
    question = (Message("user", _ASKED),)
    try:
        bare = template.render(question, arguments=ANY_DAY)
    except InputError as error:
        return _Side(who, broken=str(error))
    names = [] if tokenizer is None else list(tokenizer.special_tokens())
    system = _rendered(template, (Message("system", _SYSTEM), *question))
    return _Side(
        who,
        wants_day=_wants_day(template),
        system="refused" if system is None else None if _SYSTEM in system else "left out",
        own=_own_words(bare, names),
        always=system is not None and bool(_own_words(system.replace(_SYSTEM, " "), names)),
        one_turn=_MORE not in (_rendered(template, _TURNS) or ""),
        tags=tags_of(template),
    )


def _rendered(template: ChatTemplate, turns: tuple[Message, ...]) -> str | None:
    try:
        return template.render(turns, arguments=ANY_DAY)
    except InputError:
        return None


def _wants_day(template: ChatTemplate) -> bool:
    try:
        template.render((Message("user", _ASKED),))
    except ConfigurationError:
        return True
    except InputError:
        return False
    return False


def _own_words(bare: str, names: list[str]) -> str:
    """What stands before the question that is neither a token's name nor that of a role."""
    before = bare.partition(_ASKED)[0]
    for name in sorted(names, key=len, reverse=True):
        before = before.replace(name, " ") if name else before
    words = re.sub(r"\s+", " ", re.sub(r"^\s*(system|user)\b|\buser\s*$", "", before)).strip()
    return words if len(re.findall(r"[^\W\d_]{2,}", words)) >= _WORDS else ""


def _of_one(side: _Side) -> list[str]:
    """What is to be known of a template by itself."""
    which = "both templates" if side.who == "both" else f"{side.who}'s template"
    if side.broken is not None:
        return [f"{which}: {side.broken}"]
    if side.wants_day:
        return [
            f"{which} {'write' if side.who == 'both' else 'writes'} today's date: name the day for "
            f"good, such as chat.arguments.strftime_now=2026-01-31"
        ]
    return []


def _between(teacher: _Side, student: _Side) -> list[str]:
    """What the two do differently."""
    found = []
    for one, other in ((teacher, student), (student, teacher)):
        if one.system is not None and one.system != other.system:
            does = (
                "refuses a system turn" if one.system == "refused" else "leaves a system turn out"
            )
            found.append(
                f"{one.who}'s template {does}, {other.who}'s does not: leave chat.system empty, or "
                f"put its words into the question"
            )
        if one.own and one.own != other.own:
            found.append(_of_own_words(one))
        if one.one_turn and not other.one_turn:
            found.append(
                f"{one.who}'s template takes a single question, {other.who}'s more: "
                f"conversations and demonstrations as turns fit {other.who} alone"
            )
    return found + _of_thinking(teacher.tags, student.tags)


def _of_own_words(side: _Side) -> str:
    shown = side.own if len(side.own) <= _SHOWN else side.own[:_SHOWN] + "…"
    if side.always:
        return f"{side.who}'s template puts words of its own before every chat, {shown!r}"
    return (
        f"{side.who}'s template writes a system prompt of its own where there is none, {shown!r}: "
        f"name one for both (chat.system) if they are to read the same"
    )


def _of_thinking(teacher: ThinkingTags | None, student: ThinkingTags | None) -> list[str]:
    if teacher is not None and student is None:
        return [
            "the teacher's template has marks for thinking, the student's has none: leave "
            "chat.thinking of the student at drop"
        ]
    if student is None:
        return []
    if student.closed and teacher is not None:
        return [
            "the student's prompt closes its thinking: to teach some, turn it on (chat.arguments: "
            "{enable_thinking: true})"
        ]
    if student.opened and teacher is None:
        return [
            "the student's prompt opens its thinking, and the teacher has no marks for any: turn "
            "it off (chat.arguments: {enable_thinking: false}) if its template can"
        ]
    return []
