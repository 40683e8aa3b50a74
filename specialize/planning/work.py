"""A recipe's stages as amounts of work: what is counted, and lengths that a pilot measured.

work_of(recipe, count(recipe), figures)
-> [Stage("dump tiny", 2400 responses, 98411 tokens, ...), Stage("align tiny", ...), ...]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from specialize.config.recipe import Objective, Recipe
from specialize.config.teacher import Teacher
from specialize.evaluate.subjects import teacher_models
from specialize.planning.counting import Counted
from specialize.planning.figures import Answered, Figures, TeacherFigures
from specialize.teacher.asks import SHARD_SAMPLES

ENTRY_BYTES = 26.0  # of a position with five entries (docs/store.md)
TEXT_BYTES = 6.0  # of a token's text, and of what is kept beside it
PARAMETER_BYTES = 12.0  # weights and both moments of AdamW, in single precision
ANSWER_BYTES, ANSWER_TOKEN_BYTES = 200.0, 4.0  # of a line of predictions: .99 of what 9,900 took


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage does.

    Attributes:
        name: dump or align with the teacher's name, rows, train, evaluate, test, report.
        items, what: how many of what; responses, rows, steps, answers.
        units: that its rate is of.
        loads: models that are loaded, or saved.
        tokens_read, tokens: of prompts, and of what is written or learned.
        requests: to a server.
        bytes: that it leaves on the disk.
        parts: that different workers may do: shards, or examples; 0: it is not divided.
        part_items: of every part but the last; 0: all parts are of one size.
    """

    name: str
    items: int
    what: str
    units: float
    loads: int = 0
    tokens_read: float = 0.0
    tokens: float = 0.0
    requests: int = 0
    bytes: float = 0.0
    parts: int = 0
    part_items: int = 0

    def largest_share(self, workers: int) -> float:
        """Of the work, that the first worker does, who has every ``workers``-th part."""
        parts = -(-self.parts // workers)
        if not self.part_items:
            return parts / self.parts
        has_last = (self.parts - 1) % workers == 0
        lacking = self.parts * self.part_items - self.items if has_last else 0
        return (parts * self.part_items - lacking) / self.items


@dataclass(frozen=True, slots=True)
class Responses:
    """What a teacher's responses will be, by its figures or by the data."""

    count: int
    tokens: float
    most: float
    bytes: float
    target_tokens: float
    target_bytes: float


def work_of(
    recipe: Recipe, counted: Counted, figures: Figures, *, checkpoint_bytes: float
) -> list[Stage]:
    """The stages of a run, in their order.

    Args:
        recipe: what the run is.
        counted: its data.
        figures: lengths, where a pilot measured them.
        checkpoint_bytes: of one checkpoint.
    """
    stages: list[Stage] = []
    learned = {name for objective in recipe.objectives for name in objective.teachers}
    for name, teacher in recipe.teachers.items():
        made = responses_of(teacher, counted, name, figures)
        if teacher.model is not None:
            stages.append(_dump(name, teacher, counted, made))
        if name in learned:
            stages.append(_align(name, made))
    stages += _training(recipe, counted, figures, checkpoint_bytes)
    stages += _evaluation(recipe, counted, figures)
    return stages


def responses_of(teacher: Teacher, counted: Counted, name: str, figures: Figures) -> Responses:
    """Lengths of what a teacher writes; a limit is never passed."""
    asked, own = counted.teachers[name], figures.teachers.get(name, TeacherFigures())
    each = own.response_tokens or asked.text_tokens
    if teacher.mode != "score":
        each = min(each, teacher.max_new_tokens)
    tokens = asked.responses * each
    position = own.bytes_per_token or _position_bytes(teacher.top_logprobs)
    targets = tokens * (own.target_tokens or 1.0)
    return Responses(
        count=asked.responses,
        tokens=tokens,
        most=tokens if teacher.mode == "score" else asked.responses * teacher.max_new_tokens,
        bytes=tokens * position,
        target_tokens=targets,
        target_bytes=targets * (own.target_bytes_per_token or position),
    )


def _position_bytes(entries: int) -> float:
    return ENTRY_BYTES + 4.0 * (entries - 5) + TEXT_BYTES


def _dump(name: str, teacher: Teacher, counted: Counted, made: Responses) -> Stage:
    asked = counted.teachers[name]
    requests = 0
    if teacher.server is not None:
        requests = asked.questions * -(-teacher.samples // teacher.server.choices)
    return Stage(
        name=f"dump {name}",
        items=made.count,
        what="responses",
        units=made.tokens,
        tokens_read=asked.prompt_tokens * (requests or asked.questions),
        tokens=made.tokens,
        requests=requests,
        bytes=made.bytes,
        parts=_shards(made.count),
        part_items=SHARD_SAMPLES,
    )


def _align(name: str, made: Responses) -> Stage:
    return Stage(
        name=f"align {name}",
        items=made.count,
        what="responses",
        units=made.tokens,
        tokens=made.target_tokens,
        bytes=made.target_bytes,
        parts=_shards(made.count),
        part_items=SHARD_SAMPLES,
    )


def _shards(responses: int) -> int:
    return -(-responses // SHARD_SAMPLES)


# ---- training ----------------------------------------------------------------------------------


def _training(
    recipe: Recipe, counted: Counted, figures: Figures, checkpoint_bytes: float
) -> Iterator[Stage]:
    schedule = recipe.optimization
    rows = sum(rows_of(recipe, objective, counted, figures) for objective in recipe.objectives)
    each = figures.row_tokens or _row_tokens(recipe, counted)
    yield Stage("rows", round(rows), "rows", rows, tokens=rows * each)
    seen = schedule.steps * schedule.batch_rows * schedule.accumulation
    saved, kept = _checkpoints(recipe)
    yield Stage(
        name="train",
        items=schedule.steps,
        what="steps",
        units=schedule.steps,
        loads=saved,
        tokens=seen * each,
        bytes=kept * checkpoint_bytes,
    )


def rows_of(recipe: Recipe, objective: Objective, counted: Counted, figures: Figures) -> float:
    """Rows of one objective; each response is one where nothing was measured."""
    share = figures.rows_per_question.get(objective.name, 1.0)
    if not objective.teachers:
        return counted.labelled * share
    name = objective.teachers[0]
    questions, responses = counted.questions, counted.teachers[name].responses
    most = recipe.training.samples_per_question
    return min(responses * share, questions * most if most else float("inf"))


def _row_tokens(recipe: Recipe, counted: Counted) -> float:
    """Of a row, where no pilot measured it: the prompt of evaluation and a solution."""
    prompts = [each.prompt_tokens for each in counted.sets] or [60.0]
    longest = recipe.training.max_target_tokens
    return sum(prompts) / len(prompts) + min(counted.solution_tokens, longest)


def _checkpoints(recipe: Recipe) -> tuple[int, int]:
    """How many are saved, and how many of them are there at the end."""
    saved = recipe.training.saves(recipe.optimization.steps)
    return saved, min(saved, (recipe.training.keep_checkpoints or saved) + 1)


# ---- evaluation --------------------------------------------------------------------------------


def _evaluation(recipe: Recipe, counted: Counted, figures: Figures) -> Iterator[Stage]:
    """Validation by every checkpoint, test by two and the teachers; the report reads all."""
    _, asked = _checkpoints(recipe)
    total = 0
    for stage in (
        _answers("evaluate", "validation", asked, 0, recipe, counted, figures),
        _answers("test", "test", 2, len(teacher_models(recipe)), recipe, counted, figures),
    ):
        total += stage.items
        yield stage
    yield Stage("report", total, "answers", total)


def _answers(
    name: str, split: str, students: int, teachers: int, recipe: Recipe, counted: Counted,
    figures: Figures,
) -> Stage:  # fmt: skip
    evaluation = recipe.evaluation
    examples, tokens, read = 0, 0.0, 0.0
    for each in counted.sets:
        if each.split != split:
            continue
        lengths = figures.answers.get(each.key) or _usual(recipe, counted)
        asked = each.examples * evaluation.samples
        of_teacher = lengths.after if lengths.teacher is None else lengths.teacher
        lasting = lengths.before + (students - 1) * lengths.after + teachers * of_teacher
        examples += each.examples
        tokens += asked * lasting
        read += each.examples * (students + teachers) * each.prompt_tokens
    answers = examples * (students + teachers)
    return Stage(
        name, answers, "answers", tokens, loads=students + teachers, tokens_read=read,
        tokens=tokens, bytes=answers * ANSWER_BYTES + tokens * ANSWER_TOKEN_BYTES, parts=examples,
    )  # fmt: skip


def _usual(recipe: Recipe, counted: Counted) -> Answered:
    """Answers as long as the data's solutions."""
    length = min(counted.solution_tokens, recipe.evaluation.max_new_tokens)
    return Answered(before=length, after=length)
