"""Every chat family teaches every other: contents exact, ends by role, no control token inside.

What goes through a ``Job`` in memory here is what the align stage does with each shard;
``tests/specialize/tokens/test_chat_families.py`` takes neighbours through files.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align import Projector, from_padded
from align.ragged import ragged
from specialize.records import Response
from specialize.rows.targets import Target
from specialize.rows.turns import with_turn_end
from specialize.store import Shard, Texts
from specialize.targets.counts import token_classes
from specialize.targets.ends import Ends, control_ids
from specialize.targets.projecting import Job
from specialize.tokens import Tokenizer
from tests.support.chat_families import FAMILIES, TEXTS, family_tokenizer

MASSES = np.log(np.float32([0.9, 0.05, 0.04]))  # of what is said, of another text, of a control id


def said(teacher: Tokenizer, texts: Sequence[str]) -> Shard:
    """What a teacher says in chats, with the end of its turn; a control id is in every row."""
    tokens = [np.array([*teacher.encode(t), teacher.turn_end], np.int32) for t in texts]
    ids = np.concatenate(tokens)
    control = np.resize(sorted(control_of(teacher) - set(teacher.ends)), len(ids))
    entries = np.column_stack([ids, np.full(len(ids), teacher.encode("q")[-1]), control])
    return Shard(
        [Response(f"q{i}", 0, "", text, None, True) for i, text in enumerate(texts)],
        ragged(tokens),
        np.full(len(ids), MASSES[0]),
        from_padded(entries, np.tile(MASSES, (len(ids), 1)), np.full(len(ids), np.log(0.01))),
        np.zeros((len(ids), 0), np.float32),
    )


@cache
def control_of(tokenizer: Tokenizer) -> frozenset[int]:
    return frozenset((*tokenizer.special_tokens().values(), *tokenizer.named_control()))


@cache
def job_of(teacher: str, student: str) -> Job:
    one, other = family_tokenizer(teacher), family_tokenizer(student)
    encode = partial(other.encode_ragged, threads=1)
    projector = Projector(one.vocabulary(), other.vocabulary(), encode=encode, keep=3)
    assert projector.source.eos is not None
    control = control_ids(one.vocabulary(), one.named_control())
    ends = Ends(projector.source.eos, one.ends, control=control)
    return Job(projector, other, token_classes(other.vocabulary()), 3, "all", 1, ends)


def check(teacher: str, student: str, texts: Sequence[str]) -> None:
    one, other, job = family_tokenizer(teacher), family_tokenizer(student), job_of(teacher, student)
    shard = said(one, texts)
    prepared = job.prepare(Texts(shard.responses, shard.tokens))
    job.observe(Texts(shard.responses, shard.tokens), prepared)
    targets, _ = job.project(shard, prepared)
    inside = sorted(control_of(other) | {other.turn_end})
    for i, text in enumerate(texts):
        stored = targets[i]
        taught = with_turn_end(
            Target(stored.response, 0, stored.token_id, stored.distributions), other
        )
        rows = taught.distributions
        assert taught.ids.tolist() == [*other.encode(text), other.turn_end]
        assert b"".join(other.pieces(taught.ids[:-1])).decode() == text
        assert not np.isin(rows[:-1].ids, inside).any()
        last = rows[len(rows) - 1 :]
        assert last.ids[0] == other.turn_end
        assert not np.isin(last.ids[1:], inside).any()
        assert np.exp(last.logprobs[0]) > 0.899  # more where a rival would be tokenized otherwise


@pytest.mark.parametrize("student", FAMILIES)
def test_every_family_teaches_every_other(student: str) -> None:
    for teacher in FAMILIES:
        if teacher != student:  # rows of one tokenizer are the teacher's own, as they are
            check(teacher, student, TEXTS)


PAIRS = [("qwen3", "gemma2"), ("gemma3", "gpt_oss"), ("olmo2", "phi3_5"), ("gpt_oss", "smollm3")]
# a vocabulary of pieces writes a space for a "▁"
WRITTEN = sorted({t for each in FAMILIES.values() for t in each.special if "▁" not in t})


@given(
    st.sampled_from(PAIRS),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="▁"), min_size=1, max_size=12)
        | st.sampled_from([" ", "\n\n", "12.5", *WRITTEN]),
        min_size=1, max_size=4,
    ).map("".join),
)  # fmt: skip
def test_contents_arrive_as_they_were_said(pair: tuple[str, str], text: str) -> None:
    """Whatever is said: whitespace at the edges, any character, the names of control tokens."""
    check(*pair, [text])
