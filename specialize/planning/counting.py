"""What a recipe asks, counted from its data, before any model is loaded.

    count(recipe) -> Counted(questions=1200, teachers={"tiny": Asked(2400, ...)}, sets=...)

Files are read as the run reads them. A set that would come from the hub is not read: its size is
known, and a note says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specialize import datasets
from specialize.config.recipe import Dataset, EvaluationSet, Recipe
from specialize.config.teacher import Teacher
from specialize.datasets.given_texts import texts_to_score
from specialize.datasets.recipe_sets import RecipeSets, Split
from specialize.errors import ConfigurationError
from specialize.evaluate.planning import EvaluationPlan
from specialize.formats import DemonstrationPool
from specialize.planning.texts import BYTES_PER_TOKEN, PUBLISHED, PublishedSize, Texts
from specialize.records import Example
from specialize.teacher.asks import Asks, build_asks

_SPLITS: tuple[Split, ...] = ("validation", "test")
_SOLUTION = 200  # bytes of a solution where the data has none


@dataclass(frozen=True, slots=True)
class Asked:
    """What one teacher is asked.

    Attributes:
        questions: with a prompt of their own. responses: of all questions.
        prompt_tokens: mean of a prompt.
        text_tokens: mean of a response; of given texts counted, of others those of the data.
    """

    questions: int
    responses: int
    prompt_tokens: float
    text_tokens: float


@dataclass(frozen=True, slots=True)
class Set:
    """One evaluation set in one format and split."""

    label: str
    format: str
    split: Split
    examples: int
    prompt_tokens: float

    @property
    def key(self) -> str:
        """By which figures call it."""
        return f"{self.label}/{self.format}"


@dataclass(frozen=True, slots=True)
class Counted:
    """All that follows from the data.

    Attributes:
        questions: for teachers. labelled: of them those with an answer of their own.
        dropped: left out because they are held out.
        solution_tokens: mean of the data's solutions, by the student's tokenizer.
        sets: in every format and split.
        notes: what is not counted but assumed.
    """

    questions: int
    labelled: int
    dropped: int
    solution_tokens: float
    teachers: dict[str, Asked]
    sets: tuple[Set, ...]
    notes: tuple[str, ...]


def count(recipe: Recipe) -> Counted:
    """Read the recipe's data and count.

    Raises:
        ConfigurationError: what the run would refuse, or a set without a path whose size is not
            known.
        InputError: a file that is missing or damaged.
    """
    student = Texts(recipe.student)
    absent = [] if student.exact else [recipe.student]
    absent += [t.model for t in recipe.teachers.values() if t.model and not _texts(t).exact]
    notes = [
        f"{name} is not on this machine: {BYTES_PER_TOKEN:g} bytes of text are taken for a token"
        for name in dict.fromkeys(absent)
    ]
    from_hub = [s.set for s in _specs(recipe) if s.path is None and not s.set.endswith(".py")]
    if not from_hub:
        return _read(recipe, student, notes)
    named = ", ".join(dict.fromkeys(from_hub))
    return _assumed(recipe, [*notes, f"not read: {named}; sizes are those published"])


def _specs(recipe: Recipe) -> list[Dataset | EvaluationSet]:
    return [recipe.train_on, *recipe.unlabelled, *recipe.evaluation.sets]


def _texts(teacher: Teacher) -> Texts:
    """By what the teacher tokenizes with."""
    own = None if teacher.server is None else teacher.server.tokenizer
    return Texts(own or teacher.model)


# ---- from the data -----------------------------------------------------------------------------


def _read(recipe: Recipe, student: Texts, notes: list[str]) -> Counted:
    training = RecipeSets(recipe).training()
    pool = DemonstrationPool(training.examples)
    asked = {}
    for name, teacher in recipe.teachers.items():
        if teacher.model is None:
            notes.append(f"{name} was imported: a response to each question is taken")
        asks = build_asks(
            training.questions, teacher, pool=pool, seed=recipe.seed,
            texts=texts_to_score(teacher, training.questions),
        )  # fmt: skip
        asked[name] = _asked(teacher, asks, training.questions)
    plan = EvaluationPlan(recipe)
    sets = [
        Set(
            each.spec.label,
            each.format,
            split,
            len(each.examples),
            min(student.mean(each.prompts), recipe.training.max_prompt_tokens),
        )
        for split in _SPLITS
        if recipe.evaluation.sets
        for each in plan.of(split)
    ]
    return Counted(
        questions=len(training.questions),
        labelled=len(training.examples),
        dropped=training.dropped,
        solution_tokens=_solution_tokens(student, training.examples),
        teachers=asked,
        sets=tuple(sets),
        notes=tuple(notes),
    )


def _asked(teacher: Teacher, asks: Asks, examples: Sequence[Example]) -> Asked:
    texts = _texts(teacher)
    given = [ask.text for ask in asks.firsts if ask.text is not None]
    return Asked(
        questions=len({ask.example.id for ask in asks.firsts}),
        responses=len(asks.entries),
        prompt_tokens=texts.mean([ask.prompt for ask in asks.firsts]),
        text_tokens=texts.mean(given) if given else _solution_tokens(texts, examples),
    )


def _solution_tokens(texts: Texts, examples: Sequence[Example]) -> float:
    """Of rationale and answer together; the usual where the data has no rationales."""
    found = [f"{e.rationale} {e.answer}" for e in examples if e.rationale]
    return texts.mean(found) or _SOLUTION / BYTES_PER_TOKEN


# ---- from what is known of sets ----------------------------------------------------------------


def _assumed(recipe: Recipe, notes: list[str]) -> Counted:
    labelled = _training_size(recipe.train_on)
    questions = labelled + sum(map(_training_size, recipe.unlabelled))
    own = _size(recipe.train_on.set)
    solution = own.solution / BYTES_PER_TOKEN
    asked = {
        name: Asked(
            questions,
            questions * teacher.samples,
            _prompt_tokens(own, teacher.format, teacher.num_fewshot),
            solution,
        )
        for name, teacher in recipe.teachers.items()
    }
    shots = recipe.evaluation.num_fewshot
    found = []
    for split in _SPLITS:
        for spec in recipe.evaluation.sets:
            size = _size(spec.set)
            examples = _split_size(spec, size, split)
            found += [
                Set(spec.label, name, split, examples, _prompt_tokens(size, name, shots))
                for name in recipe.evaluation.formats
            ]
    return Counted(questions, labelled, 0, solution, asked, tuple(found), tuple(notes))


def _size(name: str) -> PublishedSize:
    if name not in PUBLISHED:
        raise ConfigurationError(
            f"the size of set {name!r} is not known; give its file as path. Known without one: "
            f"{', '.join(PUBLISHED)}"
        )
    return PUBLISHED[name]


def _training_size(spec: Dataset) -> int:
    whole = _size(spec.set).train
    return max(1, round(min(whole, spec.limit or whole) * spec.fraction))


def _split_size(spec: EvaluationSet, size: PublishedSize, split: Split) -> int:
    """As protocols divide a set."""
    if spec.protocol == "first":
        return min((spec.limit or size.held_out) * size.tasks, size.held_out)
    whole = size.held_out
    if spec.protocol == "paper":
        pinned = datasets.SETS[spec.set].pinned if spec.set in datasets.SETS else None
        validation = min(pinned.validation if pinned else whole // 2, whole)
        whole = validation if split == "validation" else whole - validation
    return min(whole, spec.limit or whole)


def _prompt_tokens(size: PublishedSize, form: str, shots: int) -> float:
    """Of the question, and of the demonstrations of an in-context format."""
    shown = shots * (size.question + size.solution) if form.startswith("in-context") else 0
    return (size.question + shown) / BYTES_PER_TOKEN
