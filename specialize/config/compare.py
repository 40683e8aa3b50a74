"""Whether a changed recipe may continue a run: the one rule, for every stage that asks.

What decides the weights must agree with what the run was begun with. How the run is carried out,
where a teacher is reached, when the student is saved, and what is evaluated and selected may change
from call to call, and a run may be lengthened::

    --set training.checkpoint_every=50       continues
    --set optimization.steps=600             continues a run of 300 steps, from its last checkpoint
    --set optimization.learning_rate=1e-4    is refused
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from specialize.io.nested import flatten

MAY_CHANGE = (  # shell patterns of dotted keys
    "evaluation.*",
    "selection",
    "smooth",
    "running.*",
    "rounds",  # a round that was begun has a recipe of its own to agree with
    "rounds.*",
    "training.checkpoint_every",
    "training.keep_checkpoints",
    "teachers.*.device",
    "teachers.*.server.urls",
    "teachers.*.server.key_variable",
    "teachers.*.server.concurrency",
    "teachers.*.server.*_per_minute",
    "teachers.*.server.*_seconds",
)
MAY_GROW = ("optimization.steps",)


def conflicts(begun: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """One line for every value that differs although it may not, by its dotted key.

    Args:
        begun: the recipe, or some of its sections, that the run was begun with, as plain values.
        now: the same sections of the recipe that is to continue it.
    """
    before, after = flatten(begun), flatten(now)
    return [
        f"{key}: {before.get(key)!r} in the run, {after.get(key)!r} now{_way_out(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and not _may_change(key)
        and not (key in MAY_GROW and _grows(before.get(key), after.get(key)))
    ]


def _grows(before: object, now: object) -> bool:
    return isinstance(before, int) and isinstance(now, int) and now > before


def _way_out(key: str) -> str:
    return "; it may only grow" if key in MAY_GROW else ""


def _may_change(key: str) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in MAY_CHANGE)
