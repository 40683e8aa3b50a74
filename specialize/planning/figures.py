"""What a machine and its models do: seconds and lengths, measured by a pilot or given by hand.

    teachers:
      llama: {rate: {per_second: 2400}, response_tokens: 130, price_per_million_output_tokens: .6}
    align: {per_second: 60000}               # positions
    train: {seconds: 0.9, start_seconds: 20} # a step
    evaluate: {per_second: 3000, load_seconds: 5}
    price_per_device_hour: 2.5

A pilot writes the same file with everything it measured, and keeps the prices that were there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, model_validator

from specialize.config.names import Name
from specialize.config.section import Count, Positive, PositiveNumber, Strict
from specialize.config.yaml_files import explain, read_mapping
from specialize.errors import ConfigurationError
from specialize.io.files import write_atomically
from specialize.io.times import Took

NotNegative = Annotated[float, Field(ge=0)]


class Spent(Strict):
    """Seconds of all cores together."""

    seconds: NotNegative
    """Of a unit."""
    start_seconds: NotNegative = 0.0
    """Once."""
    load_seconds: NotNegative = 0.0
    """Each time a model is loaded or saved."""


class Divided(Strict):
    """What a stage takes once in a run whose stages are divided among processes: every process
    imports anew, and what they did is put together."""

    processes: Positive
    """As many."""
    seconds: NotNegative
    """On the wall's clock, with that many at once on this machine."""
    processor_seconds: NotNegative
    """Of all of them."""


class Rate(Strict):
    """What a stage takes: once, for every model, for every unit of its work."""

    seconds: PositiveNumber | None = None
    """Of a unit; or give per_second."""
    per_second: PositiveNumber | None = None
    """Units of one device; or give seconds."""
    start_seconds: NotNegative = 0.0
    """Once: imports, loading, compiling."""
    load_seconds: NotNegative = 0.0
    """Each time a model is loaded or saved."""
    processor: Spent | None = None
    """The same in seconds of all cores together. None: not known."""
    divided: Divided | None = None
    """In place of start_seconds, in a run with several processes. None: not known."""

    @model_validator(mode="after")
    def _one(self) -> Rate:
        if (self.seconds is None) == (self.per_second is None):
            raise ValueError("give either seconds, of a unit, or per_second, units of a second")
        return self

    @property
    def unit_seconds(self) -> float:
        """Of one unit."""
        return 1 / self.per_second if self.per_second else float(self.seconds or 0)

    def took(self, units: float, *, loads: float = 0.0, starts: float = 1.0) -> Took:
        """For that many units; no processor's seconds where none are known."""
        wall = starts * self.start_seconds + loads * self.load_seconds + units * self.unit_seconds
        each = self.processor
        if each is None:
            return Took(wall, 0.0)
        processor = starts * each.start_seconds + loads * each.load_seconds + units * each.seconds
        return Took(wall, processor)


class TeacherFigures(Strict):
    """Of one teacher."""

    rate: Rate | None = None
    """Units: tokens that it writes or scores."""
    response_tokens: PositiveNumber | None = None
    """Mean length of what it writes."""
    bytes_per_token: PositiveNumber | None = None
    """On the disk, texts included."""
    target_tokens: PositiveNumber | None = None
    """Of the student, for each token of the teacher."""
    target_bytes_per_token: PositiveNumber | None = None
    """On the disk, of targets."""
    price_per_million_input_tokens: NotNegative = 0.0
    """Of a served teacher."""
    price_per_million_output_tokens: NotNegative = 0.0
    """Of a served teacher."""


class Answered(Strict):
    """Mean tokens of the answers to one set in one format."""

    before: NotNegative
    """By the student before training."""
    after: NotNegative
    """By a trained student."""
    teacher: NotNegative | None = None
    """By a teacher. None: as after."""


class Cluster(Strict):
    """Workers that share the parts of a stage, and what happens to them."""

    workers: Positive = 1
    """At work at once."""
    parts: Positive | None = None
    """Of the stage. None: one a worker."""
    cores: Positive | None = None
    """That workers of one machine share. None: each has its own."""
    speed_spread: NotNegative = 0.0
    """Standard deviation of the logarithm of a worker's speed; at 0.2 one in six is a fifth
    slower."""
    lost_per_hour: NotNegative = 0.0
    """Losses of a worker that is started again, by hour of its work."""
    restart_seconds: NotNegative = 10.0
    """Until a lost worker is there again."""
    preempted_per_hour: NotNegative = 0.0
    """Times that a worker is taken away, by hour of its work."""
    away_seconds: NotNegative = 600.0
    """Until a worker that was taken away is back, on average."""
    requests_per_minute: PositiveNumber | None = None
    """That a server grants all workers together. None: no limit."""


class Figures(Strict):
    """All of a recipe's stages; what is not given is assumed, and said to be."""

    recipe: str | None = None
    """Digest of what the pilot's speed depends on. None: given by hand."""
    machine: str = ""
    """Where it was measured."""
    teachers: Mapping[Name, TeacherFigures] = Field(default_factory=dict)
    """By their names in the recipe."""
    align: Rate | None = None
    """Units: positions of the teacher."""
    rows: Rate | None = None
    """Units: rows."""
    train: Rate | None = None
    """Units: optimizer steps; a load is a checkpoint that is saved."""
    evaluate: Rate | None = None
    """Units: tokens of answers; a load is a checkpoint."""
    test: Rate | None = None
    """The same on the test split, teachers included. None: as evaluate."""
    report: Rate | None = None
    """Units: answers."""
    rows_per_question: Mapping[str, NotNegative] = Field(default_factory=dict)
    """By objective: rows of each question, or of each response where there is a teacher."""
    row_tokens: PositiveNumber | None = None
    """Mean tokens of a row, prompt and target."""
    checkpoint_bytes: PositiveNumber | None = None
    """Of a checkpoint with the optimizer's state."""
    answers: Mapping[str, Answered] = Field(default_factory=dict)
    """By SET/FORMAT."""
    devices: Positive = 1
    """That share the parts of dump, align and evaluate."""
    price_per_device_hour: NotNegative = 0.0
    """In any currency."""
    cluster: Cluster | None = None
    """For --workers. None: nobody is lost, all are equally fast."""
    pilot_examples: Count = 0
    """Questions that the pilot asked."""


def read_figures(path: Path) -> Figures:
    """The figures in a YAML or JSON file.

    Raises:
        ConfigurationError: the file is missing or no YAML, or a key is unknown or wrong.
    """
    values = read_mapping(path, "figures")
    try:
        return Figures.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(f"figures {path}: {explain(error, _keys)}") from None


def _keys(_place: object) -> list[str]:
    """Those of every section: they are few, and differ enough to find the one that was meant."""
    sections = (Figures, TeacherFigures, Rate, Divided, Spent, Answered, Cluster)
    return [key for section in sections for key in section.known_keys()]


def write_figures(figures: Figures, path: Path) -> None:
    """What ``read_figures`` reads back: JSON where the name says so, else YAML."""
    values = figures.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(values, indent=1) if path.suffix == ".json" else yaml.safe_dump(values)
    write_atomically(path, text.encode())
