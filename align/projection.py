"""The outcome of a projection: a row for each target token, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions

# Kinds of rows. The first two come from the teacher, all others are one-hot.
SAME, MID, EOS, UNKNOWN_TOKEN, APART, EMPTY, RULE = range(7)
KINDS = ("same", "mid", "eos", "unknown", "apart", "empty", "rule")


@dataclass(frozen=True, slots=True)
class Projection:
    """One distribution over the target's vocabulary for each target token.

    Attributes:
        distributions: (rows,) stored and tail mass of every row make 1.
        kind: (rows,) uint8, an index into ``KINDS``: ``same`` (both prefixes end at the same
            byte) and ``mid`` (inside a source token) come from the teacher; one-hot are ``eos``
            (the teacher stored nothing for it), ``unknown``, ``apart`` (the texts differ here),
            ``empty`` (nothing stored can follow) and ``rule`` (the policy gives it up).
        kept: (rows,) float32, the mass of all tokens that were distinguished, stored or not.
        inconsistent: (rows,) float32, the teacher's mass that contradicted the row and that it
            was conditioned on not happening.
    """

    distributions: SparseDistributions
    kind: NDArray[np.uint8]
    kept: NDArray[np.float32]
    inconsistent: NDArray[np.float32]

    def __post_init__(self) -> None:
        rows = len(self.distributions)
        if not len(self.kind) == len(self.kept) == len(self.inconsistent) == rows:
            raise ValueError(
                f"{rows} rows, but {len(self.kind)} kinds, {len(self.kept)} kept and "
                f"{len(self.inconsistent)} inconsistent masses"
            )

    @property
    def is_soft(self) -> NDArray[np.bool_]:
        """(rows,) True where the row comes from the teacher."""
        soft: NDArray[np.bool_] = self.kind <= MID
        return soft

    def counts(self) -> dict[str, float | int]:
        """Rows by kind, and mean masses over the soft rows (0 where there is none)."""
        soft = self.is_soft
        counts: dict[str, float | int] = {
            "rows": len(self.kind),
            "soft": int(soft.sum()),
            "hard": int((~soft).sum()),
        }
        for kind, name in enumerate(KINDS):
            counts[name] = int((self.kind == kind).sum())
        tail = np.exp(self.distributions.tail[soft], dtype=np.float64)
        for name, mass in (
            ("mean_kept", self.kept[soft]),
            ("mean_inconsistent", self.inconsistent[soft]),
            ("mean_tail", tail),
        ):
            counts[name] = float(mass.mean(dtype=np.float64)) if len(mass) else 0.0
        return counts
