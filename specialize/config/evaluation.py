"""What a recipe's checkpoints are asked: sets, formats, and how answers are drawn.

evaluation:
  formats: [zero-shot-cot]
  sets: [{set: gsm8k, role: in-distribution, path: data/gsm8k/test.jsonl}]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import model_validator

from specialize.config.names import Name, check_name
from specialize.config.section import Count, Positive, PositiveNumber, Strict

Role = Literal["in-distribution", "out-of-distribution", "general"]


class EvaluationSet(Strict):
    """A set on which checkpoints are compared, and how it splits into validation and test."""

    set: str
    """A name of ``specialize.datasets``, or a Python file of your own."""
    role: Role
    """What the set is evidence of; selection rules go by it."""
    name: Name | None = None
    """Shown in the report. None: the set's own."""
    path: str | None = None
    """File or directory as published; with protocol files, a path that holds {split}."""
    split: str | None = None
    """The published split that is divided. None: what the file holds."""
    protocol: Literal["paper", "index", "first", "files", "published"] = "paper"
    """How validation and test are made: see docs/recipes.md."""
    index: str | None = None
    """With protocol index: the .npy file of validation positions."""
    limit: Positive | None = None
    """At most this many of each split; not a result then."""
    kind: str | None = None
    """How answers are compared. None: the set's own way."""
    prompts: str | None = None
    """Directory of published few-shot prompts, <task>.txt."""

    @property
    def label(self) -> str:
        """The name by which the run's files and the report call the set."""
        return self.name or (Path(self.set).stem if self.set.endswith(".py") else self.set)

    @model_validator(mode="after")
    def _complete(self) -> EvaluationSet:
        check_name(self.label)
        if self.protocol == "index" and self.index is None:
            raise ValueError(f"set {self.label!r} has protocol 'index' but no index file")
        if self.protocol == "first" and self.limit is None:
            raise ValueError(f"set {self.label!r} has protocol 'first' but no limit")
        if self.protocol == "files" and "{split}" not in (self.path or ""):
            raise ValueError(
                f"set {self.label!r} has protocol 'files' but no {{split}} in its path; write "
                f"it where validation and test differ, as in data/{{split}}.jsonl"
            )
        return self


class Evaluation(Strict):
    """Which sets, in which formats, decide and describe."""

    earlier_names: ClassVar[Mapping[str, str]] = {
        "demonstrations": "num_fewshot",
        "stop": "until",
    }

    sets: tuple[EvaluationSet, ...] = ()
    """Asked of every checkpoint on validation, and of the selected one on test."""
    formats: tuple[str, ...] = ("zero-shot-cot",)
    """Of the prompts; the first decides the selection."""
    num_fewshot: Count = 4
    """Demonstrations in each prompt of an in-context format."""
    prompt_file: str | None = None
    """A published few-shot prompt for the in-context formats."""
    max_new_tokens: Positive = 256
    """Longest answer."""
    batch_tokens: Positive = 16_384
    """Padded prompt tokens of a batch, at most."""
    samples: Positive = 1
    """Answers to each question; what most of them say counts."""
    temperature: PositiveNumber = 0.7
    """At which several answers are drawn; a single one is greedy."""
    until: tuple[str, ...] = ()
    """Texts at which an answer ends."""
