"""What a call of ``train`` did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from specialize.students import checkpoints


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What a call of ``train`` did.

    Attributes:
        steps: the last complete checkpoint's.
        resumed_from: the step it went on from; None: it began.
        trained: steps of this call; 0 when the run was finished before.
        checkpoints: names, by step.
        seconds: of this call.
        rows: per objective, rows, tokens and what was left out.
        held_out: training examples left out because an evaluation set has them.
        unknown_share: of the target tokens, per objective.
    """

    steps: int
    resumed_from: int | None
    trained: int
    checkpoints: tuple[str, ...]
    seconds: float
    rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    held_out: int = 0
    unknown_share: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "steps": self.steps,
            "resumed_from": self.resumed_from,
            "trained": self.trained,
            "checkpoints": list(self.checkpoints),
            "seconds": round(self.seconds, 1),
            "rows": {name: dict(counts) for name, counts in self.rows.items()},
            "held_out": self.held_out,
            "unknown_share": dict(self.unknown_share),
        }


def summarize(
    run: Path,
    resumed_from: int | None,
    trained: int,
    seconds: float,
    *,
    rows: Mapping[str, Mapping[str, int]] | None = None,
    held_out: int = 0,
    unknown_share: Mapping[str, float] | None = None,
) -> TrainSummary:
    """The summary of a call that leaves ``run`` as it is now."""
    done = checkpoints.complete(run)
    return TrainSummary(
        steps=done[-1].step,
        resumed_from=resumed_from,
        trained=trained,
        checkpoints=tuple(checkpoint.name for checkpoint in done),
        seconds=seconds,
        rows=rows or {},
        held_out=held_out,
        unknown_share=unknown_share or {},
    )
