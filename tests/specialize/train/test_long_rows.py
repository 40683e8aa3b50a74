"""What a step on long rows of a causal student holds: activations, no logits and no masks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from align.sparse import one_hot
from specialize.losses import fused_kl
from specialize.rows import Row
from specialize.rows.micro_batches import cheapest_parts
from specialize.students.random_init import build_student
from specialize.students.student import Student, load_student
from specialize.train import collate
from specialize.train.collate import make_batch, pack
from tests.support import toys
from tests.support.largest_tensor import LargestTensor

WIDTH, LAYERS = 16, 2
LLAMA = {
    "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": LAYERS, "num_attention_heads": 2, "max_position_embeddings": 1 << 16,
    "bos_token_id": toys.EOS, "eos_token_id": toys.EOS, "pad_token_id": toys.PAD,
}  # fmt: skip
SHAPES = {
    "one row": ((600,), False),
    "padded rows": ((300, 280, 20), False),
    "packed rows": ((150, 150, 150, 149), True),
    "a long row among short ones": ((500, 30, 30, 30), True),
}


def rows_of(lengths: tuple[int, ...], vocabulary: int) -> list[Row]:
    rng = np.random.default_rng(0)
    rows = []
    for number, length in enumerate(lengths):
        target = rng.integers(3, vocabulary, length).astype(np.int32)
        prompt = rng.integers(3, vocabulary, 5).astype(np.int32)
        rows.append(Row((str(number), 0), 0, prompt, target, one_hot(target)))
    return rows


def planned(rows: list[Row]) -> list[list[Row]]:
    """Rows that are sorted by length, in the micro-batches that a plan makes of them."""
    prompts = np.array([len(row.prompt_ids) for row in rows])
    targets = np.array([len(row.target_ids) for row in rows])
    parts, _ = cheapest_parts(prompts, targets, limit=len(rows), overhead=96)
    return [rows[part] for part in parts]


def step(student: Student, rows: list[Row], *, packed: bool) -> float:
    """Forward and backward of one micro-batch, as the trainer does it."""
    batch = make_batch(rows, student.shape, objectives=1, tail="bucket", packed=packed)
    states = student(
        batch.input_ids, batch.attention_mask, None, batch.positions, batch.position_ids
    )
    weight = torch.ones(len(batch.positions))
    nats, _ = fused_kl(states, student.projection, batch.ids, batch.logprobs, batch.tail, weight)
    nats.backward()
    return nats.item()


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    folder = tmp_path_factory.mktemp("long")
    tokenizer = toys.write_tokenizer(folder / "tokenizer")
    config = {**LLAMA, "vocab_size": tokenizer.size}
    build_student(config, folder / "tokenizer", tokenizer, folder / "student", seed=3)
    return load_student(folder / "student", tokenizer).train()


@pytest.mark.parametrize("shape", SHAPES)
def test_no_tensor_grows_with_the_square_of_a_row_or_with_the_vocabulary(
    student: Student, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths, packed = SHAPES[shape]
    monkeypatch.setattr(collate, "_LINE", 160)
    monkeypatch.setattr("specialize.students.student._HELD", 1000)
    monkeypatch.setattr("specialize.losses.fused._CPU_BYTES", 1 << 14)
    rows = rows_of(lengths, student.shape.vocabulary)
    step(student, rows, packed=packed)  # what is made once for good, such as the rotations
    with LargestTensor() as largest:
        step(student, rows, packed=packed)
    positions = sum(lengths) + 5 * len(lengths)
    padded = len(lengths) * (max(lengths) + 5)
    weights = student.shape.vocabulary * WIDTH
    assert largest.numel <= max(2 * WIDTH * max(positions, padded), 160 * positions, weights)
    assert largest.numel < max(lengths) ** 2


def test_a_line_that_rows_share_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collate, "_LINE", 100)
    lengths = np.array([40, 30, 20, 10])
    line, start = pack(lengths)
    assert (start + lengths).max() <= 100
    assert start.any()
    line, start = pack(np.array([101, 30, 20, 10]))
    assert line.tolist() == [0, 1, 2, 3]
    assert not start.any()


# 32,768 tokens of a vocabulary of 50,257: all logits would be 6.1 GiB, their gradient as much; a
# mask of two padded rows 2.5 GiB a layer, of four rows on one line 5 GiB.
PROGRAM = """
import sys
from pathlib import Path
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from specialize.students import student as students
from specialize.students.student import Shape, Student
from tests.specialize.train.test_long_rows import planned, rows_of, step

def peak(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024

torch.set_num_threads(1)
students._HELD = 0  # hidden states of short rows too, not logits
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=50257, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
    num_attention_heads=4, max_position_embeddings=65536))
student = Student(model, Shape(False, 0, 0, 50257), "fp32", fusible=True).train()
before = peak("VmRSS")
rows = rows_of(tuple(map(int, sys.argv[2:])), 50257)
for part in planned(rows) if sys.argv[1] == "planned" else [rows]:
    step(student, part, packed=sys.argv[1] != "plain")
print(peak("VmHWM") - before)
"""


def test_a_long_row_shares_no_micro_batch_with_short_ones() -> None:
    lengths = [[len(row.target_ids) for row in part] for part in planned(rows_of((9, 9, 900), 50))]
    assert lengths == [[9, 9], [900]]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    "arguments",
    ["plain 32768", "plain 16384 16000", "packed 8192 8192 8000 7900", "planned 256 256 256 32000"],
)
def test_a_step_on_32k_tokens_takes_under_a_gigabyte_above_the_model(arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments.split()],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert float(done.stdout) < 1000
