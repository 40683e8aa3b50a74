"""What a finished dump holds: its accuracy where texts were drawn, their likelihood where given.

sample   first_sample_accuracy .62   majority_vote_accuracy .78   pass@40 .93   dropped {...}
score    nats_per_token .41   mass@1 .83   mass@5 .962   mass@20 .991   advised_top_k 20
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from specialize.formats.quality import FAULTS
from specialize.store.sealed import Json
from specialize.teacher.judging import REASONS
from specialize.teacher.likelihood import advised_top_k, masses, nats_per_token
from specialize.teacher.quarantine import PREFIX
from specialize.teacher.statistics import Statistics


@dataclass(frozen=True, slots=True)
class DumpSummary:
    """What a finished dump holds.

    ``counts`` are those of the store's shards. ``pilot`` has the sums of ``likelihood`` over a few
    texts with many entries, where given texts were scored; it is empty otherwise.
    """

    mode: str
    statistics: Statistics
    counts: Mapping[str, int]
    pilot: Mapping[str, int]
    positions: int
    bytes_per_position: int
    left_out: int  # examples without a rationale to score
    too_long: int  # examples that do not fit into the teacher's context
    seconds: float  # of this call; the store does not hold it
    resumed: int  # samples that were there already

    @property
    def dropped(self) -> dict[str, int]:
        """Why responses are no correct solutions, with how many; they are stored all the same."""
        return {r: self.counts[r] for r in (*REASONS, *FAULTS) if r in self.counts}

    @property
    def quarantined(self) -> dict[str, int]:
        """Why responses of a served teacher could not be believed; they are not in the store."""
        return {
            reason.removeprefix(PREFIX): count
            for reason, count in sorted(self.counts.items())
            if reason.startswith(PREFIX)
        }

    def as_json(self) -> dict[str, Json]:
        return {
            **(self._likelihood() if self.mode == "score" else self.statistics.as_json()),
            "positions": self.positions,
            "bytes_per_position": self.bytes_per_position,
            "dropped": dict(self.dropped),
            "left_out": self.left_out,
            **({"too_long": self.too_long} if self.too_long else {}),
            **({"quarantined": dict(self.quarantined)} if self.quarantined else {}),
        }

    def of_part(self, name: str) -> dict[str, Json]:
        """What ``merging`` needs of a part beside its shards."""
        return {
            "part": name,
            "left_out": self.left_out,
            "too_long": self.too_long,
            "pilot": dict(self.pilot),
        }

    def _likelihood(self) -> dict[str, Json]:
        """Of given texts, whose accuracy would be that of the set, not of the teacher."""
        values: dict[str, Json] = {
            "questions": self.statistics.questions,
            "responses": self.statistics.responses,
            "nats_per_token": nats_per_token(self.counts),
            **masses(self.pilot or self.counts),
        }
        return values | ({"advised_top_k": advised_top_k(self.pilot)} if self.pilot else {})
