"""What is measured of held-out texts: against the same by hand, and against a teacher itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from specialize.experiments import text_quantities as measured
from specialize.experiments.text_quantities import Asked
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys

TEXTS = [("Q: How many?\n", "three and four", True), ("Q: apples?\n", "she has", False)]


def test_nats_and_confidence_are_those_of_one_pass() -> None:
    asked = [Asked(*each) for each in TEXTS]
    found = measured.of_texts(*measured.open_model(toys.gpt2()), asked)
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(toys.gpt2()),
        load_tokenizer(toys.gpt2()),
    )
    for i, one in enumerate(asked):
        prompt, text = tokenizer.encode_prompts([one.prompt])[0], tokenizer.encode(one.text)
        text += [tokenizer.eos] if one.ended else []  # a cut text has no end
        with torch.no_grad():
            logits = model(torch.tensor([prompt + text])).logits[0, len(prompt) - 1 : -1]
        said, own = logits.log_softmax(-1), torch.tensor(text)
        assert found["nats"][i] == pytest.approx(
            -float(said[range(len(text)), own].sum()), rel=1e-4
        )
        right = (said.argmax(-1) == own).float().mean()
        sure = said.exp().max(-1).values.mean()
        assert found["overconfidence"][i] == pytest.approx(float(sure - right), abs=1e-5)
    assert found.keys() == {"nats", "overconfidence"}


def test_a_teacher_is_no_way_from_itself(tmp_path: Path) -> None:
    path = tmp_path / "held_out" / "human.jsonl"
    measured.keep_teacher(toys.gpt2(), path, TEXTS)
    kept, rows = measured.read_asked(path), np.load(path.with_suffix(".npy"))
    opened = measured.open_model(toys.gpt2())
    found = measured.of_texts(*opened, kept, teacher=rows)
    assert found["nats"] == pytest.approx([one.nats for one in kept])
    assert found["kl"] == pytest.approx([0, 0], abs=1e-3)  # rows are float16
    assert found["same_first"] == [1, 1]
    other = np.log(np.full_like(rows, 1 / rows.shape[1], np.float32)).astype(np.float16)
    uniform = measured.of_texts(*opened, kept, teacher=other)["kl"]
    cross = [  # KL(uniform | q) = -log V - mean of log q
        -np.log(rows.shape[1]) - float(log_q.mean())
        for _, log_q in measured.log_probabilities(*opened, kept)
    ]
    assert uniform == pytest.approx(cross, abs=2e-2)


def test_choices_have_the_nats_that_each_has_alone() -> None:
    opened, prompt = measured.open_model(toys.gpt2()), "Q: How many apples?\n"
    texts = ["three", "three and four and five", "she has"]
    alone = measured.of_texts(*opened, [Asked(prompt, text) for text in texts])["nats"]
    assert measured.choice_nats(*opened, prompt, texts) == pytest.approx(alone, rel=1e-4)
