"""A student is loaded whole and with one idea of its ends, or not without a word."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from specialize.errors import InputError
from specialize.students.random_init import build_student
from specialize.students.student import copy_tokenizer, load_model, load_student
from specialize.tokens import load_tokenizer
from tests.support import toys

TIED = {
    "model_type": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 1,
    "pad_token_id": 0, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    folder = tmp_path_factory.mktemp("students")
    tokenizer = toys.write_tokenizer(folder / "tokenizer")
    size = tokenizer.size
    configs = {
        "t5": toys.t5_config(size),
        "gpt2": toys.gpt2_config(size),
        "llama": {**TIED, "vocab_size": size},
        "untied": {**TIED, "vocab_size": size, "tie_word_embeddings": False},
    }
    for name, config in configs.items():
        build_student(config, folder / "tokenizer", tokenizer, folder / name, seed=1)
    return folder


def without(folder: Path, kind: str, out: Path, *names: str, short: str | None = None) -> Path:
    """A copy of a student whose file lacks ``names``; ``short`` has one row less."""
    shutil.copytree(folder / kind, out)
    weights = load_file(out / "model.safetensors")
    for name in names:
        del weights[name]
    if short is not None:
        weights[short] = weights[short][:-1].clone()
    save_file(weights, out / "model.safetensors", {"format": "pt"})
    return out


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("t5", ["encoder.block.1.layer.0.SelfAttention.q.weight"]),
        ("t5", ["decoder.final_layer_norm.weight", "shared.weight"]),
        ("gpt2", ["transformer.h.0.mlp.c_fc.bias"]),
        ("llama", ["model.layers.1.mlp.down_proj.weight"]),
        ("llama", ["model.embed_tokens.weight"]),
        ("untied", ["lm_head.weight"]),
    ],
)
def test_a_student_with_a_gap_is_refused(students, tmp_path, kind, names):
    path = without(students, kind, tmp_path / "gap", *names)
    with pytest.raises(InputError, match=r"lacks \d of its weights, the first is "):
        load_student(path, load_tokenizer(path))
    with pytest.raises(InputError, match="its files are incomplete"):
        load_model(path)  # as a checkpoint that is evaluated


def test_a_weight_of_another_shape_is_a_gap(students, tmp_path):
    name = "transformer.h.0.mlp.c_fc.bias"
    path = without(students, "gpt2", tmp_path / "short", short=name)
    with pytest.raises(InputError, match=f"lacks 1 of its weights, the first is {name}"):
        load_student(path, load_tokenizer(path))


@pytest.mark.parametrize("kind", ["t5", "gpt2", "llama", "untied"])
def test_whole_students_are_loaded(students, kind):
    path = students / kind
    weights = load_file(path / "model.safetensors")
    assert ("lm_head.weight" in weights) == (kind == "untied")  # tied ones are not kept
    student = load_student(path, load_tokenizer(path))
    for name, weight in weights.items():
        assert torch.equal(student.model.state_dict()[name], weight), name


def ends_of(path: Path) -> object:
    return json.loads((path / "generation_config.json").read_text())["eos_token_id"]


@pytest.mark.parametrize(
    ("configured", "saved", "named"),
    [
        (toys.EOS, toys.EOS, False),
        ([toys.EOS, 9], [toys.EOS, 9], False),
        ([9, toys.EOS], [9, toys.EOS], False),
        (9, [toys.EOS, 9], True),
        ([9, 8], [toys.EOS, 9, 8], True),
    ],
)
def test_tokenizer_and_generation_agree_in_a_saved_student(
    students, tmp_path, caplog, configured, saved, named
):
    path = tmp_path / "student"
    shutil.copytree(students / "llama", path)
    GenerationConfig(eos_token_id=configured, pad_token_id=0).save_pretrained(path)
    tokenizer = load_tokenizer(path)
    with caplog.at_level(logging.WARNING):
        student = load_student(path, tokenizer)
    assert ("but its generation configuration with 9" in caplog.text) is named
    out = tmp_path / "saved"
    out.mkdir()
    student.save(out)
    copy_tokenizer(path, tokenizer, out)
    assert ends_of(out) == saved
    again = load_tokenizer(out)
    assert again.eos == toys.EOS
    assert set(again.ends) == set(saved if isinstance(saved, list) else [saved])
    caplog.clear()
    load_student(out, again)
    assert not caplog.text
