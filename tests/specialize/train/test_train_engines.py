"""The bundled student on two processes, DDP and FSDP over gloo: the weights of one process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest
import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from torch import Tensor, nn

from specialize.config.recipe import Recipe
from specialize.quickstart.run import MODELS
from specialize.students import checkpoints
from specialize.tokens import load_tokenizer
from specialize.train import train
from specialize.train.trainer import SparseTrainer
from tests.specialize.train.test_train_processes import free_port
from tests.support import toys

STEPS = 6
DDP = {"ACCELERATE_USE_CPU": "true"}
FSDP = DDP | {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
}


begin = AcceleratorState.__init__


def fsdp_on_processors(state: AcceleratorState, *positional: object, **named: object) -> None:
    """accelerate takes FSDP for devices alone, though torch's works over gloo: let it be there.

    Each further state takes its type from the processes' anew.
    """
    begin(state, *positional, **named)
    plugin = named.get("fsdp_plugin") or vars(state).get("fsdp_plugin")
    if plugin is not None and state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, plugin


def train_as(values: dict[str, object], run: Path, ranks: Mapping[str, str], found: Path) -> None:
    """``train`` in a process that ``accelerate launch`` would have started."""
    os.environ |= ranks
    torch.set_num_threads(1)
    seen: list[str] = []
    step = SparseTrainer.training_step

    def look(trainer: SparseTrainer, model: nn.Module, *inputs: object) -> Tensor:
        """What holds the weights in the middle of a step."""
        kind = type(next(model.parameters()))
        seen[:] = [str(trainer.accelerator.distributed_type.value), kind.__name__]
        return step(trainer, model, *inputs)

    with (
        mock.patch.object(SparseTrainer, "training_step", look),
        mock.patch.object(AcceleratorState, "__init__", fsdp_on_processors),
    ):
        train(Recipe.model_validate(values), run)
    if torch.distributed.is_initialized():
        seen.append(torch.distributed.get_backend())
    found.write_text(json.dumps(seen))


def trained(folder: Path, name: str, world: int, engine: Mapping[str, str]) -> tuple[list, dict]:
    """Lines of the metrics, and the weights at the end."""
    run, context = folder / name, toys.forkserver()
    tokenizer = load_tokenizer(MODELS / "student")
    toys.write_targets(run / "targets" / "toy", toys.examples(20), tokenizer)
    recipe = toys.toy_recipe(
        folder,
        student=str(MODELS / "student"),
        optimization={"batch_rows": 4, "accumulation": 2, "steps": STEPS, "learning_rate": 1e-3},
        training={"dropout": 0.0, "checkpoint_every": STEPS},
    )
    port, processes = free_port(), []
    for rank in range(world):
        ranks = {} if world == 1 else {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
            "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        values = recipe.model_dump(mode="json")
        arguments = (values, run, {**engine, **ranks}, folder / f"{name}-{rank}")
        processes.append(context.Process(target=train_as, args=arguments))
        processes[-1].start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * world
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return lines, load_file(checkpoints.last(run).path / "model.safetensors")


@pytest.mark.slow
def test_two_processes_train_the_bundled_student_to_the_weights_of_one(tmp_path: Path) -> None:
    toys.write_world(tmp_path)
    lines, weights = trained(tmp_path, "one", 1, {})
    assert len(lines) == STEPS
    engines = {
        "ddp": ["MULTI_CPU", "Parameter", "gloo"], "fsdp": ["FSDP", "DTensor", "gloo"]
    }  # fmt: skip
    before = load_file(MODELS / "student" / "model.safetensors")
    moved = max((weights[n] - before[n]).abs().max().item() for n in weights)
    assert moved > 1e-3
    for name, engine in (("ddp", DDP), ("fsdp", FSDP)):
        others, other_weights = trained(tmp_path, name, 2, engine)
        assert json.loads((tmp_path / f"{name}-1").read_text()) == engines[name]
        assert [line["step"] for line in others] == [line["step"] for line in lines]
        assert other_weights.keys() == weights.keys()
        for line, other in zip(lines, others, strict=True):
            assert other["loss"] == pytest.approx(line["loss"], rel=1e-4), name
        apart = max((other_weights[n] - weights[n]).abs().max().item() for n in weights)
        print(f"{name}: {apart:.1e} apart, after {moved:.1e} of training")
        assert apart < 1e-4, name
