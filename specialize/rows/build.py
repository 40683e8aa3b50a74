"""Examples, objectives and target stores -> rows.

Per objective of the recipe: ``answer`` gives one hard row per example (its gold target in the
objective's format) or, with a teacher, per response that has an answer; ``rationale`` one hard row
per kept response, ``solution`` the same followed by the teacher's answer, ``distribution`` one
row per kept response with the teacher's projected distributions, or with those of several teachers
averaged. An example for which a teacher has nothing simply has no row there: it is masked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from align.sparse import one_hot
from specialize.config.recipe import Objective, Recipe
from specialize.datasets import kind_of
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.formats import ChatFormat, PromptFormat, by_name
from specialize.records import Example
from specialize.rows.averaging import average_targets
from specialize.rows.filtering import filtered
from specialize.rows.prompts import encode, prompts_of
from specialize.rows.row import Row, RowSet
from specialize.rows.targets import Limits, Target, gold_targets, spoken_targets, teacher_targets
from specialize.rows.thinking import Thinking, thinking_of
from specialize.rows.turns import with_turn_end
from specialize.rows.unlikely import unlikely
from specialize.store import Store
from specialize.tokens import Tokenizer

_Targets = tuple[list[Target], Counter[str]]
_TEXTS = ("distribution", "rationale")  # targets that are a teacher's text


def build_rows(
    recipe: Recipe,
    examples: Sequence[Example],
    stores: Mapping[str, Store],
    tokenizer: Tokenizer,
    *,
    encoder_decoder: bool,
    unlabelled: Sequence[Example] = (),
) -> RowSet:
    """Every row that the recipe trains on.

    Args:
        recipe: names objectives, limits and the seed.
        examples: those that may be trained on and shown; nothing held out.
        stores: target stores by teacher, in the vocabulary of ``tokenizer``.
        tokenizer: the student's.
        encoder_decoder: prompts then end with the end of sequence, as T5 was trained; else the
            target follows the prompt in one text.
        unlabelled: further questions, for the teachers' answers and rationales alone.

    Raises:
        ConfigurationError: the tokenizer has no end of sequence, or too few demonstrations.
        NothingPassedError: an objective is left without rows, and does not say ``missing: mask``.
    """
    if tokenizer.eos is None:
        raise ConfigurationError(
            f"tokenizer {tokenizer.name} has no end of sequence, so a student could not learn to "
            f"stop; name it in tokenizer_config.json as eos_token"
        )
    builder = _Builder(
        recipe, examples, unlabelled, stores, tokenizer, tokenizer.eos, encoder_decoder
    )
    made = [builder.rows(number) for number in range(len(recipe.objectives))]
    return RowSet(
        objectives=tuple(objective.name for objective in recipe.objectives),
        formats=tuple(objective.format for objective in recipe.objectives),
        rows=tuple(row for rows, _ in made for row in rows),
        dropped={
            objective.name: dict(sorted(lost.items()))
            for objective, (_, lost) in zip(recipe.objectives, made, strict=True)
        },
    )


@dataclass(frozen=True, slots=True)
class _Builder:
    """What the rows of every objective are made from; responses are read once per teacher."""

    recipe: Recipe
    examples: Sequence[Example]
    unlabelled: Sequence[Example]
    stores: Mapping[str, Store]
    tokenizer: Tokenizer
    eos: int
    encoder_decoder: bool
    taught: dict[tuple[str, str, str, str], _Targets] = field(default_factory=dict)

    def rows(self, number: int) -> tuple[list[Row], Counter[str]]:
        """The rows of one objective, and what was left out."""
        objective = self.recipe.objectives[number]
        form = by_name(objective.format, max(1, objective.num_fewshot), chat=self.recipe.chat.style)
        targets, lost = self._targets(objective, form)
        if isinstance(form, ChatFormat):
            targets = [with_turn_end(target, self.tokenizer) for target in targets]
        prompts = prompts_of(objective.name, form, self.examples, targets, self.recipe.seed)
        most = self.recipe.training.max_prompt_tokens
        encoded = encode(prompts, self.tokenizer, most=most, eos=self.encoder_decoder)
        made = []
        for target, fitted in zip(targets, encoded, strict=True):
            lost["context_cut"] += fitted.cut
            if len(fitted.ids) > most:
                lost["prompt_too_long"] += 1
                continue
            key = (target.example.id, target.sample)
            made.append(
                Row(key, number, fitted.ids, target.ids, target.distributions, target.learned)
            )
        answered = any(count for reason, count in lost.items() if reason != "no_response")
        if (
            objective.missing == "refuse" or answered
        ):  # only a teacher without any response is masked
            _refuse_nothing(objective, made, lost)
        return made, lost

    def _targets(self, objective: Objective, form: PromptFormat) -> _Targets:
        most = self.recipe.training.max_target_tokens
        if not objective.teachers:
            lead = "" if self.encoder_decoder else form.separator
            return gold_targets(
                self._asked(objective), form, self.tokenizer, lead=lead, target_tokens=most
            )
        if objective.target in ("answer", "solution"):
            return self._said(objective, form)
        thinking = None
        if isinstance(form, ChatFormat) and objective.target in _TEXTS:
            hard = objective.target == "rationale"
            thinking = thinking_of(self.recipe.chat, self.tokenizer, hard=hard)
        told = "" if thinking is None else objective.target
        source = (",".join(objective.teachers), objective.keep, objective.examples, told)
        if source not in self.taught:
            self.taught[source] = self._taught(objective, thinking)
        targets, lost = self.taught[source]
        lost = Counter(lost)
        targets, sieved = filtered(targets, objective.row_filter)
        lost.update(sieved)
        if objective.target == "rationale":
            targets = [replace(target, distributions=one_hot(target.ids)) for target in targets]
        if objective.target == "unlikelihood":
            targets = [replace(target, distributions=unlikely(target.ids)) for target in targets]
        return targets, lost

    def _taught(self, objective: Objective, thinking: Thinking | None) -> _Targets:
        """The kept responses of the objective's teachers, as they were aligned."""
        asked, limits = self._asked(objective), self._limits(objective)
        before = None if thinking is None else thinking.before
        found = {
            name: teacher_targets(self.stores[name], asked, limits, self.eos, with_thinking=before)
            for name in objective.teachers
        }
        if not objective.average:
            return found[objective.teachers[0]]
        return average_targets(found, objective.average)

    def _said(self, objective: Objective, form: PromptFormat) -> _Targets:
        """The teacher's own answers, after its rationale where the target is both."""
        lead = "" if self.encoder_decoder else form.separator
        store = self.stores[objective.teachers[0]]
        limits, asked = self._limits(objective), self._asked(objective)
        return spoken_targets(store, asked, limits, form, self.tokenizer, lead=lead)

    def _asked(self, objective: Objective) -> Sequence[Example]:
        """The examples that an objective is about; only labelled ones have gold answers."""
        if objective.examples == "labelled" or not objective.teachers:
            return self.examples
        if objective.examples == "unlabelled":
            return self.unlabelled
        return [*self.examples, *self.unlabelled]

    def _limits(self, objective: Objective) -> Limits:
        training = self.recipe.training
        kind = kind_of(self.recipe.train_on.set)
        return Limits(
            objective.keep, training.samples_per_question, training.max_target_tokens, kind
        )


def _refuse_nothing(objective: Objective, rows: Sequence[Row], lost: Counter[str]) -> None:
    if not rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in lost.items() if count)
        raise NothingPassedError(
            f"objective {objective.name!r} has no row to train on ({reasons or 'no response'}); "
            f"keep: all takes wrong responses too, training.max_prompt_tokens and "
            f"max_target_tokens take longer ones, missing: mask goes on without it"
        )
