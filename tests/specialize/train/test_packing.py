"""Rows on common lines: none overlaps, none sees another, the loss is that of separate lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from specialize.students.random_init import build_student
from specialize.students.student import load_student
from specialize.train.collate import make_batch, pack
from tests.support import toys


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_rows_neither_overlap_nor_waste_more_than_lines_of_their_own(lengths):
    sizes = np.array(lengths)
    line, start = pack(sizes)
    taken = [
        (i, place) for i, s, n in zip(line, start, sizes, strict=True) for place in range(s, s + n)
    ]
    assert len(taken) == len(set(taken)) == sizes.sum()
    assert sorted(set(line.tolist())) == list(range(line.max() + 1))
    assert (line.max() + 1) * (start + sizes).max() <= len(sizes) * sizes.max()


LLAMA = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 128,
    "bos_token_id": toys.EOS, "eos_token_id": toys.EOS, "pad_token_id": toys.PAD,
}  # fmt: skip
CAUSAL = {
    "gpt2": lambda size: toys.gpt2_config(size, dropout=0.0),
    "llama": lambda size: {"model_type": "llama", "vocab_size": size, **LLAMA},
    "qwen2": lambda size: {"model_type": "qwen2", "vocab_size": size + 9, **LLAMA},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("causal")
    tokenizer = toys.write_tokenizer(path / "tokenizer")
    for kind, config in CAUSAL.items():
        build_student(config(tokenizer.size), path / "tokenizer", tokenizer, path / kind, seed=3)
    return path, tokenizer


def logits_of(student, batch):
    return student(
        batch.input_ids, batch.attention_mask, batch.decoder_input_ids, batch.positions,
        batch.position_ids,
    )  # fmt: skip


@pytest.mark.parametrize("kind", CAUSAL)
def test_packed_rows_have_the_logits_and_gradients_of_separate_ones(folder, kind):
    path, tokenizer = folder
    student = load_student(path / kind, tokenizer).train()
    rows = toys.random_rows(14, objectives=2, vocabulary=60).rows
    found = []
    for packed in (False, True):
        batch = make_batch(rows, student.shape, objectives=2, tail="bucket", packed=packed)
        student.zero_grad()
        logits = logits_of(student, batch)
        (logits[:, 5].sum() + logits.square().mean()).backward()
        gradient = torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None])
        found.append((batch, logits.detach(), gradient))
    (plain, one, slope), (packed, other, packed_slope) = found
    assert packed.padding < plain.padding
    assert packed.input_ids.shape[0] < len(rows)
    np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(packed_slope, slope, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", CAUSAL)
def test_a_packed_row_does_not_see_the_others(folder, kind):
    path, tokenizer = folder
    student = load_student(path / kind, tokenizer).eval()
    rows = list(toys.random_rows(6, objectives=1, vocabulary=60).rows)
    before = make_batch(rows, student.shape, objectives=1, tail="bucket", packed=True)
    changed = [replace(row, prompt_ids=(row.prompt_ids + 1) % 50 + 3) for row in rows[1:]]
    after = make_batch([rows[0], *changed], student.shape, objectives=1, tail="bucket", packed=True)
    count = len(rows[0].target_ids)
    one, other = logits_of(student, before), logits_of(student, after)
    np.testing.assert_allclose(other[:count].detach(), one[:count].detach(), atol=1e-6)
    assert not torch.allclose(other[count:], one[count:])
