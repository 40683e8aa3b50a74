"""What may follow a position, by plain recursion over everything that a teacher can write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from specialize.pairs.ngrams import After
from specialize.pairs.oracle import Position


def all_continuations(
    after: After, pieces: Sequence[bytes], eos: int, position: Position
) -> Counter[tuple[bytes, bool]]:
    """The mass of every text up to the end of its word, and whether the teacher's end follows."""
    found: Counter[tuple[bytes, bool]] = Counter()
    emitted = position.emitted

    def follow(tokens: tuple[int, ...], text: bytes, mass: float) -> None:
        agrees = text.startswith(emitted[: len(text)])
        word = re.match(rb"(\s*\S+)\s", text[len(emitted) :])
        ended = tokens[-1:] == (eos,)
        if not agrees or (ended and len(text) < len(emitted)):
            return
        if word is not None:
            found[emitted + word.group(1), False] += mass
        elif ended:
            found[text, True] += mass
        else:
            ids, probability = after(tokens)
            for token, share in zip(ids.tolist(), probability.tolist(), strict=True):
                follow((*tokens, token), text + pieces[token], mass * share)

    ids, probability = after(position.before)
    for token, share in zip(ids.tolist(), probability.tolist(), strict=True):
        follow((*position.before, token), pieces[token], share)
    return found
