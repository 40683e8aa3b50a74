"""When a run was lengthened: ``lengthened.jsonl``, one line each time.

    {"after_step": 300, "steps_before": 300, "steps_now": 600}

Up to ``after_step`` the learning rate followed the schedule of the shorter run, from there on it
follows that of the longer one. A recipe alone no longer says how such a run came about; this does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from specialize.errors import StoreError
from specialize.io.files import append_line

FILE = "lengthened.jsonl"


@dataclass(frozen=True, slots=True)
class Lengthened:
    """One lengthening, in optimizer steps."""

    after_step: int
    steps_before: int
    steps_now: int

    def __str__(self) -> str:
        return (
            f"lengthened after step {self.after_step} from {self.steps_before} to "
            f"{self.steps_now} steps; from there on the learning rate is that of a run of "
            f"{self.steps_now} steps, the optimizer's state was kept"
        )


def read_lengthened(run: Path) -> tuple[Lengthened, ...]:
    """Every lengthening of a run, in order; none for most.

    Raises:
        StoreError: a line is no such record.
    """
    path = run / FILE
    if not path.is_file():
        return ()
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Lengthened(**json.loads(line)))
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"{path}:{number} is damaged: {error}") from None
    return tuple(found)


def record_lengthened(run: Path, what: Lengthened) -> None:
    """Append one; nothing where a call that was killed has already done so."""
    if what not in read_lengthened(run):
        append_line(run / FILE, json.dumps(asdict(what), sort_keys=True).encode() + b"\n")
