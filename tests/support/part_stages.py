"""Dump and align of four small shards, or of a part of them, without a model.

Texts and rows follow from prompt and seed, so that any process writes the same. Each shard that is
begun leaves a line in a log, where there is one, and takes its time.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np

from align import from_padded
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.io.part import Part
from specialize.quickstart.run import MODELS
from specialize.records import Example
from specialize.store import Shard
from specialize.targets.projecting import Job, Prepared
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Finish, Sampling, ScoredText
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_teacher import Says, ScriptedTeacher

MANY = toys.examples(30)
EXAMPLES = MANY[:7]
SHARD = 4  # samples, of 14


def _says(prompt: str, turn: int) -> tuple[str, Finish]:
    example = next(e for e in MANY if f"{e.question}\n" in prompt)
    return f"{example.rationale}\nThe answer is {example.answer if turn else 1}", "eos"


class Drawing(ScriptedTeacher):
    """Its candidates are tokens of other texts, so that words begin as words go on elsewhere."""

    def scored(self, text: str, finish: Finish, k: int, seed: int) -> ScoredText:
        plain, rng = super().scored(text, finish, k, seed), np.random.default_rng(seed)
        texts = [f"{e.rationale}\nThe answer is {e.answer}" for e in EXAMPLES]
        used = np.unique(np.concatenate([self.tokenizer.encode(each) for each in texts]))
        rows = np.stack([
            [token, *rng.permutation(used[used != token])[: k - 1]] for token in plain.token_id
        ])  # fmt: skip
        masses = -np.sort(-rng.dirichlet(np.ones(k + 1), size=len(rows))[:, :k], axis=1)
        logprobs = np.log(masses)
        return replace(
            plain,
            token_logprob=logprobs[:, 0].astype(np.float32),
            distributions=from_padded(rows, logprobs, np.log1p(-masses.sum(axis=1))),
        )


@dataclass(frozen=True)
class Watched:
    """Notes what is begun, and how long each shard shall take.

    The file ``log`` gets a line a shard: its first key, and the process.
    """

    log: Path | None = None
    seconds: float = 0.0
    killed_once: bool = False  # the process that begins the second shard of part 1 dies there

    def begin(self, key: object, part: Part | None) -> None:
        if self.log is None:
            return
        before = self.lines()
        with self.log.open("a") as file:
            file.write(f"{part} {key} {os.getpid()}\n")
        time.sleep(self.seconds)
        own = [line for line in before if line.startswith("1/")]
        if self.killed_once and part is not None and part.index == 1 and len(own) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def lines(self) -> list[str]:
        """The log so far."""
        there = self.log is not None and self.log.exists()
        return self.log.read_text().splitlines() if there else []

    def begun(self) -> list[str]:
        """The keys of all shards begun so far, as often as they were, sorted."""
        return sorted(line.split()[1] for line in self.lines())


UNWATCHED = Watched()


def dump_into(
    out: Path, part: Part | None = None, *, seed: int = 0, says: Says = _says,
    teacher: type[ScriptedTeacher] = Drawing, watched: Watched = UNWATCHED,
    examples: Sequence[Example] = EXAMPLES,
) -> ScriptedTeacher:  # fmt: skip
    settings = TeacherSettings(samples=2, max_new_tokens=30)
    made = teacher(load_tokenizer(MODELS / "teacher"), says)
    answer = made.sample

    def sample(prompts: Sequence[str], seeds: Sequence[int], how: Sampling) -> list[ScoredText]:
        watched.begin(seeds[0], part)
        return answer(prompts, seeds, how)

    with mock.patch.object(made, "sample", sample):
        dump(made, examples, out, settings, seed=seed, shard_samples=SHARD, part=part)
    return made


def align_into(
    responses: Path, out: Path, part: Part | None = None, *, watched: Watched = UNWATCHED
) -> None:
    project = Job.project

    def watch(job: Job, shard: Shard, prepared: Prepared) -> tuple[Shard, Counter[str]]:
        watched.begin(shard.responses[0].example_id, part)
        return project(job, shard, prepared)

    with mock.patch.object(Job, "project", watch):
        write_targets(responses, out, student=str(MODELS / "student"), part=part, threads=1)
