"""A recipe: everything that decides a run, typed, checked before anything starts.

The resolved recipe is written into the run's directory, so that a run can be read and repeated
from what it left behind. ``recipe_files`` reads one from YAML::

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
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from specialize.config.names import Name, check_name
from specialize.config.training import (
    Lora,
    Optimization,
    Positive,
    PositiveNumber,
    Running,
    Seed,
    Strict,
    Training,
)
from specialize.formats import FORMAT_NAMES, is_format_name
from specialize.selection.rules import RULES, rule_by_name

_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")
_KEY = re.compile(r"\bsk-\w")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_(KEY|TOKEN)")
ServerKind = Literal[
    "vllm", "vllm-tokens", "vllm-chat", "sglang", "llama.cpp", "openai", "openai-chat"
]  # fmt: skip
Role = Literal["in-distribution", "out-of-distribution", "general"]


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

    set: str  # a name of specialize.datasets
    path: str | None = None  # file or directory as published; None: the hub
    split: str | None = None  # the published split; None: what the file holds
    limit: Positive | None = None  # take only the first examples
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the training examples; nested
    exclude_index: str | None = None  # .npy of positions held out of this file


class EvaluationSet(Strict):
    """A set on which checkpoints are compared, and how it parts into validation and test."""

    set: str
    role: Role
    name: Name | None = None  # shown in the report; None: ``set``
    path: str | None = None  # with protocol "files": a path that holds {split}
    split: str | None = None  # the published split that is parted
    protocol: Literal["paper", "index", "first", "files", "published"] = "paper"
    index: str | None = None  # protocol "index": the .npy of validation positions
    limit: Positive | None = None  # at most so many of each split; not a result then
    kind: str | None = None  # how answers are compared; None: the set's own
    prompts: str | None = None  # directory of published few-shot prompts, <task>.txt

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
                f"set {self.label!r} has protocol 'files' but no {{split}} in its path"
            )
        return self


class Server(Strict):
    """Where a served teacher answers, and how hard it may be asked.

    No key stands here, nor in a URL: ``key_variable`` names the environment variable that has it.
    """

    kind: ServerKind
    urls: Annotated[tuple[str, ...], Field(min_length=1)]  # without /v1; several share the load
    tokenizer: str | None = None  # directory or hub id of what it tokenizes with; None: ``model``
    key_variable: str | None = None  # sent as a bearer token
    concurrency: Positive = 16  # requests under way, over all URLs
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None  # of prompts and of what may be written
    timeout_seconds: PositiveNumber = 300  # of one request
    retry_seconds: PositiveNumber = 600  # of one request's retries, all together
    choices: Positive = 1  # solutions asked for in one request, which pays for its prompt once

    @field_validator("urls", mode="before")
    @classmethod
    def _plain(cls, urls: object) -> tuple[str, ...]:
        listed = (urls,) if isinstance(urls, str) else urls
        if not isinstance(listed, list | tuple):
            raise _refusal("urls must be a list of addresses")
        for number, url in enumerate(listed):
            if not isinstance(url, str) or not _ADDRESS.fullmatch(url) or _KEY.search(url):
                raise _refusal(
                    f"address {number} must read http(s)://host[:port][/path], with no user, "
                    f"password, query or key in it; put a key into an environment variable and "
                    f"name that with key_variable"
                )
        return tuple(url.rstrip("/") for url in listed)

    @field_validator("key_variable", mode="before")
    @classmethod
    def _name(cls, name: object) -> object:
        if name is not None and not (isinstance(name, str) and _VARIABLE.fullmatch(name)):
            raise _refusal(
                "key_variable must name an environment variable that ends in _KEY or _TOKEN; it is "
                "not the key itself"
            )
        return name


def _refusal(message: str) -> PydanticCustomError:
    """An error that does not show the value, which may be a key."""
    return PydanticCustomError("hidden_value", "{message}", {"message": message})


class Teacher(Strict):
    """A teacher and what it is asked for. Without ``model`` its store was imported."""

    model: str | None = None  # directory or hub id; with a server, the name it serves
    mode: Literal["sample", "score", "rationale"] = "sample"  # solutions, the set's own, or why
    forced: bool = False  # mode "rationale": the prompt gives the answer
    format: str = "zero-shot-cot"
    demonstrations: Annotated[int, Field(ge=0)] = 0
    prompt_file: str | None = None  # a published few-shot prompt instead of drawn demonstrations
    samples: Annotated[int, Field(ge=1, le=10_000)] = 1  # solutions per question
    temperature: Annotated[float, Field(gt=0)] = 0.7
    max_new_tokens: Positive = 256
    top_k: Positive = 5  # stored entries per position
    entry_mass: Annotated[float, Field(gt=0, le=1)] = 1.0  # of these, so many as reach it
    draws: Positive | None = None  # instead: the ids of so many draws from each row
    tail_temperatures: tuple[PositiveNumber, ...] = ()  # at which the tail is stored too
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0  # draw from the likeliest of this mass
    stop: tuple[str, ...] = ()  # texts behind which a server stops writing
    # a text is over: behind the line of a complete answer; behind the first line with "answer is",
    # as published for code-davinci-002 with its prompt; where the teacher or a limit ends it
    cut: Literal["answer", "published", "none"] = "answer"
    too_long: Literal["refuse", "skip"] = "refuse"  # prompts beyond the teacher's context
    revision: str | None = None  # of a hub id; None: its main branch
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str | None = None  # None: a GPU where there is one
    trust_remote_code: bool = False  # run the model's own code; a hub id then needs its commit
    server: Server | None = None  # None: the model runs here

    @model_validator(mode="after")
    def _named(self) -> Teacher:
        if self.server is not None and self.model is None:
            raise ValueError("a teacher with a server needs a model: the name that it serves")
        if self.stop and self.server is None:
            raise ValueError("stop is for servers; a local teacher stops behind the answer's line")
        if self.draws is not None and (self.entry_mass < 1 or self.tail_temperatures):
            raise ValueError(
                "drawn entries have no tail: leave out entry_mass and tail_temperatures"
            )
        extras = self.draws is not None or self.entry_mass < 1 or bool(self.tail_temperatures)
        if self.server is not None and (extras or self.trust_remote_code):
            raise ValueError(
                "a server tells its top_k alone: draws, entry_mass, tail_temperatures and "
                "trust_remote_code are for models that run here"
            )
        return self


class Objective(Strict):
    """One term of the loss: what the student is asked, and what it should answer.

    ``distribution``: the teacher's projected rows; ``rationale``: the teacher's text as hard
    labels; ``answer``: the gold answer, or the teacher's where one is named, as a hard label;
    ``solution``: the teacher's text and answer in one; ``unlikelihood``: the tokens of a wrong
    response, each made unlikely.
    """

    name: Name
    format: str
    target: Literal["answer", "rationale", "distribution", "solution", "unlikelihood"]
    teacher: str | None = None
    average: Mapping[str, PositiveNumber] = Field(default_factory=dict)  # teachers, by share
    # sound: a rationale without a fault; first-correct: one a question
    keep: Literal["correct", "first-correct", "sound", "all", "wrong"] = "correct"
    missing: Literal["refuse", "mask"] = "refuse"  # what a teacher without responses means
    examples: Literal["all", "labelled", "unlabelled"] = "all"
    weight: Annotated[float, Field(gt=0)] = 1.0  # multiplies the term's mean nats a token
    demonstrations: Annotated[int, Field(ge=0)] = 4  # used by in-context formats only

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
        return self

    @property
    def teachers(self) -> tuple[str, ...]:
        """Every teacher that it learns from."""
        return tuple(self.average) or ((self.teacher,) if self.teacher else ())


class Alignment(Strict):
    """How the teacher's distributions reach the student's vocabulary."""

    policy: Literal["prefix", "one-to-one", "nearest", "chunk"] = "prefix"
    top_k: Positive = 5  # entries kept per student position; the rest joins the tail


class Evaluation(Strict):
    """Which sets, in which formats, decide and describe."""

    sets: tuple[EvaluationSet, ...] = ()
    formats: tuple[str, ...] = ("zero-shot-cot",)  # the first decides the selection
    demonstrations: Annotated[int, Field(ge=0)] = 4
    prompt_file: str | None = None  # published few-shot prompt for the in-context formats
    max_new_tokens: Positive = 256
    batch_tokens: Positive = 16_384  # padded prompt tokens of a batch
    samples: Positive = 1  # answers to each question; the answer of most of them counts
    temperature: PositiveNumber = 0.7  # at which several are drawn; one answer is greedy
    stop: tuple[str, ...] = ()  # texts at which an answer ends


class Recipe(Strict):
    """Everything that decides a run. Paths are relative to where the command runs."""

    name: Name = "specialization"
    student: str  # directory or hub id
    train_on: Dataset
    unlabelled: tuple[Dataset, ...] = ()  # questions for the teachers; their answers are not used
    teachers: Mapping[Name, Teacher] = Field(default_factory=dict)
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)]
    alignment: Alignment = Alignment()
    training: Training = Training()
    optimization: Optimization = Optimization()
    lora: Lora | None = None  # None: every weight is trained
    running: Running = Running()
    evaluation: Evaluation = Evaluation()
    selection: RuleName = "mean"  # the rule that chooses the checkpoint
    seed: Seed = 0

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
        return self

    @model_validator(mode="after")
    def _tails_exist(self) -> Recipe:
        """A loss at another temperature needs tails at it, from every teacher that is asked."""
        warm = self.training.temperature
        if warm == 1:
            return self
        if self.training.label_share:
            raise ValueError(
                "training.label_share mixes the label into rows at training.temperature, where a "
                "label has none; leave one of them out, or add an objective with target: rationale"
            )
        for name in {n for o in self.objectives if o.target == "distribution" for n in o.teachers}:
            teacher = self.teachers[name]
            if teacher.model is not None and warm not in teacher.tail_temperatures:
                raise ValueError(
                    f"training.temperature is {warm:g}, but teacher {name!r} stores no tail at "
                    f"it; set teachers.{name}.tail_temperatures: [{warm:g}]"
                )
        return self

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @property
    def digest(self) -> str:
        """sha256 of the resolved recipe; equal recipes have equal digests."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
