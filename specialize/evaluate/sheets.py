"""Answer sheets: what a model answered of one set, what it did not, and whether the grades hold.

A sheet is read from a file of predictions once. Grades in the file are trusted if the file says
that they follow from just this content, these examples and the present rules for answers; else
everything in it is graded again, once. Answers are added as they come, and ``settle`` puts the
complete sheet into the set's order and says what the grades follow from.

    sheet = AnswerSheet.read(file, settings, prompted)
    sheet.missing              positions of the examples without an answer that holds
    sheet.settle()             the graded predictions, in the set's order; None while some miss
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from specialize.artifacts.predictions import (
    Prediction,
    PredictionFile,
    Settings,
    StoredPredictions,
    content_digest,
    to_lines,
)
from specialize.evaluate.grading import grade, rules_digest
from specialize.evaluate.planning import PromptedSet
from specialize.evaluate.shards import suffix
from specialize.io.part import WHOLE, Part


@dataclass(frozen=True, slots=True)
class AnswerSheet:
    """One model's answers to one set in one format.

    ``answers`` holds, by the example's id, the graded predictions that need not be made again.
    """

    prompted: PromptedSet
    settings: Settings
    file: PredictionFile
    answers: dict[str, Prediction]
    found_settings: Settings | None = None  # what the file held under
    stored: StoredPredictions = field(default_factory=StoredPredictions)
    is_settled: bool = False  # as found: complete, in order, and the grades hold
    shard: Part = WHOLE

    @classmethod
    def read(
        cls,
        file: PredictionFile,
        settings: Settings,
        prompted: PromptedSet,
        *,
        found: Settings | None,
    ) -> AnswerSheet:
        """The sheet that a file holds; without answers where they do not hold any more.

        Args:
            settings: what answers are to hold under.
            found: what the file's answers were made under; None: there is no file.

        Raises:
            InputError: a line of the file is no prediction.
        """
        if found is None or not settings.permits_reuse_of(found):
            return cls(prompted, settings, file, {}, found)
        stored = file.read_stored()
        if found.graded and found.graded == _grades_digest(stored.digest, prompted):
            answers = {prediction.id: prediction for prediction in stored.predictions}
            return cls(prompted, settings, file, answers, found, stored, is_settled=True)
        return cls(prompted, settings, file, _graded(prompted, stored.predictions), found, stored)

    @property
    def missing(self) -> list[int]:
        """Positions of the examples that this process still has to answer."""
        return [
            i
            for i, example in enumerate(self.prompted.examples)
            if self.shard.has(i) and example.id not in self.answers
        ]

    def begin(self) -> None:
        """Make the file ready to be appended to, and take over what shards have answered."""
        if self.found_settings is None or not self.settings.permits_reuse_of(self.found_settings):
            self.file.path.unlink(missing_ok=True)
        self.file.drop_torn_line(self.stored)
        if self.found_settings is None or replace(self.found_settings, graded="") != self.settings:
            self.file.write_settings(self.settings)
        for shard in self.file.shards():
            found = shard.settings()
            if found is not None and self.settings.permits_reuse_of(found):
                self.add(_graded(self.prompted, shard.read()))
            shard.remove()

    def of_shard(self, shard: Part) -> AnswerSheet:
        """The part of one of several processes, with a file of its own."""
        file = self.file.of_shard(suffix(shard))
        part = AnswerSheet.read(file, self.settings, self.prompted, found=file.settings())
        return replace(part, answers=self.answers | part.answers, shard=shard)

    def add(self, graded: Mapping[str, Prediction]) -> None:
        """Append graded answers, by the example's id."""
        self.file.append(graded.values())
        self.answers.update(graded)

    def settle(self) -> list[Prediction] | None:
        """Order the file and note what its grades follow from; None where answers are missing."""
        if self.missing:
            return None
        ordered = [self.answers[example.id] for example in self.prompted.examples]
        digest = self.stored.digest
        if not self.is_settled:
            content = to_lines(ordered)
            digest = content_digest(content)
            if digest != self.stored.digest or self.stored.torn:
                self.file.replace_content(content)
        graded = replace(self.settings, graded=_grades_digest(digest, self.prompted))
        if graded != self.found_settings:
            self.file.write_settings(graded)
        return ordered


def _graded(prompted: PromptedSet, predictions: Sequence[Prediction]) -> dict[str, Prediction]:
    """The predictions that answer the very prompts of the set, graded, by id."""
    wanted = {
        (example.id, digest): example
        for example, digest in zip(prompted.examples, prompted.prompt_digests, strict=True)
    }
    asked = (
        (prediction, wanted.get((prediction.id, prediction.prompt))) for prediction in predictions
    )
    return {
        prediction.id: grade(prediction, example, prompted.kind)
        for prediction, example in asked
        if example is not None
    }


def _grades_digest(content: str, prompted: PromptedSet) -> str:
    """Of everything that the grades in a file follow from: equal, and they hold."""
    return content_digest(f"{content} {rules_digest()} {prompted.digest}".encode())
