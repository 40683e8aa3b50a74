"""Rows as tensors: rectangles, positions, what is measured on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from align.sparse import one_hot
from specialize.rows import Row
from specialize.students.student import Shape
from specialize.train.collate import make_batch
from tests.support import toys

SEQ2SEQ = Shape(encoder_decoder=True, pad=0, start=9, vocabulary=40)
CAUSAL = Shape(encoder_decoder=False, pad=0, start=0, vocabulary=40)


def row(prompt, target, objective=0, key=("a", 0)):
    target = np.array(target, np.int32)
    return Row(key, objective, np.array(prompt, np.int32), target, one_hot(target))


ROWS = (row([5, 6, 7], [8, 1]), row([5], [10, 11, 12, 1], key=("b", 2)))


def test_encoder_decoder_rectangles():
    batch = make_batch(ROWS, SEQ2SEQ, objectives=1, tail="bucket")
    assert batch.input_ids.tolist() == [[5, 6, 7], [5, 0, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.decoder_input_ids.tolist() == [[9, 8, 0, 0], [9, 10, 11, 12]]
    assert batch.positions.tolist() == [0, 1, 4, 5, 6, 7]
    assert batch.labels.tolist() == [8, 1, 10, 11, 12, 1]
    assert batch.ids[:, 0].tolist() == batch.labels.tolist()
    assert batch.keys == (("a", 0), ("b", 2))
    assert (batch.padding, batch.size) == (4, 14)


def test_causal_rectangle_predicts_each_target_from_the_token_before():
    batch = make_batch(ROWS, CAUSAL, objectives=1, tail="bucket")
    assert batch.input_ids.tolist() == [[5, 6, 7, 8], [5, 10, 11, 12]]
    assert batch.attention_mask is None  # padding comes last, where no token sees it
    assert batch.decoder_input_ids is None
    assert batch.positions.tolist() == [2, 3, 4, 5, 6, 7]
    assert (batch.padding, batch.size) == (0, 8)
    longer = make_batch((ROWS[0], row([5], [1])), CAUSAL, objectives=1, tail="bucket")
    assert longer.input_ids.tolist() == [[5, 6, 7, 8], [5, 0, 0, 0]]
    assert longer.positions.tolist() == [2, 3, 4]
    assert (longer.padding, longer.size) == (3, 8)


def test_soft_rows_keep_every_entry_and_hard_ones_need_one():
    rows = toys.random_rows(12, objectives=2)
    soft = make_batch(rows.rows[:6], SEQ2SEQ, objectives=2, tail="bucket")
    hard = make_batch(rows.rows[6:], SEQ2SEQ, objectives=2, tail="bucket")
    assert hard.ids.shape[1] == 1
    assert soft.ids.shape[1] == 3
    total = soft.logprobs.exp().sum(1) + soft.tail.exp()
    np.testing.assert_allclose(total, 1, atol=1e-6)
    at = 0
    for one in rows.rows[:6]:
        for token in range(len(one.target_ids)):
            entries = one.distributions[token : token + 1]
            want = dict(zip(entries.ids.tolist(), entries.logprobs.tolist(), strict=True))
            used = soft.logprobs[at] > -torch.inf
            have = zip(soft.ids[at][used].tolist(), soft.logprobs[at][used].tolist(), strict=True)
            assert dict(have) == want
            at += 1


def test_what_was_seen_is_counted_by_objective():
    rows = toys.random_rows(12, objectives=2)
    batch = make_batch(rows.rows[3:9], SEQ2SEQ, objectives=2, tail="renormalize")
    for number in (0, 1):
        mine = [one for one in rows.rows[3:9] if one.objective == number]
        tokens = sum(len(one.target_ids) for one in mine)
        tails = sum(np.exp(one.distributions.tail.astype(float)).sum() for one in mine)
        hard = sum(one.distributions.is_hard.sum() for one in mine)
        np.testing.assert_allclose(batch.seen[number], [tokens, tails, hard], rtol=1e-6)
        assert (batch.objective == number).sum() == tokens
    assert torch.isneginf(batch.tail).all()  # the rule was applied, the stored tail counted


@pytest.mark.parametrize("tail", ["bucket", "renormalize", "to_label", "drop"])
def test_every_tail_rule_fits_a_batch(tail):
    rows = toys.random_rows(6, objectives=1)
    batch = make_batch(rows.rows, SEQ2SEQ, objectives=1, tail=tail)
    assert batch.ids.shape == batch.logprobs.shape
    assert batch.to(torch.device("cpu")) is batch
    mass = batch.logprobs.exp().sum(1) + batch.tail.exp()
    assert (mass <= 1 + 1e-5).all()
    if tail != "drop":
        np.testing.assert_allclose(mass, 1, atol=1e-5)
