"""GGUF files: the numbers and ids of the directories that they were made of, or a refusal."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from specialize.errors import ConfigurationError, InputError, TeacherError
from specialize.io.gguf_file import read_gguf
from specialize.models.gguf_rotations import ROTATIONS, scale_rotations
from specialize.students.student import copy_tokenizer, load_model, load_student
from specialize.teacher.local.load import load_model as load_teacher_model
from specialize.tokens import load_tokenizer
from specialize.train.preparation import check_student
from tests.support import teacher_toys as toys
from tests.support.gguf_toys import write_gguf

Q8 = gguf.GGMLQuantizationType.Q8_0
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([[1, 5, 9, 30, 7, 2]])).logits


def test_the_numbers_are_those_of_safetensors(tmp_path: Path) -> None:
    ours = load_model(write_gguf(toys.llama(), tmp_path / "toy.gguf"))
    theirs = load_model(toys.llama())
    torch.testing.assert_close(logits(ours), logits(theirs), rtol=0, atol=1e-5)


def test_blocks_become_the_numbers_that_they_stand_for(tmp_path: Path) -> None:
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf", stored=Q8)
    ours, whole = load_model(path), load_model(toys.llama())
    name = "model.layers.0.mlp.gate_proj.weight"
    given = whole.state_dict()[name].numpy()
    rounded = gguf.quants.dequantize(gguf.quants.quantize(given, Q8), Q8)
    np.testing.assert_array_equal(ours.state_dict()[name].numpy(), rounded)
    assert not np.array_equal(rounded, given)


def test_a_teacher_says_what_its_weights_were_stored_as(tmp_path: Path) -> None:
    packed = load_teacher_model(str(write_gguf(toys.llama(), tmp_path / "q.gguf", stored=Q8)))
    plain = load_teacher_model(str(write_gguf(toys.llama(), tmp_path / "f.gguf")))
    assert (packed.dtype, plain.dtype) == ("float32, from Q8_0", "float32")
    assert packed.revision != plain.revision


def test_a_student_from_a_file_saves_checkpoints_that_load(tmp_path: Path) -> None:
    path, saved = write_gguf(toys.llama(), tmp_path / "t.gguf", template=TEMPLATE), tmp_path / "s"
    tokenizer = load_tokenizer(path)
    student = load_student(path, tokenizer)
    student.save(saved)
    copy_tokenizer(path, tokenizer, saved)
    again = load_tokenizer(saved)
    torch.testing.assert_close(logits(load_model(saved)), logits(student.model), rtol=0, atol=0)
    assert again.fingerprint == tokenizer.fingerprint
    assert (again.ends, again.front, again.pad) == (tokenizer.ends, tokenizer.front, tokenizer.pad)
    assert again.chat.source == tokenizer.chat.source == TEMPLATE


def test_the_ids_are_those_of_the_directory(tmp_path: Path) -> None:
    ours = load_tokenizer(write_gguf(toys.llama(), tmp_path / "toy.gguf", template=TEMPLATE))
    theirs = load_tokenizer(toys.llama())
    texts = [f"{e.question} {e.rationale} é🍎</s>" for e in toys.examples(20)]
    assert ours.encode_batch(texts) == theirs.encode_batch(texts)
    assert (ours.front, ours.eos, ours.size) == (theirs.front, theirs.eos, theirs.size)
    assert ours.turn_end == ours.eos


@pytest.mark.parametrize(
    ("pre", "parts"),
    [
        ("gpt-2", ["It", "'s", " 1234", ",", " ok"]),
        ("smollm", ["It", "'s", " ", "1", "2", "3", "4", ",", " ok"]),
        ("llama-bpe", ["It", "'s", " ", "123", "4", ",", " ok"]),
        ("qwen2", ["It", "'s", " ", "1", "2", "3", "4", ",", " ok"]),
        ("tekken", ["It", "'s", " ", "1", "2", "3", "4", ",", " ok"]),
        ("deepseek-v3", ["It", "'s", " ", "123", "4", ",", " ok"]),
    ],
)
def test_a_text_is_split_as_the_file_says(pre: str, parts: list[str], tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_gguf(toys.llama(), tmp_path / "toy.gguf", pre=pre))
    found = tokenizer._backend.pre_tokenizer.pre_tokenize_str("It's 1234, ok")
    assert [piece.replace("Ġ", " ") for piece, _ in found] == parts


def test_llama_3_rotations_are_kept(tmp_path: Path) -> None:
    rope = {
        "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    }  # fmt: skip
    config = LlamaConfig(head_dim=64, rope_parameters=rope, max_position_embeddings=131_072)
    slowed, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = rope["rope_theta"] ** -(torch.arange(0, 64, 2) / 64)
    factors = (plain / slowed).numpy().astype(np.float32)
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf", extra={ROTATIONS: factors})
    found = LlamaConfig(rope_parameters={"rope_type": "default", "rope_theta": 500_000.0})
    scale_rotations(read_gguf(path), found)
    assert found.rope_parameters == rope


def test_other_rotations_are_refused(tmp_path: Path) -> None:
    factors = np.full(4, 3, np.float32)
    path = write_gguf(toys.llama(), tmp_path / "odd.gguf", extra={ROTATIONS: factors})
    with pytest.raises(InputError, match="slow positions down in another way"):
        load_model(path)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.3, 0.999])
def test_a_file_that_was_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        InputError, match=r"toy\.gguf is damaged or cut short: .*get the file again"
    ):
        load_model(path)


def test_damaged_counts_cost_nothing(tmp_path: Path) -> None:
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf")
    content = bytearray(path.read_bytes())
    for place in (8, 16, 24):  # tensors, entries, the first key's length
        damaged = content[:place] + b"\xff" * 7 + content[place + 7 :]
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot follow byte"):
            read_gguf(path)


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.gguf"
    with pytest.raises(InputError, match="there is no such file"):
        read_gguf(path)
    for content in (b"", b"GG", b"PK\x03\x04" * 9):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is no GGUF file"):
            read_gguf(path)
    path.write_bytes(b"GGUF" + (3).to_bytes(4, "big") + bytes(32))
    with pytest.raises(InputError, match="of big-endian machines"):
        read_gguf(path)


def test_weights_that_have_no_place_are_not_left_out(tmp_path: Path) -> None:
    path = write_gguf(toys.llama(), tmp_path / "t.gguf", extra={"odd.weight": np.ones(8, "f4")})
    with pytest.raises(InputError, match=r"holds [\d,]+ weights, but .*LlamaForCausalLM has"):
        load_model(path)


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf", without="blk.1.ffn_up.weight")
    with pytest.raises(InputError, match=r"lacks 1 of its weights, .*layers\.1\.mlp\.up_proj"):
        load_model(path)
    with pytest.raises(TeacherError, match="lacks 1 of its weights"):
        load_teacher_model(str(path))


def test_an_unknown_pre_tokenizer_is_refused(tmp_path: Path) -> None:
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf", pre="tomorrow")
    with pytest.raises(InputError, match="splits a text as 'tomorrow' does, which is not known"):
        load_tokenizer(path)


def test_without_the_package_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'specialize\[gguf\]'"):
        check_student(str(path))
    assert load_tokenizer(path).eos == 0


def test_a_directory_with_only_a_file_says_to_name_it(tmp_path: Path) -> None:
    path = write_gguf(toys.llama(), tmp_path / "toy.gguf")
    with pytest.raises(InputError, match=f"name the file itself, {path}"):
        check_student(str(tmp_path))
