"""Thoughts and contents apart, and together again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.ragged import ragged
from align.sparse import SparseDistributions, one_hot
from specialize.records import Response
from specialize.store import Shard, Texts
from specialize.targets.thoughts import (
    Thought,
    contents,
    find_thought,
    join_thoughts,
    split_thoughts,
)
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(toys.thinking())


@pytest.mark.parametrize(
    ("written", "thought", "closed"),
    [
        ("<think>\n3 + 4.\n</think>\n\n", "3 + 4.\n", True),
        ("<think>3 + 4.</think>", "3 + 4.", True),
        ("3 + 4.\n</think>\n\n", "3 + 4.\n", True),  # a block that the prompt opened
        ("3 + 4.\n", "3 + 4.\n", False),  # a server that returns no marks
        ("<think>\né 4.\n</think>", "é 4.\n", True),
        ("<thinking>\n3 + 4.\n</thinking>\n", "3 + 4.\n", None),  # marks of several tokens
        ("<think>\n3 + 4", None, None),  # never closed
        ("<think>\n \n</think>\n\n", None, None),
        ("\n\n", None, None),
    ],
)
def test_where_a_thought_is(
    tokenizer: Tokenizer, written: str, thought: str | None, closed: bool | None
) -> None:
    tokens = tokenizer.encode(written)
    found = find_thought(tokens, tokenizer.vocabulary())
    if thought is None:
        assert found is None
        return
    assert found is not None
    spelled = b"".join(tokenizer.pieces(tokens[found.first : found.last])).decode()
    assert spelled == found.text
    assert found.text.startswith(thought.strip())
    assert found.text.strip() == thought.strip() or closed is None  # "." and "<" may be one token
    mark = tokenizer.encode("</think>")[0] if closed else None
    assert found.closing == mark


def test_a_closing_mark_that_is_a_special_token_spells_nothing(tokenizer: Tokenizer) -> None:
    special = tokenizer.special_tokens()["<start_of_turn>"]
    thought = tokenizer.encode("3 + 4.")
    found = find_thought([special, *thought, special], tokenizer.vocabulary())
    assert found == Thought(1, len(thought) + 1, "3 + 4.", special)


@st.composite
def drawn_shard(draw: st.DrawFn) -> Shard:
    """Samples of which some have a thought before what they say."""
    tokenizer = load_tokenizer(toys.thinking())
    texts, responses = [], []
    for number in range(draw(st.integers(1, 4))):
        thinks = draw(st.booleans())
        before = tokenizer.encode("<think>\n3 + 4.\n</think>\n\n") if thinks else []
        said = tokenizer.encode(draw(st.sampled_from(["7", "The answer is 7"])))
        texts.append(np.array([*before, *said, tokenizer.turn_end], np.int32))
        thinking = "3 + 4." if thinks else ""
        responses.append(
            Response(f"e/{number}", 0, "Q", tokenizer.decode(said), None, True, True, thinking,
                     len(before))
        )  # fmt: skip
    ids = np.concatenate(texts)
    nats = -np.arange(len(ids), dtype=np.float32)
    rows = one_hot(ids)
    rows = SparseDistributions(rows.indptr, rows.ids, nats, rows.tail)
    return Shard(responses, ragged(texts), nats, rows, np.zeros((len(ids), 0), np.float32))


@given(drawn_shard())
def test_parts_are_joined_as_they_were_without_marks(shard: Shard) -> None:
    tokenizer = load_tokenizer(toys.thinking())
    part, samples = split_thoughts(shard, tokenizer.vocabulary(), adds_up=False)
    thinks = [i for i, response in enumerate(shard.responses) if response.thinking]
    assert samples.tolist() == thinks
    assert [r.text for r in part.responses[len(shard) :]] == ["3 + 4.\n"] * len(thinks)
    assert contents(shard).tokens.ids.tolist() == (
        part.tokens.ids[: int(part.tokens.indptr[len(shard)])].tolist()
    )
    whole = join_thoughts(part, samples, shard.responses)
    for i in range(len(shard)):
        before, after = shard[i], whole[i]
        assert after.content().token_id.tolist() == before.content().token_id.tolist()
        assert after.content().token_logprob.tolist() == before.content().token_logprob.tolist()
        if i not in thinks:
            assert after.response == before.response
            continue
        assert after.response == replace(
            before.response, thinking_tokens=after.response.thinking_tokens
        )
        kept = after.thought()
        assert kept.token_id[-1] == tokenizer.eos
        spelled = b"".join(tokenizer.pieces(kept.token_id.tolist()))
        assert spelled == b"3 + 4.\n"
        place = before.token_logprob.tolist().index(kept.token_logprob[0])
        assert kept.token_logprob.tolist() == (
            before.token_logprob[place : place + len(kept)].tolist()
        )
    texts, again = split_thoughts(shard.texts, tokenizer.vocabulary(), adds_up=False)
    assert isinstance(texts, Texts)
    assert again.tolist() == samples.tolist()
    assert texts.tokens.ids.tolist() == part.tokens.ids.tolist()


def test_the_mass_of_closing_is_that_of_the_end(tokenizer: Tokenizer) -> None:
    """In every row of a thought, where vocabularies differ."""
    close, eos = tokenizer.encode("</think>")[0], tokenizer.eos
    ids = np.array([*tokenizer.encode("3 + 4."), close, *tokenizer.encode("7")], np.int32)
    count = len(ids)
    entries = np.stack([np.full(count, close), np.full(count, eos)], axis=1).astype(np.int32)
    rows = SparseDistributions(
        np.arange(count + 1) * 2, entries.ravel(),
        np.log(np.tile([0.6, 0.1], count)).astype(np.float32),
        np.log(np.full(count, 0.3)).astype(np.float32),
    )  # fmt: skip
    thinking = len(ids) - len(tokenizer.encode("7"))
    response = Response("e/0", 0, "Q", "7", "7", True, True, "3 + 4.", thinking)
    shard = Shard(
        [response], ragged([ids]), np.zeros(count, np.float32), rows,
        np.zeros((count, 0), np.float32),
    )  # fmt: skip
    part, _ = split_thoughts(shard, tokenizer.vocabulary(), adds_up=True)
    said, thought = part[0], part[1]
    assert said.distributions.ids.tolist() == [close, eos] * len(said)
    assert thought.distributions.ids.tolist() == [eos] * len(thought)
    np.testing.assert_allclose(np.exp(thought.distributions.logprobs), 0.7, rtol=1e-6)
