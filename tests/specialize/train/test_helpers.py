"""Processes that take part of a step: the step of one process, and clear ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from specialize.errors import SpecializeError
from specialize.io.forked import can_fork
from specialize.students import checkpoints
from specialize.students.student import Student, load_student
from specialize.tokens import load_tokenizer
from specialize.train import helpers, metrics, train
from specialize.train.collate import Batch
from specialize.train.helpers import Helpers, dealt, helpful
from tests.support import toys

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are forked on Linux alone")


@pytest.fixture
def threads() -> Iterator[None]:
    """Three of torch's, as on a machine of three cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


class Toy:
    """A linear model that is taught sums, and how it comes by its gradients."""

    def __init__(self) -> None:
        self.model = nn.Linear(3, 2)
        self.unused = nn.Parameter(torch.ones(2))
        self.model.register_parameter("unused", self.unused)

    def gradients(self, batches: Sequence[Batch], scale: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros(())
        for batch in batches:
            values = batch.logprobs
            if values.isnan().any():
                raise ValueError("a number is missing")
            if values.isinf().any():
                os.kill(os.getpid(), signal.SIGKILL)
            loss = (self.model(values) * scale).square().sum()
            loss.backward()
            total += loss.detach()
        return total, torch.tensor([float(len(batches))])


def holding(values: Tensor) -> Batch:
    """A micro-batch of which a toy looks at one tensor."""
    none = torch.zeros(0, dtype=torch.int64)
    return Batch(
        none, None, None, None, none, none, values, torch.zeros(0), none, none,
        torch.zeros(1, 3, dtype=torch.float64), (("q/0", 0),), 0, len(values),
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.usefixtures("threads")
def test_gradients_and_sums_are_those_of_one_process(count: int) -> None:
    toy = Toy()
    batches = [holding(values) for values in torch.randn(5, 4, 3)]
    scale = torch.tensor(0.5)
    with closing(Helpers(toy.model, toy.gradients, count)) as given_help:
        for _ in range(3):  # helpers see the weights of each step
            toy.model.zero_grad()
            total, counted = toy.gradients(batches, scale)
            expected = [p.grad.clone() for p in toy.model.parameters() if p.grad is not None]
            toy.model.zero_grad()
            parts = [batches[i :: count + 1] for i in range(count + 1)]
            given_help.ask(parts[1:], scale)
            made = [toy.gradients(parts[0], scale), *given_help.collect()]
            assert sum(t for t, _ in made) == pytest.approx(total.item(), rel=1e-5)
            assert sum(c for _, c in made) == counted
            grads = [toy.model.weight.grad, toy.model.bias.grad]
            for found, wanted in zip(grads, expected, strict=True):
                assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-6)
            with torch.no_grad():
                for parameter in toy.model.parameters():
                    parameter -= 0.1 * (parameter.grad if parameter.grad is not None else 0)
        assert torch.get_num_threads() == (1 if count else 3)
    assert torch.get_num_threads() == 3
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (float("nan"), ValueError, "a number is missing"),
        (float("inf"), SpecializeError, "was killed; with OMP_NUM_THREADS=1 one process does all"),
    ],
)
def test_what_goes_wrong_in_a_helper(value: float, error: type[Exception], said: str) -> None:
    toy = Toy()
    with closing(Helpers(toy.model, toy.gradients, 1)) as given_help:
        given_help.ask([[holding(torch.full((1, 3), value))]], torch.tensor(1.0))
        with pytest.raises(error, match=said):
            given_help.collect()
    assert multiprocessing.active_children() == []


@given(sizes=st.lists(st.integers(1, 500), min_size=1, max_size=12), count=st.integers(1, 5))
def test_work_is_dealt_evenly(sizes: list[int], count: int) -> None:
    batches = [SimpleNamespace(size=size) for size in sizes]
    parts = dealt(batches, count, 10)  # type: ignore[arg-type]
    assert sorted(b.size for part in parts for b in part) == sorted(sizes)
    assert parts[0]
    loads = [sum(b.size + 10 for b in part) for part in parts]
    assert max(loads) - min(loads) <= max(sizes) + 10
    assert count > 1 or parts == [batches]


def student(world: Path, **options: float) -> Student:
    return load_student(world / "student", load_tokenizer(world / "student"), **options)


@pytest.mark.usefixtures("threads")
def test_who_is_helped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toys.write_world(tmp_path)
    assert helpful(student(tmp_path, dropout=0.0)) == 2
    assert helpful(student(tmp_path, dropout=0.1)) == 0, "a continued run must draw the same"
    monkeypatch.setattr(helpers, "_SMALL", 100)
    assert helpful(student(tmp_path, dropout=0.0)) == 0


@pytest.mark.usefixtures("threads")
def test_a_run_with_helpers_is_that_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toys.write_world(tmp_path)
    size = {"batch_rows": 4, "accumulation": 4, "steps": 6}
    recipe = toys.toy_recipe(tmp_path, optimization=size, training={"dropout": 0.0})
    ends = []
    for name in ("helped", "alone"):
        run = tmp_path / name
        shutil.copytree(tmp_path / "run", run)
        train(recipe, run)
        assert torch.get_num_threads() == 3
        assert multiprocessing.active_children() == []
        weights = load_file(checkpoints.last(run).path / "model.safetensors")
        lines = (run / metrics.FILE).read_text().splitlines()
        ends.append(([json.loads(line) for line in lines], weights))
        monkeypatch.setattr(helpers, "_MOST", 1)
    (lines, weights), (others, other_weights) = ends
    assert len(lines) == 6
    for line, other in zip(lines, others, strict=True):
        assert line["loss"] == pytest.approx(other["loss"], rel=1e-5)
        assert line["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-4)
        assert line["padding"] == other["padding"]
    for name, weight in weights.items():
        assert (other_weights[name] - weight).abs().max() < 1e-5, name
