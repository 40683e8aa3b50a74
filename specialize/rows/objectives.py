"""What each objective of a recipe teaches: where its targets are found, and how one is read.

Finding goes through the stores once and notes numbers (``Found``); reading makes one target from
its numbers, by the same steps: what was said, what was thought before it, several teachers'
average, which of its rows carry the loss, its end in a chat.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from align.sparse import one_hot
from specialize.config.recipe import Objective, Recipe
from specialize.datasets import kind_of
from specialize.formats import ChatFormat, PromptFormat, by_name
from specialize.records import Example
from specialize.rows.averaging import average_rows, of_every_teacher
from specialize.rows.filtering import filtered
from specialize.rows.found import Found
from specialize.rows.ids import Ids
from specialize.rows.targets import (
    Asked,
    Limits,
    Target,
    as_stored,
    gold_targets,
    spoken_targets,
    teacher_targets,
)
from specialize.rows.thinking import Thinking, thinking_of
from specialize.rows.turns import with_turn_end
from specialize.rows.unlikely import unlikely
from specialize.store import Sample, Store
from specialize.tokens import Tokenizer

Lost = Counter[str]
Read = Callable[[Example, int, int, Sequence[int]], Target]  # example, sample, length, where

_TEXTS = ("distribution", "rationale")  # targets that are a teacher's text
_FEW = 1024  # targets that are read together


@dataclass(frozen=True, slots=True)
class ObjectiveTargets:
    """The targets of a recipe's objectives.

    Attributes:
        examples: those with gold answers, then those without; ``labelled`` says how many have one.
        stores: target stores by teacher, in the vocabulary of ``tokenizer``.
        encoder_decoder: prompt and target are two texts.
        fresh: of a window of the stores, the places of the examples whose gold answers it has;
            None: of whole stores, all.
    """

    recipe: Recipe
    examples: Sequence[Example]
    labelled: int
    stores: Mapping[str, Store]
    tokenizer: Tokenizer
    encoder_decoder: bool
    fresh: frozenset[int] | None = None
    _taught: dict[tuple[str, str, str, str], tuple[Found, Lost]] = field(default_factory=dict)
    _examples_digest: list[str] = field(default_factory=list)

    def window(self, stores: Mapping[str, Store], fresh: frozenset[int]) -> ObjectiveTargets:
        """The same of a part of the stores, with the gold answers of ``fresh`` alone."""
        return replace(self, stores=stores, fresh=fresh, _taught={})

    @property
    def examples_digest(self) -> str:
        """sha256 over all examples; made once, for every window too."""
        if not self._examples_digest:
            total = hashlib.sha256()
            for example in self.examples:
                total.update(repr(example).encode(errors="surrogatepass"))
            self._examples_digest.append(total.hexdigest())
        return self._examples_digest[0]

    def form(self, objective: Objective) -> PromptFormat:
        """The format of an objective."""
        count = max(1, objective.num_fewshot)
        return by_name(objective.format, count, chat=self.recipe.chat.style)

    def digests(self) -> dict[str, str]:
        """What tells whether the stores hold the same, by teacher."""
        return {
            name: store.digest if self.fresh is None else store.shards_digest
            for name, store in sorted(self.stores.items())
        }

    def find(self, objective: Objective, given: Ids) -> tuple[Found, Lost]:
        """The targets of an objective, and why others are not among them.

        Args:
            objective: of the recipe.
            given: where the ids of targets that are in no store go.
        """
        training, asked = self.recipe.training, self._asked(objective)
        form, lead = self.form(objective), self._lead(objective)
        if not objective.teachers:
            most = training.max_target_tokens
            return gold_targets(asked, form, self.tokenizer, given, lead=lead, most=most)
        if self._is_given(objective):
            store, limits = self.stores[objective.teachers[0]], self._limits(objective)
            return spoken_targets(store, asked, limits, form, self.tokenizer, given, lead=lead)
        thinking = self._thinking(objective)
        told = "" if thinking is None else objective.target
        source = (",".join(objective.teachers), objective.keep, objective.examples, told)
        if source not in self._taught:  # stores are gone through once
            self._taught[source] = self._find_stored(objective, asked, thinking)
        found, lost = self._taught[source]
        return self._sieved(objective, found, Counter(lost))

    def read(self, objective: Objective, given: Ids) -> Read:
        """What makes a target of an objective from its numbers; see ``find``."""
        turned = isinstance(self.form(objective), ChatFormat)
        read = self._read_given(given) if self._is_given(objective) else self._taught_by(objective)

        def finished(example: Example, sample: int, length: int, where: Sequence[int]) -> Target:
            target = read(example, sample, length, where)
            return with_turn_end(target, self.tokenizer) if turned else target

        return finished

    # ---- finding -------------------------------------------------------------------------------

    def _find_stored(
        self, objective: Objective, asked: Asked, thinking: Thinking | None
    ) -> tuple[Found, Lost]:
        """The kept responses of the objective's teachers; those that all have, where averaged."""
        limits, names = self._limits(objective), objective.teachers
        whole = None if thinking is None else self._whole(thinking)
        each = [
            teacher_targets(self.stores[name], asked, limits, self.tokenizer, whole=whole)
            for name in names
        ]
        if not objective.average:
            return each[0]
        lost: Lost = Counter()
        for name, (_, reasons) in zip(names, each, strict=True):
            lost.update({f"{name}_{reason}": count for reason, count in reasons.items()})
        ids_of = [partial(self._ids, self._read_stored(name, thinking)) for name in names]
        found, missing = of_every_teacher([found for found, _ in each], ids_of)
        lost["not_of_every_teacher"] += missing
        return found, lost

    def _ids(self, read: Read, place: int, where: Sequence[int]) -> NDArray[np.int32]:
        return read(self.examples[place], 0, 0, where).ids

    def _sieved(self, objective: Objective, found: Found, lost: Lost) -> tuple[Found, Lost]:
        """The targets of which some row carries the loss."""
        wanted = objective.row_filter
        if wanted.passes_all:
            return found, lost
        read = self._base(objective)
        learned = np.zeros(len(found), np.int64)
        for block in _blocks(len(found)):
            targets = [read(*self._numbers(found, i)) for i in block]
            kept, sieved = filtered(targets, wanted)
            lost.update(sieved)
            counts = {(t.example.id, t.sample): int(t.carries_loss().sum()) for t in kept}
            learned[block.start : block.stop] = [
                counts.get((target.example.id, target.sample), 0) for target in targets
            ]
        return replace(found, learned=learned).take(learned > 0), lost

    # ---- reading -------------------------------------------------------------------------------

    def _taught_by(self, objective: Objective) -> Read:
        """A teacher's text: as it was aligned, as certain rows, or as what not to write."""
        base, wanted = self._base(objective), objective.row_filter
        sieves = not wanted.passes_all

        def read(example: Example, sample: int, length: int, where: Sequence[int]) -> Target:
            target = base(example, sample, length, where)
            if sieves:
                target = filtered([target], wanted)[0][0]
            if objective.target == "rationale":
                return replace(target, distributions=one_hot(target.ids))
            if objective.target == "unlikelihood":
                return replace(target, distributions=unlikely(target.ids))
            return target

        return read

    def _base(self, objective: Objective) -> Read:
        """A teacher's text as it was aligned, or the average of several teachers' rows over it."""
        thinking = self._thinking(objective)
        reads = [self._read_stored(name, thinking) for name in objective.teachers]
        if not objective.average:
            return reads[0]
        total = sum(objective.average.values())
        shares = [objective.average[name] / total for name in objective.teachers]

        def averaged(example: Example, sample: int, length: int, where: Sequence[int]) -> Target:
            each = [
                read(example, sample, length, where[2 * i : 2 * i + 2])
                for i, read in enumerate(reads)
            ]
            rows = average_rows([target.distributions for target in each], shares)
            return replace(each[0], distributions=rows)

        return averaged

    def _read_stored(self, name: str, thinking: Thinking | None) -> Read:
        """What a teacher said, after what it thought where that is wanted."""
        store, whole = self.stores[name], self._whole(thinking)

        def read(example: Example, sample: int, length: int, where: Sequence[int]) -> Target:
            target = whole(example, store.sample_at(where[0], where[1]))
            if target is None:
                raise ValueError(f"{store.path}: the thinking of {example.id!r} has no rows")
            return target

        return read

    def _whole(self, thinking: Thinking | None) -> Callable[[Example, Sample], Target | None]:
        eos = self.tokenizer.eos
        assert eos is not None

        def whole(example: Example, sample: Sample) -> Target | None:
            said = Target(example, sample.response.sample, *as_stored(sample.content(), eos))
            return said if thinking is None else thinking.before(said, sample)

        return whole

    def _read_given(self, given: Ids) -> Read:
        def read(example: Example, sample: int, length: int, where: Sequence[int]) -> Target:
            ids = given.read(where[0], length)
            return Target(example, sample, ids, one_hot(ids))

        return read

    # ---- what an objective says ------------------------------------------------------------------

    def _is_given(self, objective: Objective) -> bool:
        """Whether its targets are written here, and not in a store."""
        return not objective.teachers or objective.target in ("answer", "solution")

    def _thinking(self, objective: Objective) -> Thinking | None:
        if not isinstance(self.form(objective), ChatFormat) or objective.target not in _TEXTS:
            return None
        return thinking_of(self.recipe.chat, self.tokenizer, hard=objective.target == "rationale")

    def _asked(self, objective: Objective) -> Asked:
        """The examples that an objective is about; only labelled ones have gold answers."""
        if not objective.teachers:
            return Asked(self.examples, 0, self.labelled, self.fresh)
        if objective.examples == "labelled":
            return Asked(self.examples, 0, self.labelled)
        first = self.labelled if objective.examples == "unlabelled" else 0
        return Asked(self.examples, first, len(self.examples))

    def _lead(self, objective: Objective) -> str:
        return "" if self.encoder_decoder else self.form(objective).separator

    def _limits(self, objective: Objective) -> Limits:
        training = self.recipe.training
        kind = kind_of(self.recipe.train_on.set)
        return Limits(
            objective.keep, training.samples_per_question, training.max_target_tokens, kind
        )

    def _numbers(self, found: Found, i: int) -> tuple[Example, int, int, list[int]]:
        example = self.examples[int(found.example[i])]
        return example, int(found.sample[i]), int(found.length[i]), found.where[:, i].tolist()


def _blocks(count: int) -> Iterator[range]:
    return (range(first, min(first + _FEW, count)) for first in range(0, count, _FEW))
