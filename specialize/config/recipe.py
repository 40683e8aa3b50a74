"""A recipe: everything that decides a run, typed, checked before anything starts.

The resolved recipe is written into the run's directory, so that a run can be read and repeated
from what it left. ``yaml_files`` reads one from YAML::

    name: specialization
    student: google/flan-t5-base
    train_on: {set: gsm8k, path: data/gsm8k/train.jsonl}
    teachers: {codex: {}}
    objectives:
      - {name: cot, format: zero-shot-cot, target: distribution, teacher: codex}
      - {name: answer, format: zero-shot-answer, target: answer}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import yaml
from pydantic import AfterValidator, Field, model_validator

from specialize.config.chat import Chat
from specialize.config.evaluation import Evaluation, EvaluationSet, Role
from specialize.config.names import Name
from specialize.config.rounds import Rounds
from specialize.config.row_filter import RowFilter
from specialize.config.section import Count, Positive, PositiveNumber, Seed, Share, Strict
from specialize.config.teacher import Server, ServerKind, Teacher
from specialize.config.training import Lora, Optimization, Running, Training
from specialize.formats import FORMAT_NAMES, is_chat, is_format_name
from specialize.selection.rules import RULES, rule_by_name
from specialize.selection.smoothing import check_window

__all__ = [
    "Alignment",
    "Dataset",
    "Evaluation",
    "EvaluationSet",
    "Lora",
    "Objective",
    "Optimization",
    "Recipe",
    "Role",
    "RowFilter",
    "RuleName",
    "Running",
    "Server",
    "ServerKind",
    "Teacher",
    "Training",
]


def _is_rule(name: str) -> str:
    rule_by_name(name)
    return name


RuleName = Annotated[
    str,
    AfterValidator(_is_rule),
    Field(
        description="; ".join(f"{form.written}: {form.chooses}" for form in RULES),
        examples=[form.written for form in RULES],
    ),
]


class Dataset(Strict):
    """Examples of one published set, from a local file or directory, or from the hub."""

    set: str
    """A name of ``specialize.datasets``, or a Python file of your own."""
    path: str | None = None
    """File or directory as published. None: from the hub."""
    split: str | None = None
    """The published split. None: what the file holds."""
    limit: Positive | None = None
    """Take only the first examples. None: all."""
    fraction: Share = 1.0
    """Of the training examples; a smaller fraction is part of a larger one."""
    exclude_index: str | None = None
    """The .npy file of positions that are held out of this file."""


class Objective(Strict):
    """One term of the loss: what the student is asked, and what it should answer.

    ``distribution``: the teacher's projected rows; ``rationale``: the teacher's text as hard
    labels; ``answer``: the gold answer, or the teacher's where one is named, as a hard label;
    ``solution``: the teacher's text and answer in one; ``unlikelihood``: the tokens of a wrong
    response, each made unlikely.
    """

    earlier_names: ClassVar[Mapping[str, str]] = {"demonstrations": "num_fewshot"}

    name: Name
    """By which metrics and reports call it."""
    format: str
    """Of the student's prompt."""
    target: Literal["answer", "rationale", "distribution", "solution", "unlikelihood"]
    """What the student should answer."""
    teacher: str | None = None
    """Whose responses are learned. None: the set's own answers."""
    average: Mapping[str, PositiveNumber] = Field(default_factory=dict)
    """Teachers by share, whose distributions are averaged; in place of teacher."""
    # X02: of wrong solutions text loses its lead; X06: as negatives they do harm
    keep: Literal["correct", "first-correct", "sound", "all", "wrong"] = "correct"
    """Which responses: correct ones, the first of each question, rationales without a fault, all,
    wrong ones."""
    missing: Literal["refuse", "mask"] = "refuse"
    """What a teacher without responses means."""
    examples: Literal["all", "labelled", "unlabelled"] = "all"
    """Which questions it is about."""
    weight: PositiveNumber = 1.0
    """Multiplies the term's mean nats a token."""
    loss: Literal["forward_kl", "reverse_kl", "jsd"] | None = None
    """The divergence between teacher and student. None: that of training."""
    num_fewshot: Count = 4
    """Demonstrations in each prompt of an in-context format."""
    row_filter: RowFilter = RowFilter()
    """Which of the teacher's rows carry the loss."""

    @model_validator(mode="after")
    def _complete(self) -> Objective:
        if not is_format_name(self.format):
            known = ", ".join(FORMAT_NAMES)
            raise ValueError(
                f"objective {self.name!r} has format {self.format!r}; known formats: {known}"
            )
        if self.target != "answer" and not self.teachers:
            raise ValueError(
                f"objective {self.name!r} has target {self.target!r} but no teacher; name the "
                f"teacher, or use target: answer"
            )
        if (self.target == "unlikelihood") != (self.keep == "wrong"):
            raise ValueError(
                f"objective {self.name!r}: target: unlikelihood and keep: wrong go together"
            )
        if self.average and (self.target != "distribution" or self.teacher is not None):
            raise ValueError(
                f"objective {self.name!r}: average takes the place of teacher, and only "
                f"distributions can be averaged"
            )
        if not self.row_filter.passes_all and self.target not in ("distribution", "rationale"):
            raise ValueError(
                f"objective {self.name!r}: row_filter needs a teacher's rows, which target: "
                f"{self.target} has none of; leave it out, or use distribution or rationale"
            )
        return self

    @property
    def teachers(self) -> tuple[str, ...]:
        """Every teacher that it learns from."""
        return tuple(self.average) or ((self.teacher,) if self.teacher else ())


class Alignment(Strict):
    """How the teacher's distributions reach the student's vocabulary."""

    # X11: ahead of one-to-one; X02, X10: no other one gives a better student
    policy: Literal["prefix", "one-to-one", "nearest", "chunk", "byte-prefix"] = "prefix"
    """The rule of projection: see docs/alignment.md."""
    # X10: neither 1 nor 16 nor 64 can be separated from it; X15: of a teacher that spreads, 16 can
    top_k: Positive = 5
    """Entries kept at each student position; the rest joins the tail."""


class Recipe(Strict):
    """Everything that decides a run. Paths are relative to where the command runs."""

    name: Name = "specialization"
    """Of the run, in reports."""
    student: str
    """Directory, GGUF file or hub id of the model that is trained."""
    train_on: Dataset
    """Questions and their answers."""
    unlabelled: tuple[Dataset, ...] = ()
    """Further questions for the teachers; their own answers are not used."""
    teachers: Mapping[Name, Teacher] = Field(default_factory=dict)
    """By the names that objectives use."""
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)]
    """The terms of the loss."""
    chat: Chat = Chat()
    """System prompt and template arguments of the student's chat formats, in training and
    evaluation."""
    alignment: Alignment = Alignment()
    """How distributions reach the student's vocabulary."""
    training: Training = Training()
    """What is minimized, on which rows."""
    optimization: Optimization = Optimization()
    """The optimizer's schedule."""
    lora: Lora | None = None
    """Adapters instead of all weights. None: every weight is trained."""
    rounds: Rounds | None = None
    """On-policy rounds after the training. None: none."""
    running: Running = Running()
    """How the run is carried out."""
    evaluation: Evaluation = Evaluation()
    """What checkpoints are asked."""
    # X07: what the rules choose cannot be separated on test
    selection: RuleName = "mean"
    smooth: Annotated[int, AfterValidator(check_window)] = 1
    """Neighbouring checkpoints whose scores are averaged for the selection, odd. 1: none."""
    seed: Seed = 0
    """Of everything that is drawn."""

    @model_validator(mode="after")
    def _teachers_exist(self) -> Recipe:
        names = [objective.name for objective in self.objectives]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two objectives are named {name!r}; give each its own name")
        for objective in self.objectives:
            for teacher in objective.teachers:
                if teacher not in self.teachers:
                    raise ValueError(
                        f"objective {objective.name!r} wants teacher {teacher!r}; "
                        f"teachers of this recipe: {', '.join(self.teachers) or 'none'}"
                    )
        for name, settings in self.teachers.items():
            other = settings.consistent_with
            if other == name or (other is not None and other not in self.teachers):
                raise ValueError(
                    f"teacher {name!r} cannot be consistent with {other!r}; other teachers of this "
                    f"recipe: {', '.join(n for n in self.teachers if n != name) or 'none'}"
                )
        return self

    @model_validator(mode="after")
    def _tails_exist(self) -> Recipe:
        """A loss at another temperature needs tails at it, from every teacher that is asked."""
        warm = self.training.temperature
        if warm == 1:
            return self
        if self.training.hard_label_weight:
            raise ValueError(
                "training.hard_label_weight mixes the label into rows at training.temperature, "
                "where a label has none; leave one of them out"
            )
        for name in {n for o in self.objectives if o.target == "distribution" for n in o.teachers}:
            teacher = self.teachers[name]
            if teacher.model is not None and warm not in teacher.tail_temperatures:
                raise ValueError(
                    f"training.temperature is {warm:g}, but teacher {name!r} stores no tail at "
                    f"it; set teachers.{name}.tail_temperatures: [{warm:g}]"
                )
        return self

    @model_validator(mode="after")
    def _thinking_exists(self) -> Recipe:
        """What is taught of thinking needs a chat to stand in, and rows where it is trained."""
        wanted = self.chat.thinking
        if wanted == "drop":
            return self
        texts = [o for o in self.objectives if o.target in ("distribution", "rationale")]
        chats = [o for o in texts if is_chat(o.format)]
        if not chats:
            raise ValueError(
                f"chat.thinking is {wanted}, but no objective teaches a teacher's text in a chat "
                f"format; give one such as chat-cot, or leave chat.thinking at drop"
            )
        for name in {n for o in chats if o.target == "distribution" for n in o.teachers}:
            teacher = self.teachers[name]
            if wanted == "train" and teacher.model is not None and teacher.chat.thinking != "train":
                raise ValueError(
                    f"chat.thinking is train, but teacher {name!r} stores no rows of its thinking; "
                    f"set teachers.{name}.chat.thinking: train"
                )
        return self

    @model_validator(mode="after")
    def _windows_are_of_one_store(self) -> Recipe:
        """Windows follow the shards of one store, and hold whatever is counted or joined."""
        if self.training.window_shards is None:
            return self
        teachers = sorted({name for o in self.objectives for name in o.teachers})
        if len(teachers) != 1:
            raise ValueError(
                f"training.window_shards cuts the targets of one teacher into windows, but the "
                f"objectives learn from {', '.join(teachers) or 'none'}; leave it out"
            )
        counted = self.training.samples_per_question is not None
        if counted or any(o.keep == "first-correct" for o in self.objectives):
            raise ValueError(
                "training.window_shards and a bound on the responses of a question "
                "(samples_per_question, keep: first-correct) exclude each other: a question may "
                "have responses in several windows"
            )
        if self.rounds is not None:
            raise ValueError(
                "training.window_shards and rounds exclude each other: a round learns from the "
                "student's own texts too, which are another store"
            )
        if self.training.mixing == "joint":
            raise ValueError(
                "training.window_shards and mixing: joint exclude each other: an example may have "
                "rows in several windows"
            )
        return self

    @model_validator(mode="after")
    def _rounds_can_score(self) -> Recipe:
        """A round needs an objective to draw texts for, and a model that scores them."""
        if self.rounds is None:
            return self
        able = {o.name: o.teacher for o in self.objectives if o.target == "distribution"}
        name = self.rounds.objective or next((n for n, t in able.items() if t), None)
        if name is None or able.get(name) is None:
            raise ValueError(
                f"rounds need an objective that learns the distributions of one teacher; "
                f"rounds.objective is {self.rounds.objective!r}, there are: "
                f"{', '.join(n for n, t in able.items() if t) or 'none'}"
            )
        scorer = self.rounds.teacher or able[name]
        settings = self.teachers.get(scorer or "")
        if settings is None or settings.model is None:
            raise ValueError(
                f"rounds need a model to score the student's texts, but teacher {scorer!r} has "
                f"none; name one that is the same model with rounds.teacher"
            )
        return self

    def row_temperature(self, teacher: str) -> float:
        """At which the rows of ``teacher`` are projected: the loss's where distributions are
        learned."""
        learned = any(teacher in o.teachers for o in self.objectives if o.target == "distribution")
        return self.training.temperature if learned else 1.0

    def to_yaml(self) -> str:
        """What ``read_recipe`` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @property
    def digest(self) -> str:
        """sha256 of the resolved recipe; equal recipes have equal digests."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
