"""How long the stages of a run took: ``RUN/times.jsonl``, one line whenever a stage ends.

    {"processor_seconds": 21.4, "seconds": 12.9, "stage": "dump llama"}

A stage that is continued leaves a line for each call that came to its end; their sum is what it
took. Stages may lie within others: ``rows`` and ``save`` are part of ``train``. What no line can be
written of, a full disk or a folder that others own, is no reason to stop a stage.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

FILE = "times.jsonl"


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of the wall's clock, and of all cores together, ended child processes included."""

    seconds: float = 0.0
    processor_seconds: float = 0.0

    def __add__(self, other: Took) -> Took:
        processor = self.processor_seconds + other.processor_seconds
        return Took(self.seconds + other.seconds, processor)

    def __sub__(self, other: Took) -> Took:
        processor = self.processor_seconds - other.processor_seconds
        return Took(self.seconds - other.seconds, processor)

    def __mul__(self, factor: float) -> Took:
        return Took(self.seconds * factor, self.processor_seconds * factor)

    def at_least(self, least: float) -> Took:
        """Neither is below ``least``."""
        return Took(max(self.seconds, least), max(self.processor_seconds, least))


def now() -> Took:
    """What has passed since some moment, to take differences of."""
    return Took(time.perf_counter(), sum(os.times()[:4]))


@contextmanager
def timed(run: Path, stage: str, *, process: int = 0) -> Iterator[None]:
    """Note in ``run`` how long the block takes, if it comes to its end.

    Args:
        run: its directory.
        stage: the name under which it is noted.
        process: of several that do the stage together, only the first one notes.
    """
    began = now()
    yield
    if process:
        return
    took = now() - began
    line = {
        "stage": stage,
        "seconds": round(took.seconds, 4),
        "processor_seconds": round(took.processor_seconds, 4),
    }
    with suppress(OSError), (run / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")


def read_times(run: Path) -> dict[str, Took]:
    """The sums by stage, in the order of their first lines; nothing where none were noted."""
    sums: dict[str, Took] = {}
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        for text in (run / FILE).read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            took = Took(float(line["seconds"]), float(line["processor_seconds"]))
            sums[str(line["stage"])] = sums.get(str(line["stage"]), Took()) + took
    return sums
