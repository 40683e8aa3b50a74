"""What a teacher can do: write texts or score given ones, with sparse rows for every token.

One scored text of a teacher whose tokens are ``b"The"``, ``b" answer"``, ...::

    text            "The answer is 72"
    token_id        [464, 3280, 318, 7724, 50256]                          (R,)
    token_logprob   [-0.1, -0.0, -0.0, -0.4, -0.2]                         (R,) nats
    distributions   464 -0.1  1114 -3.2  tail -3.5 | 3280 -0.0 ...         R rows

These are columns of the store as they are: with a ``Response`` they become a ``Sample``.

Row t is the distribution from which token t was drawn, at temperature 1 whatever the sampling
temperature, so that every row's stored and tail mass is 1. A token that was drawn outside the top
K is part of the tail. The last token is the end, one of the tokenizer's ``ends``, where the teacher
wrote it or the text was cut with a row to spare; ``text`` is without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions, concatenate, one_hot
from specialize.records import Prompt, Response
from specialize.store.shard import Sample, misfit
from specialize.tokens import Tokenizer

Finish = Literal["eos", "answer", "stop", "length", "given"]


@dataclass(frozen=True, slots=True)
class TeacherDescription:
    """Which teacher it is: everything that would change its distributions.

    ``tokenizer`` is a name for people, ``fingerprint`` decides; ``vocabulary_size`` is the width
    of a distribution, which may be padded beyond the tokenizer's ids. ``arithmetic`` says what
    else decides the last bits of a number: device and batches. ``tail`` is ``exact`` where it is
    summed from all logits, ``complement`` where only 1 - sum of the entries can be known.
    ``probe`` is what a served teacher was found to return; empty for a local one.
    """

    name: str
    revision: str
    dtype: str
    tokenizer: str
    fingerprint: str
    vocabulary_size: int
    arithmetic: str = ""
    tail: Literal["exact", "complement"] = "exact"
    probe: Mapping[str, bool | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How texts are drawn, and how much of each distribution is kept."""

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0  # draw from the most probable tokens of at least this mass
    top_k: int = 5  # entries kept per position; it does not limit what is drawn
    until: Callable[[str], int | None] | None = None  # the text is over where it gives an offset
    stop: tuple[str, ...] = ()  # a server ends with the first of these texts
    entry_mass: float = 1.0  # of the top_k, keep only the first entries that reach this mass
    draws: int | None = None  # keep the ids of this many draws from the row, not the top_k
    tail_temperatures: tuple[float, ...] = ()  # at which the tail is taken too

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.top_k < 1:
            raise ValueError(
                f"max_new_tokens and top_k must be at least 1, got {self.max_new_tokens} and "
                f"{self.top_k}"
            )
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be above 0 and finite, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")
        if not 0 < self.entry_mass <= 1 or (self.draws is not None and self.draws < 1):
            raise ValueError(
                f"entry_mass must be in (0, 1] and draws at least 1, got {self.entry_mass} and "
                f"{self.draws}"
            )
        if self.draws is not None and (self.entry_mass < 1 or self.tail_temperatures):
            raise ValueError(
                "drawn entries have no tail, so that neither a mass nor its "
                "temperatures can be stored; leave out entry_mass and tail_temperatures"
            )

    @property
    def slots(self) -> int:
        """The most entries that a position can have."""
        return self.top_k if self.draws is None else self.draws


def _no_ids() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


def _no_logprobs() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


def _no_tails() -> NDArray[np.float32]:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A text with the teacher's sparse rows; shapes and units are in the module's docstring.

    ``finish``: the teacher ended it (eos), its answer line was complete (answer), it came to a
    text of ``Sampling.stop`` (stop), the limit or the context cut it (length), or it was given to
    be scored (given). ``fault`` says why a served teacher's response could not be believed; there
    are no tokens then, and the response is counted but never stored.
    """

    text: str
    token_id: NDArray[np.int32]
    token_logprob: NDArray[np.float32]
    distributions: SparseDistributions
    finish: Finish
    fault: str = ""
    tempered_tails: NDArray[np.float32] = field(default_factory=_no_tails)  # (R, M)
    # the likeliest end at each position and its nats; empty where the teacher does not tell them
    end_id: NDArray[np.int32] = field(default_factory=_no_ids)
    end_logprob: NDArray[np.float32] = field(default_factory=_no_logprobs)
    thinking: str = ""  # what a teacher wrote before the text and keeps apart from it
    thought: ScoredText | None = None  # its tokens and rows, marks included, where there are any

    def __post_init__(self) -> None:
        fault = misfit(self.token_id, self.token_logprob, self.distributions, self.tempered_tails)
        if fault is not None:
            raise ValueError(f"text {self.text[:20]!r}: {fault}")

    def __len__(self) -> int:
        return len(self.token_id)

    def first(self, rows: int, text: str) -> ScoredText:
        """The first ``rows`` tokens, which are those of ``text``."""
        return replace(
            self,
            text=text,
            token_id=self.token_id[:rows],
            token_logprob=self.token_logprob[:rows],
            distributions=self.distributions[:rows],
            tempered_tails=self.tempered_tails[:rows],
            end_id=self.end_id[:rows],
            end_logprob=self.end_logprob[:rows],
        )

    def after(self, rows: int, text: str) -> ScoredText:
        """Without the first ``rows`` tokens; the others are those of ``text``."""
        return replace(
            self,
            text=text,
            token_id=self.token_id[rows:],
            token_logprob=self.token_logprob[rows:],
            distributions=self.distributions[rows:],
            tempered_tails=self.tempered_tails[rows:],
            end_id=self.end_id[rows:],
            end_logprob=self.end_logprob[rows:],
        )

    def sample(self, response: Response) -> Sample:
        """The row of the store: ``response``, which has this text, with these columns."""
        return Sample(
            response, self.token_id, self.token_logprob, self.distributions, self.tempered_tails
        )

    def after_thought(self, said: Sample) -> Sample:
        """``said``, made of this text or its beginning, with the thinking's rows before it."""
        if self.thought is None or not len(self.thought):
            return said
        response = replace(said.response, thinking_tokens=len(self.thought))
        tails = (self.thought.tempered_tails, said.tempered_tails)
        return Sample(
            response,
            np.concatenate([self.thought.token_id, said.token_id]),
            np.concatenate([self.thought.token_logprob, said.token_logprob]),
            concatenate([self.thought.distributions, said.distributions]),
            np.concatenate(tails) if tails[0].size else tails[0],
        )

    @property
    def finished(self) -> bool:
        """Whether the text is whole, not cut by a limit."""
        return self.finish != "length"


def quarantined(fault: str) -> ScoredText:
    """In place of a response that could not be believed."""
    return ScoredText("", _no_ids(), _no_logprobs(), one_hot(_no_ids()), "length", fault)


class Teacher(Protocol):
    """A source of scored texts. Results come in the order of the arguments."""

    @property
    def description(self) -> TeacherDescription:
        """Which teacher this is."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""

    @property
    def continues(self) -> bool:
        """True where the text continues the prompt (causal), False where it starts anew."""

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and text together (causal) or of either; None: no bound."""

    def prompt_tokens(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """What the model reads of each prompt; a prompt that was read before costs nothing."""

    def sample(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], settings: Sampling
    ) -> list[ScoredText]:
        """Draw one text per prompt; text i depends on prompt i and seed i alone.

        (Up to the rounding of batched arithmetic: the same call gives the same bits.)
        """

    def score(
        self, prompts: Sequence[Prompt], texts: Sequence[str], settings: Sampling
    ) -> list[ScoredText]:
        """The rows of given texts, and that of the end after each; how to draw does not count.

        A text without a row for its end is allowed: no end is taught then.
        """
