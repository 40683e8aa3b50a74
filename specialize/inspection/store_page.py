"""One response of a store as an HTML page: probability flow and heat map of the stored entries.

    the text       every token shaded by how unlikely the teacher found it
    the flow       per position: probability of the token at the position, mass that is stored
    the heat map   per position, as a column: the stored entries, most probable on top

The views are those of the notebooks of Fu et al. 2023 (arXiv:2301.12726, code). The page is one
file without script; whatever a model wrote is escaped, and a policy in its head forbids all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from specialize.errors import ConfigurationError
from specialize.inspection.store import find_sample, shown
from specialize.io.files import write_atomically
from specialize.store import Sample, Store

_STEP, _HEIGHT = 18.0, 120.0  # SVG units of a position and of probability 1
_ENTRIES = 10  # rows of the heat map, at most


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell: what it spells, its probability, and whether it is the token at the position."""

    piece: str
    probability: float
    actual: bool


@dataclass(frozen=True, slots=True)
class Position:
    """One column of the page."""

    number: int
    piece: str
    probability: float
    stored: float  # mass of the stored entries
    entries: tuple[Entry, ...]


def write_page(path: Path, example: str | None, sample: int, out: Path) -> None:
    """Write the page of one sample of the store at ``path`` to ``out``.

    Raises:
        ConfigurationError: the store has no such sample, or ``out`` is there already.
        StoreError: the store is damaged or unfinished.
    """
    if out.exists():
        raise ConfigurationError(f"{out} is there already; name a new file or remove it first")
    store = Store.open(path)
    write_atomically(out, html_page(store, find_sample(store, example, sample)).encode())


def html_page(store: Store, sample: Sample) -> str:
    """The page's text."""
    positions = _positions(sample, store.vocabulary())
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = (files("specialize.inspection") / "store_page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        response=sample.response,
        about=store.description,
        positions=positions,
        ranks=range(min(_ENTRIES, store.description.k)),
        flow=_line(np.exp(sample.token_logprob.astype(np.float64))),
        stored=_line(1 - np.exp(sample.distributions.tail.astype(np.float64))),
        width=max(1.0, len(positions) * _STEP),
        height=_HEIGHT,
        step=_STEP,
        nats=-float(sample.token_logprob.astype(np.float64).mean()) if len(sample) else 0.0,
    )


def _positions(sample: Sample, vocabulary: Mapping[int, bytes]) -> list[Position]:
    own = np.exp(sample.token_logprob.astype(np.float64)).tolist()
    tails = np.exp(sample.distributions.tail.astype(np.float64)).tolist()
    found = []
    for i, token in enumerate(sample.token_id.tolist()):
        row = sample.distributions[i : i + 1]
        probabilities = np.exp(row.logprobs.astype(np.float64))
        pairs = zip(row.ids.tolist(), probabilities.tolist(), strict=True)
        entries = [
            Entry(shown(vocabulary[entry]), probability, entry == token)
            for entry, probability in pairs
            if probability > 0
        ]
        found.append(
            Position(i, shown(vocabulary[token]), own[i], 1 - tails[i], tuple(entries[:_ENTRIES]))
        )
    return found


def _line(values: NDArray[np.float64]) -> str:
    """Points of a polyline through ``values``, one a position."""
    points = enumerate(np.clip(values, 0, 1).tolist())
    return " ".join(f"{(i + 0.5) * _STEP:.1f},{_HEIGHT * (1 - v):.1f}" for i, v in points)
