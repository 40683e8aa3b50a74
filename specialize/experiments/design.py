"""An experiment as a value: what is believed, which runs would show it, and how it is judged.

    Arm("text 2", ("training.samples_per_question=2", "objectives.0.target=rationale"))
    Contrast("two samples a question: rows beat text", ("rows 2",), ("text 2",))

An arm is the base recipe with ``key=value`` overrides; a cell is an arm with a seed. A contrast
says which arms' accuracies are added and which taken away; the claim is that this is above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from specialize.config.names import check_name
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import override_recipe
from specialize.datasets.recipe_sets import Split
from specialize.errors import ConfigurationError
from specialize.planning.assumed import PROCESSOR
from specialize.report.canvas import Drawing

INPUTS = "{inputs}"  # in an override: the folder that ``prepare`` wrote
STORES = "stores"  # in it: responses of teachers that are no model, by name


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of training.

    Attributes:
        name: of its directory and of its row in the table.
        changes: overrides of the base recipe, ``key.key=value``.
        against: the arm that it is compared with in the table; None: it is one of these.
        size: parameters of its student by those of the base recipe's, for a plan.
    """

    name: str
    changes: tuple[str, ...] = ()
    against: str | None = None
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Contrast:
    """A claim that a sum of accuracies less another one is above 0, and what follows if it is.

    Two arms on each side make a difference of differences: does a gap depend on something?
    """

    claim: str
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    role: str = "in-distribution"

    def __post_init__(self) -> None:
        if len(self.plus) != len(self.minus):
            raise ValueError(f"{self.claim!r} needs as many arms added as taken away")


@dataclass(frozen=True, slots=True)
class Scale:
    """What the counts are multiplied with.

    Attributes:
        questions: of the training set; None: as many as the experiment prepares.
        teraflops: sustained, in 1e12 operations a second.
    """

    student: str = "bundled"
    data: str = "bundled world"
    questions: int | None = None
    question_tokens: int = 60
    solution_tokens: int = 35
    parameters: float = 1.0e6
    teacher_parameters: float = 0.9e6
    teraflops: float = PROCESSOR


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured of every text beside whether an answer is right; contrasts name its role.

    Attributes:
        role: by which outcomes, contrasts and columns call it.
        unit: after a claim. digits: after the point.
    """

    role: str
    unit: str
    digits: int = 3


@dataclass(frozen=True, slots=True)
class Experiment:
    """A question, its runs and its rule of judgement.

    Attributes:
        name: such as X02. title: in one line.
        hypothesis: what is believed, by whom it was said.
        source: of the hypothesis, as a citation.
        design: what is held equal, in sentences for the page.
        prepare: writes what the runs read into a folder, with that many questions and examples;
            what is there stays.
        base: the recipe that the arms change, over that folder.
        arms: by which the table is ordered; partners come before those compared with them.
        contrasts: the claims, judged by their intervals.
        questions: of the training set. examples: of each evaluation set and split.
        splits: on which every checkpoint is scored; test alone where nothing is selected.
        before: the student before training is scored too, where no split is validation.
        measures: names of what the recipes' further formats of evaluation measure.
        quantify: what a recipe's checkpoint, the last argument, has of the ``quantities``: a value
            for each text, which may be in the inputs' folder.
        columns: roles that the table of arms shows, the first one seed by seed.
        curves: pairs of arms whose difference along the steps is drawn.
        scale: what a plan multiplies counts with.
        minutes: of processor time that all runs took, as measured; None: not yet.
        notes: what the table means for a user, written when it was read.
        extra: a further part of the page, from the outcomes' file. figure: a further figure.
    """

    name: str
    title: str
    hypothesis: str
    source: str
    design: str
    prepare: Callable[[Path, int, int], None]
    base: Callable[[Path], Recipe]
    arms: tuple[Arm, ...]
    contrasts: tuple[Contrast, ...]
    questions: int = 400
    examples: int = 200
    seeds: tuple[int, ...] = (0, 1, 2)
    splits: tuple[Split, ...] = ("test",)
    before: bool = False
    measures: tuple[str, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    quantify: Callable[[Recipe, Path, Path], Mapping[str, list[float]]] | None = None
    columns: tuple[str, ...] = ("in-distribution", "out-of-distribution")
    curves: tuple[tuple[str, str], ...] = ()
    scale: Scale = Scale()
    minutes: int | None = None
    notes: str = ""
    extra: Callable[[Sequence[Outcome]], str] | None = None
    figure: Callable[[Sequence[Outcome]], Drawing] | None = None

    def __post_init__(self) -> None:
        names = [check_name(arm.name) for arm in self.arms]
        named = [name for c in self.contrasts for name in (*c.plus, *c.minus)]
        named += [arm.against for arm in self.arms if arm.against is not None]
        named += [name for pair in self.curves for name in pair]
        for name in named:
            if name not in names:
                raise ValueError(f"{self.name} has no arm {name!r}")
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name} has two arms of one name")

    def arm(self, name: str) -> Arm:
        """The arm of that name.

        Raises:
            ConfigurationError: there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        known = ", ".join(arm.name for arm in self.arms)
        raise ConfigurationError(f"{self.name} has no arm {name!r}; it has: {known}")

    def quantity(self, role: str) -> Quantity | None:
        """What the role measures; None: it is accuracy."""
        return next((each for each in self.quantities if each.role == role), None)

    def recipe(self, folder: Path, arm: Arm, seed: int) -> Recipe:
        """The resolved recipe of one cell."""
        changes = [change.replace(INPUTS, str(folder)) for change in arm.changes]
        changes += [f"name={self.name} {arm.name}", f"seed={seed}"]
        return override_recipe(self.base(folder), changes, where=f"{self.name}, arm {arm.name!r}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one cell showed.

    Attributes:
        seconds: of processor time, for dumping, aligning, training and answering.
        roles: of the evaluation sets.
        teacher: mean entropy and tail of its rows, and the share of its responses that are right.
        right: by split, step and set: "1" for each question answered rightly, "0" for the others.
        selected: the step that each rule chooses by validation, where it was scored.
        quantities: of the last checkpoint, by role: a value for each text.
    """

    arm: str
    seed: int
    seconds: float
    roles: dict[str, str]
    teacher: dict[str, float]
    right: dict[str, dict[str, dict[str, str]]]
    selected: dict[str, int] = field(default_factory=dict)
    quantities: dict[str, list[float]] = field(default_factory=dict)
