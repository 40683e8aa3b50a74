r"""Thinking in a student's text: between the marks of its own template, before what it says.

    prompt   <|im_start|>assistant\n
    target   <think>\n 3 + 4.\n </think>\n\n The answer is 7 <|im_end|>
    keep     ............................... loss of each token
    train    loss of each token .......................................

``drop`` leaves it out. The thinking's rows are a teacher's, aligned like those of what is said; so
is that of the mark which closes it, where that is one token on both sides: its mass is what the
teacher gave to ending the thinking there. Every other mark is certain. It is what a response with
thinking has there, and over many responses the share of those that think is the teacher's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions, concatenate, one_hot
from specialize.config.chat import Chat
from specialize.errors import ConfigurationError
from specialize.rows.targets import Target
from specialize.store import Sample
from specialize.tokens import Tokenizer
from specialize.tokens.thinking_tags import (
    ThinkingTags,
    refuse_unknown,
    tag_ids,
    thinking_tags,
)


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a student's targets hold a teacher's thinking.

    Attributes:
        wanted: whether it carries the loss too.
        hard: rows are replaced by certain ones afterwards, so that text alone suffices.
    """

    tokenizer: Tokenizer
    tags: ThinkingTags
    wanted: Literal["keep", "train"]
    hard: bool

    def before(self, target: Target, sample: Sample) -> Target | None:
        """``target``, which is of what ``sample`` says, beginning with what it thought.

        Itself where nothing was thought; None where the thinking's rows are wanted and missing.
        """
        if not sample.response.thinking.strip():
            return target
        thought = sample.thought()
        ids, rows = np.asarray(thought.token_id, np.int32), thought.distributions
        text = sample.response.thinking.strip()
        if not len(ids):
            if self.wanted == "train" and not self.hard:
                return None
            ids = np.array(self.tokenizer.encode(text), np.int32)
            rows = one_hot(ids)
        opening = [] if self.tags.opened else tag_ids(self.tokenizer, self.tags.opening)
        marks = np.array(opening, np.int32)
        whole, laid = self._closed(ids, rows)
        ids = np.concatenate([marks, whole, target.ids])
        rows = concatenate([one_hot(marks), laid, target.distributions])
        learned = np.ones(len(ids), np.bool_)
        if self.wanted == "keep":
            learned[: len(marks) + len(whole)] = False
        return replace(target, ids=ids, distributions=rows, learned=learned)

    def _closed(
        self, ids: NDArray[np.int32], rows: SparseDistributions
    ) -> tuple[NDArray[np.int32], SparseDistributions]:
        """A thought and the closing marks; its end's row is that of the mark."""
        eos, ended = self.tokenizer.eos, len(ids) > 0 and ids[-1] == self.tokenizer.eos
        thought = ids[:-1] if ended else ids
        spelled = b"".join(self.tokenizer.pieces(thought.tolist()))
        closing = self.tags.closing
        if spelled[-1:].isspace():  # the teacher has written the line's end itself
            closing = closing.lstrip()
        marks = np.array(tag_ids(self.tokenizer, closing), np.int32)
        certain = one_hot(marks)
        at = self._mark_at(marks)
        if not ended or at is None or eos is None:
            return np.concatenate([thought, marks]), concatenate([rows[: len(thought)], certain])
        named = rows.ids
        if not (named == marks[at]).any():  # a teacher of the same tokenizer knows it already
            named = np.where(named == eos, marks[at], named).astype(np.int32)
        rows = replace(rows, ids=named)
        laid = [rows[:-1], certain[:at], rows[len(thought) :], certain[at + 1 :]]
        return np.concatenate([thought, marks]), concatenate(laid)

    def _mark_at(self, marks: NDArray[np.int32]) -> int | None:
        """Which of ``marks`` is the closing mark itself; None where it is several tokens."""
        core = tag_ids(self.tokenizer, self.tags.closing.strip())
        return marks.tolist().index(core[0]) if len(core) == 1 and core[0] in marks else None


def thinking_of(chat: Chat, tokenizer: Tokenizer, *, hard: bool) -> Thinking | None:
    """What the recipe's student is taught of thinking; None for nothing.

    Raises:
        InputError: its template has no marks for thinking, or closes them in the prompt.
        ConfigurationError: it has no template.
    """
    if chat.thinking == "drop":
        return None
    if tokenizer.chat is None:
        raise ConfigurationError(
            f"chat.thinking is {chat.thinking}, but tokenizer {tokenizer.name} has no chat "
            f"template; leave it at drop"
        )
    tags = thinking_tags(tokenizer.chat, chat.style.arguments)
    return Thinking(tokenizer, refuse_unknown(tokenizer, tags, chat.thinking), chat.thinking, hard)
