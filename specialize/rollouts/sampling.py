"""A student's own samples of the training questions, as texts for its teacher to score.

    {"finish_reason": "stop", "id": "gsm8k/train/00007", "sample": 0, "text": "She has 3 + ..."}

The student is asked as it is trained: in the format of an objective, with the very demonstrations
that a row of this key would show. A sample follows from the checkpoint, the seed, the question and
its number alone. Blocks of samples are drawn whole and kept as they come, so that a call which was
killed goes on, and its file is byte for byte that of one which was not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from specialize.config.recipe import Objective, Recipe
from specialize.config.yaml_files import recorded_recipe
from specialize.datasets.reading import json_lines
from specialize.datasets.recipe_sets import training_examples
from specialize.errors import ConfigurationError
from specialize.evaluate.generation import Draws, Generation, Limits, generate
from specialize.evaluate.voting import seed_of
from specialize.formats import PromptFormat, by_name, is_chat
from specialize.io.progress import progress
from specialize.records import Example, Response
from specialize.rollouts.growing_file import GrowingFile
from specialize.rollouts.line_breaks import LineBreaks, loses_line_breaks
from specialize.rows.prompts import encode, prompts_of
from specialize.store import Store
from specialize.store.sealed import Json
from specialize.students import checkpoints
from specialize.students.checkpoints import Checkpoint
from specialize.students.ends import stop_at_all_ends
from specialize.students.student import is_encoder_decoder, load_model
from specialize.tokens import Tokenizer, load_tokenizer

BLOCK = 512  # samples that are drawn together and kept at once


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn of a student.

    Attributes:
        objective: its name in the recipe; None: the first that learns distributions.
        samples: of each question.
        temperature: at which they are drawn.
        seed: of the drawing; None: the recipe's.
        limit: only the first questions; None: all.
        max_new_tokens: of a text; None: those of an answer in evaluation, or of a training target.
    """

    objective: str | None = None
    samples: int = 1
    temperature: float = 1.0
    seed: int | None = None
    limit: int | None = None
    max_new_tokens: int | None = None


def draw_rollouts(
    run: str | Path, drawing: Drawing, *, step: int | None = None, out: Path | None = None
) -> dict[str, Json]:
    """Draw texts of a run's checkpoint; see ``write_rollouts``.

    Args:
        run: the run's directory.
        drawing: what is drawn.
        step: of the checkpoint; None: the last.
        out: the file; None: ``RUN/rollouts/step-NNNNNN.jsonl``.

    Raises:
        ConfigurationError: no run, no such checkpoint, or what ``write_rollouts`` refuses.
    """
    run = Path(run)
    recipe, chosen = recorded_recipe(run), checkpoint_at(run, step)
    out = out or run / "rollouts" / f"{chosen.name}.jsonl"
    return write_rollouts(recipe, chosen, drawing, out, run=run)


def checkpoint_at(run: Path, step: int | None) -> Checkpoint:
    """The complete checkpoint of a step; None: the last.

    Raises:
        ConfigurationError: there is none.
    """
    found = {each.step: each for each in checkpoints.complete(run)}
    wanted = max(found, default=0) if step is None else step
    if wanted not in found:
        raise ConfigurationError(
            f"{run} has no checkpoint {'to draw from' if step is None else f'of step {step}'}; "
            f"there are: {', '.join(map(str, found)) or 'none'}"
        )
    return found[wanted]


def write_rollouts(
    recipe: Recipe, checkpoint: Checkpoint, drawing: Drawing, out: Path, *, run: Path
) -> dict[str, Json]:
    """Draw texts to the training questions and write them to ``out``, in the questions' order.

    Questions whose prompt is longer than ``training.max_prompt_tokens`` are left out, as in
    training. A file that is finished is not drawn again. Where the student's tokens lose line
    breaks, they are put where the teacher's own texts in ``run`` have them.

    Returns:
        The file, and counts: questions, texts, those that a limit cut, blank ones.

    Raises:
        ConfigurationError: no objective to draw for, or a file of other settings.
        StoreError: the checkpoint is damaged.
        LockedError: another process draws the same file.
    """
    objective = objective_of(recipe, drawing.objective)
    seed = recipe.seed if drawing.seed is None else drawing.seed
    longest = drawing.max_new_tokens or min(
        recipe.evaluation.max_new_tokens, recipe.training.max_target_tokens
    )
    store = _teachers_texts(run, objective, load_tokenizer(checkpoint.path))
    breaks = None if store is None else LineBreaks.of(t.text for t in _responses(store))
    drawer = _Drawer(recipe, objective, checkpoint, drawing.temperature, seed, longest, breaks)
    asks = drawer.asks(drawing.samples, drawing.limit)
    settings: dict[str, Json] = {
        **asdict(drawing),
        "objective": objective.name,
        "seed": seed,
        "step": checkpoint.step,
        "checkpoint": _content(checkpoint),
        "max_new_tokens": longest,
        "prompts": _digest(asks),
        "line_breaks": None if store is None else store.digest,
    }
    file = GrowingFile(out, settings, lines=len(asks), block=BLOCK)
    if not file.is_finished:
        checkpoints.check(checkpoint)
        _draw(file, drawer, asks)
    return {"rollouts": str(out), "step": checkpoint.step, **_counts(out)}


def _draw(file: GrowingFile, drawer: _Drawer, asks: Sequence[_Ask]) -> None:
    """Add the blocks that are missing, and finish the file."""
    with file.missing() as blocks:
        done = len(asks) - sum(block.stop - block.start for block in blocks)
        with progress("draw texts", len(asks), done=done) as advance:
            for block in blocks:
                file.add(drawer.records(asks[block]))
                advance(block.stop - block.start)
        file.finish()


def objective_of(recipe: Recipe, name: str | None) -> Objective:
    """The objective that texts are drawn for: one that learns a teacher's distributions.

    Raises:
        ConfigurationError: there is none, or none of this name; or its targets hold thinking, which
            is not drawn.
    """
    able = [o for o in recipe.objectives if o.target == "distribution" and o.teacher is not None]
    found = [o for o in able if name in (None, o.name)]
    if not found:
        raise ConfigurationError(
            f"{'no objective' if name is None else f'objective {name!r} is none that'} learns the "
            f"distributions of one teacher; those that do: "
            f"{', '.join(o.name for o in able) or 'none'}"
        )
    if recipe.chat.thinking != "drop" and is_chat(found[0].format):
        raise ConfigurationError(
            f"chat.thinking is {recipe.chat.thinking}, but texts with thinking are not drawn; "
            f"leave it at drop, or draw for an objective without a chat"
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class _Ask:
    """One sample to draw: its example, its number, and what the student reads."""

    example: Example
    sample: int
    prompt: list[int]


@dataclass(slots=True)
class _Drawer:
    """A checkpoint that is asked; it is loaded when the first block is drawn."""

    recipe: Recipe
    objective: Objective
    checkpoint: Checkpoint
    temperature: float
    seed: int
    max_new_tokens: int
    breaks: LineBreaks | None
    loaded: tuple[PreTrainedModel, Tokenizer] | None = None

    @property
    def form(self) -> PromptFormat:
        """How a question is put to the student."""
        shown = max(1, self.objective.num_fewshot)
        return by_name(self.objective.format, shown, chat=self.recipe.chat.style)

    def asks(self, samples: int, limit: int | None) -> list[_Ask]:
        """Every sample to draw, question by question, whose prompt is not too long.

        Raises:
            ConfigurationError: none is left.
        """
        recipe, training = self.recipe, training_examples(self.recipe)
        keys = [(e, number) for e in training.questions[:limit] for number in range(samples)]
        prompts = prompts_of(self.objective.name, self.form, training.examples, keys, recipe.seed)
        most, path = recipe.training.max_prompt_tokens, self.checkpoint.path
        ends = is_encoder_decoder(path)
        encoded = encode(prompts, load_tokenizer(path), most=most, eos=ends)
        asks = [_Ask(*key, one.ids.tolist()) for key, one in zip(keys, encoded, strict=True)]
        kept = [ask for ask in asks if len(ask.prompt) <= most]
        if not kept:
            raise ConfigurationError(
                f"every prompt in format {self.objective.format} has more than {most} tokens "
                f"(training.max_prompt_tokens), so nothing can be drawn"
            )
        return kept

    def records(self, asks: Sequence[_Ask]) -> list[dict[str, Json]]:
        """The lines of one block."""
        model, tokenizer = self._load()
        found: dict[int, Generation] = {}
        seeds = [seed_of(self.seed, ask.example.id, ask.sample) for ask in asks]
        for batch in generate(
            model,
            [ask.prompt for ask in asks],
            Limits(self.max_new_tokens, self.recipe.evaluation.batch_tokens),
            draws=Draws(self.temperature, seeds, tokenizer.size),
        ):
            found |= batch
        return [self._record(ask, found[i], tokenizer) for i, ask in enumerate(asks)]

    def _record(self, ask: _Ask, made: Generation, tokenizer: Tokenizer) -> dict[str, Json]:
        text = tokenizer.decode(made.ids).removeprefix(self.form.separator)
        if not made.finished:
            text = text.rstrip("\ufffd")  # the first bytes of a character
        if self.breaks is not None:
            text = self.breaks.restore(text)
        reason = "stop" if made.finished else "length"
        return {"id": ask.example.id, "sample": ask.sample, "text": text, "finish_reason": reason}

    def _load(self) -> tuple[PreTrainedModel, Tokenizer]:
        if self.loaded is None:
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            model = load_model(self.checkpoint.path).eval().to(device)
            tokenizer = load_tokenizer(self.checkpoint.path)
            stop_at_all_ends(model, tokenizer)
            self.loaded = model, tokenizer
        return self.loaded


def _teachers_texts(run: Path, objective: Objective, tokenizer: Tokenizer) -> Store | None:
    """Where the teacher's own texts are; None where the student can write every line break."""
    places = [run / kind / str(objective.teacher) for kind in ("responses", "targets")]
    found = next((place for place in places if place.is_dir()), None)
    return Store.open(found) if found is not None and loses_line_breaks(tokenizer) else None


def _responses(store: Store) -> Iterator[Response]:
    return (response for texts in store.texts() for response in texts.responses)


def _content(checkpoint: Checkpoint) -> str:
    """Of the hashes that the checkpoint was completed with."""
    return hashlib.sha256((checkpoint.path / checkpoints.COMPLETE).read_bytes()).hexdigest()


def _digest(asks: Sequence[_Ask]) -> str:
    told = [[ask.example.id, ask.sample, ask.prompt] for ask in asks]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _counts(path: Path) -> dict[str, Json]:
    records = [record for _, record in json_lines(path, "drawn texts, as JSON lines")]
    return {
        "questions": len({str(record.get("id")) for record in records}),
        "texts": len(records),
        "cut_by_length": sum(record.get("finish_reason") == "length" for record in records),
        "blank": sum(not str(record.get("text")).strip() for record in records),
    }
