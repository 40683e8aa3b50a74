"""The mean of several checkpoints' weights, as a model directory like any other.

    average_checkpoints(Path("run"), [1600, 1800, 2000], Path("averaged"))

Averages of the last checkpoints often do better than the last one (Vaswani et al. 2017,
arXiv:1706.03762, section 6.1; Izmailov et al. 2018, arXiv:1803.05407). Sums are made in float64.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from specialize.errors import ConfigurationError
from specialize.io.files import apply_umask
from specialize.students import checkpoints

_WEIGHTS = "model*.safetensors"
_OF_TRAINING = ("optimizer*", "scheduler*", "rng_state*", "trainer_state*", "lora*", "COMPLETE")


def average_checkpoints(run: Path, steps: Sequence[int], out: Path) -> list[str]:
    """Write the mean of the checkpoints of ``steps`` to the new directory ``out``.

    Returns:
        The names of the checkpoints.

    Raises:
        ConfigurationError: fewer than two steps, one without a checkpoint, or ``out`` exists.
        StoreError: a checkpoint is damaged.
    """
    there = {checkpoint.step: checkpoint for checkpoint in checkpoints.complete(run)}
    missing = [step for step in steps if step not in there]
    if len(set(steps)) < 2 or missing:
        known = ", ".join(map(str, there)) or "none"
        raise ConfigurationError(
            f"{run}: two or more of its checkpoints can be averaged, got steps {list(steps)}; "
            f"there are: {known}"
        )
    if out.exists():
        raise ConfigurationError(f"{out} exists; name a new directory")
    chosen = [there[step] for step in sorted(set(steps))]
    for checkpoint in chosen:
        checkpoints.check(checkpoint)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # all but the state of training comes from the last one
    shutil.copytree(chosen[-1].path, partial, ignore=shutil.ignore_patterns(*_OF_TRAINING))
    for file in sorted(chosen[-1].path.glob(_WEIGHTS)):
        mean = _mean([checkpoint.path / file.name for checkpoint in chosen])
        save_file(mean, partial / file.name, metadata={"format": "pt"})
    apply_umask(partial)
    partial.rename(out)
    return [checkpoint.name for checkpoint in chosen]


def _mean(files: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of every tensor, in the type that it has."""
    first = load_file(files[0])
    total = {name: value.double() for name, value in first.items()}
    for file in files[1:]:
        for name, value in load_file(file).items():
            total[name] += value
    return {name: (total[name] / len(files)).to(first[name].dtype) for name in first}
