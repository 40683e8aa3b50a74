"""A selection: which checkpoint was chosen, by what, and against whom; kept as selection.json.

``select`` makes one from validation scores; evaluation on the test split and the report read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from specialize.errors import InputError
from specialize.io.files import write_atomically

FILE = "selection.json"
TESTED = "tested.jsonl"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A checkpoint's validation accuracy per set, by the sets' roles; shares from 0 to 1."""

    checkpoint: str
    step: int
    in_distribution: Mapping[str, float] = field(default_factory=dict)
    out_of_distribution: Mapping[str, float] = field(default_factory=dict)
    general: Mapping[str, float] = field(default_factory=dict)

    @property
    def in_distribution_mean(self) -> float:
        return _mean(self.in_distribution)

    @property
    def out_of_distribution_mean(self) -> float:
        return _mean(self.out_of_distribution)

    @property
    def general_mean(self) -> float:
        return _mean(self.general)


def _mean(values: Mapping[str, float]) -> float:
    if not values:
        raise ValueError("there is no set of this role to average over")
    return sum(values.values()) / len(values)


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate with its value under a rule, or the reason why it may not be chosen.

    Where scores are smoothed, ``value`` and ``refused`` follow the smoothed ones, ``raw`` is the
    value of the candidate's own.
    """

    candidate: Candidate
    value: float
    refused: str | None = None
    on_front: bool = False  # no other candidate is better in- and out-of-distribution
    raw: float | None = None


@dataclass(frozen=True, slots=True)
class RawChoice:
    """What would have been chosen without smoothing."""

    checkpoint: str
    step: int
    value: float


@dataclass(frozen=True, slots=True)
class SignalNoise:
    """How far a set's scores spread over the trained checkpoints, and how much late ones vary.

    ``signal`` and ``noise`` are relative to the mean score; None where there is too little to
    measure. ``by_chance`` is the ratio that noise alone would give. See ``selection.signal``.
    """

    set: str
    role: str
    checkpoints: int
    last: int  # checkpoints that the noise is of
    signal: float | None
    noise: float | None
    ratio: float | None
    by_chance: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The chosen checkpoint against another one, over the validation examples of the rule.

    ``difference`` is chosen less other in the rule's value, with its paired bootstrap interval;
    ``p_value`` is McNemar's, ``p_adjusted`` the same by Holm over all others; ``needed`` examples
    would show a difference of this size with a power of 0.8.
    """

    checkpoint: str
    step: int
    difference: float
    interval: tuple[float, float]
    only_chosen: int
    only_other: int
    examples: int
    p_value: float
    needed: int | None
    p_adjusted: float = 1.0


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen checkpoint and everything that led to it."""

    checkpoint: str
    step: int
    value: float
    rule: str
    explanation: str
    format: str
    judged: tuple[Judged, ...]  # by step
    before: Candidate | None = None  # the student before training, never chosen
    runner_up: Comparison | None = None
    passed_over: Comparison | None = None  # the highest value, where an earlier one was taken
    compared: tuple[Comparison, ...] = ()  # with every other that was allowed, by its value
    warnings: tuple[str, ...] = ()
    signals: tuple[SignalNoise, ...] = ()  # by set
    smooth: int = 1  # neighbouring checkpoints whose scores were averaged
    raw_choice: RawChoice | None = None  # where scores were averaged
    source: str = ""  # whose scores these are; empty: of our own evaluation

    def write(self, run: Path) -> None:
        text = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, indent=1)
        write_atomically(run / FILE, f"{text}\n".encode())


def read_selection(run: Path) -> Selection | None:
    """The run's selection; None where nothing was selected yet.

    Raises:
        InputError: the file holds something else.
    """
    path = run / FILE
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        judged = tuple(
            Judged(**each | {"candidate": Candidate(**each["candidate"])})
            for each in values["judged"]
        )
        before = None if values["before"] is None else Candidate(**values["before"])
        runner_up, passed_over, *compared = (
            None if each is None else Comparison(**each | {"interval": tuple(each["interval"])})
            for each in (values["runner_up"], values["passed_over"], *values.get("compared", ()))
        )
        made = {
            "judged": judged,
            "before": before,
            "runner_up": runner_up,
            "passed_over": passed_over,
            "compared": tuple(compared),
            "warnings": tuple(values["warnings"]),
            "signals": tuple(SignalNoise(**each) for each in values.get("signals", ())),
            "raw_choice": RawChoice(**raw) if (raw := values.get("raw_choice")) else None,
        }
        return Selection(**values | made)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no selection ({error!r}); select again") from None


@dataclass(frozen=True, slots=True)
class ScoredOnTest:
    """One line of ``tested.jsonl``: a checkpoint that was scored on the test split, and why it."""

    checkpoint: str
    step: int
    rule: str
    value: float  # on validation


def record_test(run: Path, selection: Selection) -> list[ScoredOnTest]:
    """Note that the selected checkpoint is scored on test; returns all that ever were, in order.

    A second line means that test scores were seen before this choice was made.
    """
    line = ScoredOnTest(selection.checkpoint, selection.step, selection.rule, selection.value)
    known = read_tested(run)
    if all(line.checkpoint != each.checkpoint for each in known):
        known.append(line)
        lines = [json.dumps(asdict(each), sort_keys=True) + "\n" for each in known]
        write_atomically(run / TESTED, "".join(lines).encode())
    return known


def read_tested(run: Path) -> list[ScoredOnTest]:
    """The checkpoints that were scored on test, in order.

    Raises:
        InputError: the file holds something else.
    """
    path = run / TESTED
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [ScoredOnTest(**json.loads(line)) for line in lines]
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no record of test scores ({error!r})") from None
