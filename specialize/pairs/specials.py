"""Which special ids and ends of a teacher become what, found by sending each through the stage.

    teacher              becomes
    </s>       end       </s> of the student
    <s>        begin     tail
    <think>    thinking  tail; around thinking the student's own mark

A row that gives most of its mass to an id is projected as ``align`` projects it (``targets/ends``,
``align.Projector``), and where that mass is found afterwards is what the id becomes. Nothing is
listed here that could differ from what the stage does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from align import Projection, Ragged, SparseDistributions, ragged
from specialize.errors import InputError
from specialize.pairs.evidence import Evidence
from specialize.store import Texts
from specialize.targets.projecting import Job
from specialize.tokens import Tokenizer
from specialize.tokens.chat_template import CLOCK, ChatTemplate
from specialize.tokens.thinking_tags import ThinkingTags, tag_ids, thinking_tags

TAIL, DROPPED = "tail", "dropped"
_MASS, _FOUND = 0.8, 0.6  # an id's mass in its row, and how much of it tells where it went
ANY_DAY = {CLOCK: "2026-01-31"}  # for templates that write one


@dataclass(frozen=True, slots=True)
class Special:
    """Ids of a teacher that are no text, and where their mass goes.

    Attributes:
        name: as the tokenizer writes it.
        ids: one, or all of one fate that have no role.
        roles: ``end``, ``end of turn``, ``begin``, ``thinking``, ``pad``, ``unknown``, ``control``.
        becomes: the student's token, ``tail``, or ``dropped`` where it contradicts what is written.
        note: what else becomes of it; empty for most.
    """

    name: str
    ids: tuple[int, ...]
    roles: tuple[str, ...]
    becomes: str
    note: str = ""


def specials(evidence: Evidence, student: Tokenizer, job: Job) -> list[Special]:
    """Every special id of the teacher, ends first; those without a role together.

    Args:
        job: by which rows of this pair are projected.
    """
    roles = _roles(evidence)
    fates = _fates(evidence, student, job, list(roles))
    notes = _around_thinking(evidence.tokenizer, student) | _in_a_chat(student, fates)
    found, rest = [], dict[str, list[int]]()
    for token, mine in roles.items():
        if mine:
            name, note = _name(evidence.tokenizer, token), notes.get(token, "")
            found.append(Special(name, (token,), mine, fates[token], note))
        else:
            rest.setdefault(fates[token], []).append(token)
    for fate, ids in rest.items():
        shown = ", ".join(_name(evidence.tokenizer, token) for token in ids[:2])
        found.append(Special(shown + (", ..." if len(ids) > 2 else ""), tuple(ids), (), fate))
    return found


def student_ends(student: Tokenizer) -> dict[str, str]:
    """The token with which a student's targets end, by form of prompt."""
    ends = {"plain": student.eos, "chat": student.turn_end if student.chat is not None else None}
    return {form: student.written(token) for form, token in ends.items() if token is not None}


def tags_of(template: ChatTemplate | None) -> ThinkingTags | None:
    """The marks of thinking; None without any, and for a template that cannot be rendered."""
    try:
        return None if template is None else thinking_tags(template, ANY_DAY)
    except InputError:
        return None


def _name(tokenizer: Tokenizer | None, token: int) -> str:
    return f"id {token}" if tokenizer is None else tokenizer.written(token)


def _roles(evidence: Evidence) -> dict[int, tuple[str, ...]]:
    """The ids that are no text, and what each is for."""
    roles: dict[int, list[str]] = {}

    def add(ids: Sequence[int | None], *role: str) -> None:
        for token in ids:
            if token is not None and token < len(evidence.source):
                roles.setdefault(token, []).extend(role)

    ends, tokenizer = evidence.ends, evidence.tokenizer
    add([] if ends is None else ends.ids, "end")
    if tokenizer is not None:
        add([None if tokenizer.chat is None else tokenizer.turn_end], "end of turn")
        add([*tokenizer.front, _begin_of_chats(tokenizer)], "begin")
        add([*_marks(tokenizer).values()], "thinking")
        add([tokenizer.pad], "pad")
        add([tokenizer.unk], "unknown")
        add([token for token in tokenizer.named_control() if token not in roles], "control")
    if ends is not None and ends.control is not None:
        add(np.flatnonzero(ends.control).tolist())
    return {token: tuple(dict.fromkeys(mine)) for token, mine in roles.items()}


def _begin_of_chats(tokenizer: Tokenizer) -> int | None:
    """The token that a template is handed to begin with."""
    handed = {} if tokenizer.chat is None else tokenizer.chat.tokens
    return tokenizer.special_tokens().get(handed.get("bos_token", ""))


def _fates(evidence: Evidence, student: Tokenizer, job: Job, ids: Sequence[int]) -> dict[int, str]:
    """What each of ``ids`` becomes beside the first token of the shortest text."""
    lengths = evidence.texts.tokens.lengths
    if not ids or not (lengths > 1).any():
        return dict.fromkeys(ids, DROPPED)
    shortest = int(np.argmin(np.where(lengths > 1, lengths, lengths.max() + 1)))
    text, tokens = evidence.texts.responses[shortest], evidence.texts.tokens.sample(shortest)
    copies = Texts([text] * len(ids), ragged([tokens] * len(ids)))
    prepared = job.prepare(copies)
    made = job.projection(copies.tokens, _mostly(copies.tokens, ids), prepared)
    first = prepared.tokens.indptr[:-1].tolist()
    own = int(prepared.tokens.ids[0])
    return {token: _fate(made, row, own, student) for token, row in zip(ids, first, strict=True)}


def _mostly(tokens: Ragged, ids: Sequence[int]) -> SparseDistributions:
    """Rows that are sure of ``tokens``, but for each text's first: that is mostly ``ids[i]``."""
    first = np.zeros(len(tokens.ids), np.bool_)
    first[tokens.indptr[:-1]] = True
    sizes = np.where(first, 2, 1)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    indptr = np.append(0, np.cumsum(sizes)).astype(np.int64)
    entries, mass = tokens.ids[owner].astype(np.int32), np.ones(len(owner))
    at = indptr[:-1][first]
    entries[at], mass[at], mass[at + 1] = ids, _MASS, 1 - _MASS
    rest = np.full(len(sizes), -np.inf, np.float32)
    return SparseDistributions(indptr, entries, np.log(mass).astype(np.float32), rest)


def _fate(made: Projection, row: int, own: int, student: Tokenizer) -> str:
    mine = made.distributions[row : row + 1]
    if np.exp(mine.tail[0]) > _FOUND:
        return TAIL
    likely = mine.ids[(np.exp(mine.logprobs) > _FOUND) & (mine.ids != own)]
    return student.written(int(likely[0])) if len(likely) else DROPPED


def _in_a_chat(student: Tokenizer, fates: Mapping[int, str]) -> dict[int, str]:
    """What the student's end becomes where its template ends a turn with another one."""
    ends = student_ends(student)
    if ends.get("chat", ends.get("plain")) == ends.get("plain"):
        return {}
    note = f"{ends['chat']} in a chat"
    return {token: note for token, fate in fates.items() if fate == ends["plain"]}


def _marks(tokenizer: Tokenizer | None) -> Mapping[str, int]:
    """The marks of thinking that are one token each."""
    tags = None if tokenizer is None else tags_of(tokenizer.chat)
    if tokenizer is None or tags is None:
        return {}
    marks = {"opening": tags.opening.strip(), "closing": tags.closing.strip()}
    ids = {side: tag_ids(tokenizer, mark) for side, mark in marks.items()}
    return {side: mark[0] for side, mark in ids.items() if len(mark) == 1}


def _around_thinking(teacher: Tokenizer | None, student: Tokenizer) -> dict[int, str]:
    """What takes the place of each mark in the text of a student that is taught to think."""
    tags = tags_of(student.chat)
    if tags is None:
        return dict.fromkeys(_marks(teacher).values(), "the student has no such mark")
    shown = {"opening": tags.opening.strip(), "closing": tags.closing.strip()}
    return {token: f"around thinking: {shown[side]}" for side, token in _marks(teacher).items()}
