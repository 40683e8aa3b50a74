"""One curve of losses: 16 rows at once, 4 x 4 accumulated, two processes of 8 each.

Soft and hard rows together, of unequal lengths, over 20 steps of AdamW.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from specialize.config.recipe import Recipe
from specialize.students import checkpoints
from specialize.train import train
from tests.support import toys


def train_as(values: dict[str, object], run: Path, rank: int, world: int, port: int) -> None:
    """``train`` in a process that ``accelerate launch --cpu`` would have started."""
    if world > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
            "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "ACCELERATE_USE_CPU": "true",
        }  # fmt: skip
    torch.set_num_threads(1)
    train(Recipe.model_validate(values), run)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


STEP_ROWS, STEPS = 16, 20
SPLITS = ((1, 16), (1, 4), (2, 8), (2, 1))  # processes, rows of a micro-batch


@pytest.mark.parametrize(
    ("mixing", "splits"),
    [
        pytest.param("pooled", SPLITS, marks=pytest.mark.slow),
        pytest.param("joint", SPLITS, marks=pytest.mark.slow),
        ("joint", (SPLITS[0], SPLITS[-1])),
    ],
)
def test_however_a_step_is_split_the_curve_is_one(tmp_path, mixing, splits):
    context = toys.forkserver()
    toys.write_world(tmp_path)
    found = {}
    for world, rows in splits:
        size = {"batch_rows": rows, "accumulation": STEP_ROWS // rows, "steps": STEPS}
        recipe = toys.toy_recipe(
            tmp_path, optimization=size, training={"mixing": mixing, "dropout": 0.0}
        )
        run = tmp_path / f"run-{world}-{rows}"
        shutil.copytree(tmp_path / "run", run)
        port, values = free_port(), recipe.model_dump(mode="json")
        processes = [
            context.Process(target=train_as, args=(values, run, rank, world, port))
            for rank in range(world)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * world
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        weights = load_file(checkpoints.last(run).path / "model.safetensors")
        found[world, rows] = lines, weights
    lines, weights = found.pop((1, STEP_ROWS))
    assert len(lines) == STEPS
    assert all({"cot", "answer"} == line["objectives"].keys() for line in lines)
    assert lines[-1]["loss"] < lines[0]["loss"]
    for others, other_weights in found.values():
        for line, other in zip(lines, others, strict=True):
            assert other["loss"] == pytest.approx(line["loss"], rel=1e-5)
            assert other["gradient_norm"] == pytest.approx(line["gradient_norm"], rel=1e-4)
            assert {n: m["tokens"] for n, m in other["objectives"].items()} == {
                n: m["tokens"] for n, m in line["objectives"].items()
            }
        for name, weight in weights.items():
            assert (other_weights[name] - weight).abs().max() < 1e-4, name
