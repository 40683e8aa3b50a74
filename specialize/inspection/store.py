"""One response of a store in the terminal: tokens, probabilities, top entries and tail.

    gsm8k/train/00000  sample 3  correct: True  answer: 72
      0  " Nat"     .602   " Nat" .60 | " she" .26 | " 48" .03     tail .063

Control characters are shown as pictures; bytes that are no UTF-8, and what is invisible or turns
the direction of writing, as escapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from specialize.errors import ConfigurationError
from specialize.io.visible import visible
from specialize.store import Sample, Store


def print_sample(path: Path, example: str | None, sample: int, console: Console) -> None:
    """Show one sample of the store at ``path``.

    Args:
        example: an example's id; None: the first of the store.

    Raises:
        ConfigurationError: the store has no such sample; names some that it has.
    """
    store = Store.open(path)
    found = find_sample(store, example, sample)
    response = found.response
    console.print(
        f"{escape(visible(response.example_id))}  sample {response.sample}  "
        f"correct: {response.correct}  answer: {escape(visible(str(response.answer)))}"
    )
    console.print(_table(found, store.vocabulary()))


def find_sample(store: Store, example: str | None, sample: int) -> Sample:
    """One sample of ``store``; of no example in particular, the first.

    Raises:
        ConfigurationError: the store has no such sample; names some that it has.
    """
    if not store.keys:
        raise ConfigurationError(f"{store.path} has no samples to show")
    key = store.keys[0] if example is None else (example, sample)
    if key not in store:
        there = ", ".join(f"{identity} {number}" for identity, number in store.keys[:3])
        raise ConfigurationError(
            f"{store.path} has no sample {key[1]} of {key[0]!r}; it has {len(store)}, such as "
            f"{there}"
        )
    return store[key]


def _table(sample: Sample, vocabulary: Mapping[int, bytes]) -> Table:
    table = Table("position", "token", "probability", "most probable", "tail", box=None)
    for i, token in enumerate(sample.token_id.tolist()):
        row = sample.distributions[i : i + 1]
        pairs = zip(row.ids.tolist(), np.exp(row.logprobs.astype(float)).tolist(), strict=True)
        entries = " | ".join(
            f"{readable(vocabulary[entry])} {probability:.3f}" for entry, probability in pairs
        )
        table.add_row(
            str(i),
            escape(readable(vocabulary[token])),
            f"{np.exp(float(sample.token_logprob[i])):.3f}",
            escape(entries),
            f"{np.exp(float(row.tail[0])):.3f}",
        )
    return table


def readable(piece: bytes) -> str:
    """A piece in quotes, nothing in it invisible; a special token, which spells nothing, as ∅."""
    return f'"{shown(piece)}"' if piece else shown(piece)


def shown(piece: bytes) -> str:
    """``readable`` without quotes."""
    return visible(piece.decode("utf-8", "backslashreplace")) if piece else "∅"
