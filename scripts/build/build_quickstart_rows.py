r"""Put the tiny world into rows (prompt, response) and rows into batches, for the bundled models.

One worked row, zero-shot with a rationale::

    prompt    Q: Tom has 3 boxes with 4 pens each. ...\nLet's think step by step\n
    response  Tom has 3 * 4 = 12 pens.\nThe answer is 12

The four forms of prompt are those of Fu et al. 2023 (arXiv:2301.12726).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from quickstart_world import BASICS, examples

from specialize.formats import RationaleTemplate
from specialize.quickstart.world import FAMILIES, GENERAL
from specialize.records import Example

TEMPLATE = RationaleTemplate()  # the dump's own, so that teachers know it
POOL = 20_000  # training questions drawn per family
_COMMUTES = re.compile(r"(\d+) ([+*]) (\d+)")
CHUNK = 32  # batches that are drawn together, so that rows of one length share a batch


def response_of(example: Example, chain_of_thought: bool) -> str:
    answer = f"The answer is {example.answer}"
    return f"{example.rationale}\n{answer}" if chain_of_thought else answer


def prompt_of(example: Example, demonstrations: list[Example], chain_of_thought: bool) -> str:
    """The four forms of Fu et al.: zero-shot or in-context, rationale or answer alone."""
    cue, join = ("\nLet's think step by step\n", "") if chain_of_thought else ("\nA:", " ")
    shown = "".join(
        f"Q: {other.question}{cue}{join}{response_of(other, chain_of_thought)}\n\n"
        for other in demonstrations
    )
    return f"{shown}Q: {example.question}{cue}"


@dataclass(frozen=True, slots=True)
class Mixture:
    """What share of the rows each set has, and how the rows are put."""

    shares: dict[str, float]
    in_context: float  # share of rows with demonstrations
    answer_only: float  # share of rows without a rationale
    demonstrations: int = 1  # most demonstrations of a row
    direct: tuple[str, ...] = ()  # sets answered without a rationale, whatever the prompt asks
    forced: float = 0.0  # share of rows that give the answer and want the rationale alone
    openings: tuple[str, ...] = ()  # of the lines of solutions, which are then reworded


def shares(families: float, basics: float, general: float) -> dict[str, float]:
    groups = ((FAMILIES, families), (BASICS, basics), (GENERAL, general))
    return {name: share / len(names) for names, share in groups for name in names}


class Rows:
    """Rows (prompt, response) of a mixture; chunk ``c`` depends on the seed and ``c`` alone."""

    def __init__(self, mixture: Mixture, seed: int) -> None:
        self.mixture, self.seed = mixture, seed
        self.names = [name for name, share in mixture.shares.items() if share > 0]
        weights = np.array([mixture.shares[name] for name in self.names])
        self.weights = weights / weights.sum()
        sizes = dict.fromkeys(self.names, POOL) | {
            "evaluate_boolean": 5000, "compare_numbers": 4500, "arithmetic_fact": 2800,
            "farm_step": 6000, "shop_step": 12_000, "depot_step": 12_000,
        }  # fmt: skip
        self.pools = {name: _pool(name, sizes[name]) for name in self.names}

    def draw(self, chunk: int, count: int) -> list[tuple[str, str]]:
        rng = np.random.default_rng([self.seed, chunk])
        rows = []
        for name in rng.choice(self.names, size=count, p=self.weights):
            pool = self.pools[name]
            if self.mixture.forced and rng.random() < self.mixture.forced:
                example = pool[int(rng.integers(len(pool)))]
                rows.append((TEMPLATE.forced(example), example.rationale))
                continue
            demonstrations = 0
            if rng.random() < self.mixture.in_context:
                demonstrations = int(rng.integers(1, self.mixture.demonstrations + 1))
            chosen = [pool[int(i)] for i in rng.integers(len(pool), size=1 + demonstrations)]
            chain_of_thought = rng.random() >= self.mixture.answer_only
            prompt = prompt_of(chosen[0], chosen[1:], chain_of_thought)
            # a causal model goes on after "A:" with a space, as in the demonstrations
            lead = "" if chain_of_thought else " "
            reasons = chain_of_thought and name not in self.mixture.direct
            if self.mixture.openings:
                chosen[0] = reworded(chosen[0], self.mixture.openings, rng)
            rows.append((prompt, lead + response_of(chosen[0], reasons)))
        return rows


def reworded(example: Example, openings: tuple[str, ...], rng: np.random.Generator) -> Example:
    """The same solution in other words: lines opened otherwise, sums and products turned round.

    "Tom has 3 * 4 = 12 pens." may become "So, Tom has 4 * 3 = 12 pens."
    """
    lines = [
        openings[int(rng.integers(len(openings)))]
        + (_COMMUTES.sub(r"\3 \2 \1", line) if rng.random() < 0.5 else line)
        for line in example.rationale.split("\n")
    ]
    return replace(example, rationale="\n".join(lines))


@cache  # several models read the same rows
def _pool(name: str, size: int) -> list[Example]:
    return examples(name, "train", size)


def batches(
    rows: Rows, size: int, first: int, encode: Callable[[tuple[str, str]], tuple[list, list]]
) -> Iterator[list[tuple[list[int], list[int]]]]:
    """Endless batches from step ``first`` on, each of rows of about the same length."""
    chunk, skip = divmod(first, CHUNK)
    while True:
        encoded = sorted(
            (encode(row) for row in rows.draw(chunk, size * CHUNK)),
            key=lambda pair: len(pair[0]) + len(pair[1]),
        )
        order = np.random.default_rng([rows.seed, chunk, 1]).permutation(CHUNK)[skip:]
        for i in order:
            yield encoded[i * size : (i + 1) * size]
        chunk, skip = chunk + 1, 0
