"""Batches on every core: what they make is that of one process, in order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from specialize.errors import SpecializeError
from specialize.evaluate.generation import Draws, Limits, Stop, generate
from specialize.io.forked import can_fork
from specialize.models import batches
from specialize.models.batches import each_batch
from specialize.quickstart.run import MODELS
from specialize.teacher.local.teacher import load_teacher
from specialize.teacher.protocol import Sampling
from tests.support.evaluation_toys import random_prompts, tiny_gpt2, tiny_t5

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are forked on Linux alone")


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)


@pytest.mark.usefixtures("cores")
def test_each_core_has_a_process() -> None:
    made = list(each_batch(tiny_t5(seed=1), lambda number: (number**2, os.getpid()), 7))
    assert [(number, square) for number, (square, _) in made] == [(n, n * n) for n in range(7)]
    assert len({process for _, (_, process) in made} - {os.getpid()}) == 3
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("threads", "parameters", "count"), [(1, 10, 5), (3, 10**9, 5), (3, 10, 1), (3, 10, 0)]
)
def test_one_process_does_what_is_not_worth_more(
    monkeypatch: pytest.MonkeyPatch, threads: int, parameters: int, count: int
) -> None:
    model = tiny_t5(seed=1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(model, "num_parameters", lambda: parameters)
    made = list(each_batch(model, lambda number: os.getpid(), count))
    assert made == [(number, os.getpid()) for number in range(count)]


@pytest.mark.usefixtures("cores")
def test_a_killed_process_is_told_of_with_the_way_out() -> None:
    with pytest.raises(SpecializeError, match="batch 0 was killed; with OMP_NUM_THREADS=1 one"):
        list(each_batch(tiny_t5(seed=1), lambda _: os.kill(os.getpid(), 9), 2))


def answers(model: PreTrainedModel, prompts: Sequence[Sequence[int]], **how: object) -> object:
    drawn = Draws(0.8, range(len(prompts)), 20) if how.get("drawn") else None
    stop = Stop(4, lambda ids: 7 in ids) if how.get("stopped") else None
    return list(generate(model, prompts, Limits(6, 60), draws=drawn, stop=stop))


@pytest.mark.parametrize("make", [tiny_t5, tiny_gpt2])
@pytest.mark.parametrize("how", [{}, {"drawn": True}, {"stopped": True}])
def test_answers_are_those_of_one_process(
    monkeypatch: pytest.MonkeyPatch, make: type, how: dict[str, object]
) -> None:
    model = make(seed=4).eval()
    prompts = random_prompts(17, seed=2)
    alone = answers(model, prompts, **how)
    monkeypatch.setattr(batches, "_processes", lambda *_: 2)
    assert answers(model, prompts, **how) == alone


def test_a_teachers_texts_are_those_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = load_teacher(str(MODELS / "teacher"), batch_rows=2)
    prompts = [f"Q: Tom has {n} pens and buys 2. How many?\nA:" for n in range(5)]
    alone = teacher.sample(prompts, range(5), Sampling(max_new_tokens=6))
    monkeypatch.setattr(batches, "_processes", lambda *_: 2)
    for text, wanted in zip(
        teacher.sample(prompts, range(5), Sampling(max_new_tokens=6)), alone, strict=True
    ):
        assert text.text == wanted.text
        assert text.finish == wanted.finish
        for name in ("token_id", "token_logprob"):
            np.testing.assert_array_equal(getattr(text, name), getattr(wanted, name))
        for name in ("indptr", "ids", "logprobs", "tail"):
            found, before = (getattr(each.distributions, name) for each in (text, wanted))
            np.testing.assert_array_equal(found, before)
