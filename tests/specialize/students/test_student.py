"""Students: loading and refusing, logits at target positions, what is saved."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from specialize.errors import ConfigurationError, InputError
from specialize.students.random_init import build_student
from specialize.students.student import (
    copy_tokenizer,
    is_encoder_decoder,
    load_model,
    load_student,
    projects_plainly,
)
from specialize.tokens import load_tokenizer
from specialize.train.collate import make_batch
from tests.support import toys


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tokenizer = toys.write_tokenizer(folder / "tokenizer")
    for name, config in (("t5", toys.t5_config), ("gpt2", toys.gpt2_config)):
        build_student(
            config(tokenizer.size), folder / "tokenizer", tokenizer, folder / name, seed=1
        )
    return folder, tokenizer


def batch_for(student, rows):
    return make_batch(rows, student.shape, objectives=2, tail="bucket")


def ask(student, batch):
    return student(batch.input_ids, batch.attention_mask, batch.decoder_input_ids, batch.positions)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_logits_at_targets_are_the_models_own(students, kind):
    folder, tokenizer = students
    student = load_student(folder / kind, tokenizer).eval()
    assert student.shape.encoder_decoder == is_encoder_decoder(folder / kind) == (kind == "t5")
    rows = toys.random_rows(5).rows
    logits = ask(student, batch_for(student, rows))
    model = load_model(folder / kind).eval()
    at = 0
    for row in rows:  # one row at a time, without padding and without our hook
        prompt, target = (torch.tensor(ids).long() for ids in (row.prompt_ids, row.target_ids))
        if kind == "t5":
            start = torch.tensor([student.shape.start])
            decoder = torch.cat([start, target[:-1]])[None]
            full = model(input_ids=prompt[None], decoder_input_ids=decoder).logits[0]
        else:
            text = torch.cat([prompt, target[:-1]])[None]
            full = model(input_ids=text).logits[0, len(prompt) - 1 :]
        np.testing.assert_allclose(
            logits[at : at + len(target)].detach(), full.detach(), rtol=1e-4, atol=1e-5
        )
        at += len(target)
    assert at == len(logits)
    # outside of ``forward`` the model answers for every position
    inner = student.model(input_ids=torch.ones(1, 3).long(), **(
        {"decoder_input_ids": torch.ones(1, 4).long()} if kind == "t5" else {}
    ))  # fmt: skip
    assert inner.logits.shape[1] == (4 if kind == "t5" else 3)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_a_fused_student_gives_the_states_of_its_projection(students, kind):
    folder, tokenizer = students
    student = load_student(folder / kind, tokenizer).eval()
    assert not student.fused  # its vocabulary is small
    assert projects_plainly(student.model)
    batch = batch_for(student, toys.random_rows(5).rows)
    logits = ask(student, batch)
    student.fused = True
    states = ask(student, batch)
    assert states.shape == (len(batch.labels), 16)
    np.testing.assert_allclose(
        (states @ student.projection.T).detach(), logits.detach(), rtol=1e-5, atol=1e-6
    )


def test_a_cap_after_the_projection_is_not_plain(students):
    folder, _ = students
    model = load_model(folder / "gpt2")
    model.lm_head.register_forward_hook(lambda module, inputs, output: output.tanh())
    assert not projects_plainly(model)


def test_bf16_computes_in_bfloat16_and_keeps_float32_weights(students):
    folder, tokenizer = students
    student = load_student(folder / "t5", tokenizer, precision="bf16").eval()
    batch = batch_for(student, toys.random_rows(3).rows)
    logits = ask(student, batch)
    assert logits.dtype == torch.bfloat16
    assert {p.dtype for p in student.parameters()} == {torch.float32}
    exact = ask(load_student(folder / "t5", tokenizer).eval(), batch)
    assert (logits.float() - exact).abs().max() < 0.1


def test_dropout_of_the_recipe_replaces_the_models(students):
    folder, tokenizer = students
    for kind in ("t5", "gpt2"):
        student = load_student(folder / kind, tokenizer, dropout=0.0).train()
        batch = batch_for(student, toys.random_rows(3).rows)
        assert torch.equal(ask(student, batch), ask(student, batch))
        student = load_student(folder / kind, tokenizer).train()
        assert not torch.equal(ask(student, batch), ask(student, batch))


def test_what_is_saved_loads_everywhere(students, tmp_path):
    folder, tokenizer = students
    student = load_student(folder / "t5", tokenizer)
    # Flan-T5's output projection is its own, not the embedding
    head = student.model.lm_head
    head.weight = torch.nn.Parameter(torch.randn_like(head.weight))
    student.save(tmp_path)
    copy_tokenizer(folder / "t5", tokenizer, tmp_path)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert not torch.equal(again.lm_head.weight, again.shared.weight)
    ours = load_student(tmp_path, tokenizer)
    assert torch.equal(ours.model.lm_head.weight, head.weight)
    for name, weight in student.model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint
    assert AutoTokenizer.from_pretrained(tmp_path).eos_token_id == tokenizer.eos


def test_a_tokenizer_without_files_of_its_own_is_written_out(students, tmp_path):
    _, tokenizer = students
    copy_tokenizer("google/flan-t5-base", tokenizer, tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.fingerprint, again.eos, again.pad) == (
        tokenizer.fingerprint, tokenizer.eos, tokenizer.pad,
    )  # fmt: skip


def test_random_students_follow_their_seed(students, tmp_path):
    folder, tokenizer = students
    weights = {}
    for name, seed in (("a", 1), ("b", 2)):
        out = tmp_path / name
        config = toys.t5_config(tokenizer.size)
        build_student(config, folder / "tokenizer", tokenizer, out, seed=seed)
        weights[seed] = (out / "model.safetensors").read_bytes()
    assert weights[1] == (folder / "t5" / "model.safetensors").read_bytes()
    assert weights[1] != weights[2]


def test_refusals(students, tmp_path):
    folder, tokenizer = students
    with pytest.raises(ConfigurationError, match=r"'fp16' for student .*float16 overflows in T5"):
        load_student(folder / "t5", tokenizer, precision="fp16")
    with pytest.raises(ConfigurationError, match=r"it is not supported; use bf16 or fp32"):
        load_student(folder / "gpt2", tokenizer, precision="fp16")
    with pytest.raises(InputError, match=r"no usable model at .*nowhere"):
        load_student(tmp_path / "nowhere", tokenizer)
    only_config = tmp_path / "config-only"
    only_config.mkdir()
    (only_config / "config.json").write_text(json.dumps(toys.t5_config(tokenizer.size)))
    torch.save({}, only_config / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no usable model at .*config-only"):
        load_student(only_config, tokenizer)
    larger = toys.write_tokenizer(tmp_path / "large", tuple(f"▁x{d}" for d in "rstuvwxyz"))
    with pytest.raises(ConfigurationError, match=r"has 75 ids but the student has 71 logits"):
        load_student(folder / "t5", larger)
    with pytest.raises(ConfigurationError, match="model_type 'no-such'"):
        build_student({"model_type": "no-such"}, folder, tokenizer, tmp_path / "x", seed=0)
