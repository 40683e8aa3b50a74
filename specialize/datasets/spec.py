"""What is known of one published set, in one value: how it is read, graded, split and licensed.

    SETS["gsm8k"].kind                              "number"
    SETS["gsm8k"].read(Path("data/gsm8k"), "test")  1,319 examples

A new set is one file in ``sets`` that builds a ``SetSpec``, and one line in ``sets/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from specialize.answers import Kind
from specialize.records import Example


@dataclass(frozen=True, slots=True)
class Published:
    """A set as published, by its ids, and what the paper protocol draws from it."""

    what: str
    validation: int
    total: int
    all_ids: str  # digest over every id
    drawn_ids: str  # digest over the drawn ones


@dataclass(frozen=True, slots=True)
class SetSpec:
    """A published set.

    Attributes:
        name: by which recipes and commands call it, and with which its ids begin.
        kind: how its answers are compared.
        read: its examples from a file or directory, of the split that is named.
        licence: under which it is published.
        source: the paper that describes it.
        from_hub: its examples from the Hugging Face hub; None: it is not there.
        pinned: what the paper protocol draws; None: the protocol does not cover it.
        version: raised when the same files give other examples than before.
    """

    name: str
    kind: Kind
    read: Callable[[Path, str | None], list[Example]]
    licence: str
    source: str
    from_hub: Callable[[str | None], list[Example]] | None = None
    pinned: Published | None = None
    version: int = 1
