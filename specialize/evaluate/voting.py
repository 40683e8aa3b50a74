"""Self-consistency: several drawn answers to one question, the majority's counts.

    "... The answer is 18", "... is 18.0", "... is 20"   ->  the first text, whose answer most gave

Wang et al. 2023 (arXiv:2203.11171): answers are counted by value; of equally frequent ones the one
that was given first wins, and answers that cannot be read have no vote.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from specialize.answers import Kind, canonical, find_answer


def seed_of(seed: int, id_: str, sample: int) -> int:
    """The seed of one drawn answer: of nothing but the recipe's, the example's id and a number."""
    return int.from_bytes(hashlib.sha256(f"{seed} {id_} {sample}".encode()).digest()[:8], "big")


def majority(texts: Sequence[str], kind: Kind) -> int:
    """Position of the first text that gives the most frequent answer; 0 where none can be read."""
    found = [find_answer(text, kind=kind) for text in texts]
    votes = [None if answer is None else canonical(answer, kind=kind) for answer in found]
    counts = Counter(vote for vote in votes if vote is not None)
    if not counts:
        return 0
    # most_common keeps the order of first appearance among equals
    return votes.index(counts.most_common(1)[0][0])
