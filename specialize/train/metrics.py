"""``metrics.jsonl``: one line per optimizer step, cut back to the step a run resumes from.

    {"step": 20, "loss": 1.93, "gradient_norm": 0.8, "learning_rate": 0.0004, "padding": 0.06,
     "tokens_per_second": 5210.0, "memory_mib": 1904, "objectives": {"zero-shot-cot":
     {"nats": 1.4, "bits_per_byte": 0.61, "tokens": 811, "tail_mass": 0.02, "student_mass": 0.61,
     "agreement": 0.55, "hard": 0.11}, ...}}

``nats`` is the mean per target token, ``bits_per_byte`` the same loss over the bytes that the
tokens spell, which compares students of different tokenizers; ``tail_mass`` the teacher's mass
outside its stored entries, ``student_mass`` the student's mass on them; ``agreement`` the share of
tokens whose most probable candidate is the same; ``hard`` the share of one-hot rows.
``memory_mib`` is the peak so far, of the device or of the process. Everything but it and
``tokens_per_second`` is the same in an interrupted and in an uninterrupted run.
"""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from specialize.io.files import write_atomically
from specialize.losses import RowMeasures
from specialize.train.collate import Batch

FILE = "metrics.jsonl"
_COLUMNS = 7  # nats, student mass, agreement, tokens, tail mass, hard rows, bytes
_MEANS = ("nats", "student_mass", "agreement", "tail_mass", "hard")
_PLACES = (0, 1, 2, 4, 5)


class Measures:
    """Sums over a step's tokens, per objective, and over its padding; one tensor for exchange.

    Args:
        token_bytes: (V,) bytes that each token of the student spells.
    """

    def __init__(self, objectives: int, token_bytes: Tensor) -> None:
        self.token_bytes = token_bytes
        self.sums = torch.zeros(
            objectives + 1, _COLUMNS, dtype=torch.float64, device=token_bytes.device
        )

    def add(self, batch: Batch, rows: RowMeasures) -> None:
        """Count one micro-batch; ``rows`` are the kernel's measures of its tokens."""
        measured = torch.stack([rows.nats, rows.student_mass, rows.agreement], 1).double()
        self.sums[:-1, :3].index_add_(0, batch.objective, measured)
        self.sums[:-1, 3:6] += batch.seen
        # the one batch of a process without rows counts nothing
        spelled = self.token_bytes[batch.labels].double() * (batch.size > 0)
        self.sums[:-1, 6].index_add_(0, batch.objective, spelled)
        self.sums[-1, 0] += batch.padding
        self.sums[-1, 1] += batch.size


def note_stopping(sums: Tensor, *, asked: bool) -> None:
    """That this process was asked to stop travels with its sums."""
    sums[-1, 2] = asked


def asked_to_stop(sums: Tensor) -> bool:
    """Whether any process was, by the exchanged sums."""
    return bool(sums[-1, 2] > 0)


def memory_mib(device: torch.device) -> int:
    """Peak memory so far: allocated on a GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) >> 20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def describe(sums: Tensor, objectives: Sequence[str]) -> dict[str, object]:
    """The measured part of a line; an objective without tokens in the step is absent."""
    values = sums.cpu().numpy()
    found: dict[str, dict[str, float | int]] = {}
    for name, row in zip(objectives, values[:-1], strict=True):
        tokens = int(row[3])
        if tokens:
            means = row[list(_PLACES)] / tokens
            shown = dict(zip(_MEANS, np.round(means, 6).tolist(), strict=True))
            bits = round(float(row[0] / max(row[6], 1) / math.log(2)), 6)
            found[name] = {"tokens": tokens, "bits_per_byte": bits, **shown}
    padding, size = values[-1, :2]
    return {"objectives": found, "padding": round(float(padding / max(size, 1)), 6)}


def append(path: Path, line: dict[str, object]) -> None:
    """Add one line; a reader may see a torn last line, which ``cut_back`` removes."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")


def cut_back(path: Path, step: int) -> None:
    """Keep the lines up to ``step``: what came after is about to happen again."""
    if not path.exists():
        return
    kept = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            before = json.loads(text)["step"] <= step
        except (ValueError, TypeError, KeyError, RecursionError):
            break  # torn by a kill, so it is the last and of a later step
        if before:
            kept.append(text + "\n")
    write_atomically(path, "".join(kept).encode())
