"""A teacher that says what it is told to, without a model: texts by prompt and seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from align import from_padded
from specialize.teacher.protocol import Finish, Sampling, ScoredText, TeacherDescription
from specialize.tokens import Tokenizer

Says = Callable[[str, int], tuple[str, Finish]]


@dataclass
class ScriptedTeacher:
    """``says(prompt, turn)`` is the text of the turn-th sample of a prompt and how it ended."""

    tokenizer: Tokenizer
    says: Says
    continues: bool = True
    context: int | None = None
    asked: list[str] = field(default_factory=list)
    k: int = 5

    @property
    def description(self) -> TeacherDescription:
        tokenizer = self.tokenizer
        return TeacherDescription(
            "scripted", "1", "float32", tokenizer.name, tokenizer.fingerprint, tokenizer.size + 2
        )

    def prompt_tokens(self, prompts: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(ids) for ids in self.tokenizer.encode_prompts(prompts)]

    def sample(
        self, prompts: Sequence[str], seeds: Sequence[int], settings: Sampling
    ) -> list[ScoredText]:
        said = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            turn = self.asked.count(prompt)
            self.asked.append(prompt)
            text, finish = self.says(prompt, turn)
            said.append(self.scored(text, finish, settings.top_k, seed))
        return said

    def score(
        self, prompts: Sequence[str], texts: Sequence[str], settings: Sampling
    ) -> list[ScoredText]:
        self.asked += prompts
        return [self.scored(text, "given", settings.top_k, 0) for text in texts]

    def scored(self, text: str, finish: Finish, k: int, seed: int) -> ScoredText:
        ids = self.tokenizer.encode(text, eos=finish == "eos")
        rows = len(ids)
        rng = np.random.default_rng(seed)
        masses = -np.sort(-rng.dirichlet(np.ones(k + 1), size=rows)[:, :k], axis=1)
        entries = np.stack(
            [(np.arange(k) * 7 + token) % self.tokenizer.size for token in ids]
        ) if rows else np.zeros((0, k))  # fmt: skip
        return ScoredText(
            text,
            np.array(ids, np.int32),
            np.log(masses[:, 0]).astype(np.float32),
            from_padded(entries, np.log(masses), np.log1p(-masses.sum(axis=1))),
            finish,
        )
