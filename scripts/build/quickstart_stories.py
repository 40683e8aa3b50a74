"""Write grade-school word problems: a seeded draw becomes a question, a worked solution, an answer.

One worked draw of the family "shop"::

    question   Tom has 3 boxes with 4 pens each. He gives 5 pens to Ann. How many pens are left?
    rationale  Tom has 3 * 4 = 12 pens.
               Then 12 - 5 = 7 pens are left.
    answer     7

A story is a chain of operations on one running amount. What is said for an operation, and how the
solution words it, is drawn from a table of phrases; a family is a table, a range of numbers and a
number of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from quickstart_phrases import FARM_PHRASES, SHOP_PHRASES, Operation, Phrases

T = TypeVar("T")

_PEOPLE = tuple(
    (name, pronoun)
    for names, pronoun in (
        (("Tom", "Sam", "Ben", "Omar", "Hugo"), "he"),
        (("Ann", "Mia", "Eva", "Lily", "Nora"), "she"),
    )
    for name in names
)
_OBJECT = {"he": "him", "she": "her"}


@dataclass(frozen=True, slots=True)
class Family:
    """Stories that share their phrasing, their range of numbers and their number of steps."""

    table: dict[Operation, Phrases]
    opening: tuple[str, ...]  # how a story without a first "pack" begins
    things: tuple[str, ...]
    holders: tuple[str, ...]
    steps: tuple[int, ...]
    start: tuple[int, int]  # inclusive range of a plain first amount
    change: tuple[int, int]  # inclusive range of what is added or taken away
    product: tuple[tuple[int, int], tuple[int, int]]  # inclusive ranges of both factors
    limit: int  # no amount is larger
    question_first: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    question: str
    rationale: str
    answer: str


_SHOP_THINGS = ("pens", "books", "cups", "toys", "cards", "stamps")
_SHOP_OPENING = ("{N} has {c} {u}.", "{N} starts with {c} {u}.")

SHOP = Family(
    table=SHOP_PHRASES,
    opening=_SHOP_OPENING,
    things=_SHOP_THINGS,
    holders=("boxes", "bags"),
    steps=(2, 2, 3),
    start=(4, 15),
    change=(2, 9),
    product=((2, 5), (2, 6)),
    limit=24,
)
FARM = Family(
    table=FARM_PHRASES,
    opening=("the farm starts with {c} {u}", "a farmer owns {c} {u}"),
    things=("eggs", "apples", "plums", "beans"),
    holders=("baskets", "trees"),
    steps=(2, 2, 3),
    start=(4, 15),
    change=(2, 9),
    product=((2, 5), (2, 6)),
    limit=24,
    question_first=True,
)
DEPOT = Family(
    table={name: SHOP_PHRASES[name] for name in ("pack", "gain", "lose")},
    opening=_SHOP_OPENING,
    things=("bricks", "tiles", "planks", "bolts"),
    holders=("boxes", "bags"),
    steps=(2, 2, 3),
    start=(20, 40),
    change=(5, 15),
    product=((2, 4), (8, 15)),
    limit=60,
)
ERRANDS = Family(
    table=SHOP_PHRASES,
    opening=_SHOP_OPENING,
    things=_SHOP_THINGS,
    holders=("boxes", "bags"),
    steps=(4,),
    start=(4, 15),
    change=(2, 9),
    product=((2, 5), (2, 6)),
    limit=24,
)


def write_story(family: Family, rng: np.random.Generator, *, steps: int | None = None) -> Story:
    """Draw one problem of ``family``; ``steps`` overrides the family's number of steps."""
    count = steps if steps is not None else _pick(rng, family.steps)
    while True:
        chain = _draw_chain(family, rng, count)
        if chain is not None:
            return _word(family, rng, *chain)


def _pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _between(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(bounds[0], bounds[1] + 1))


# One operation of a chain: its name, the amount before, the operand, the amount after.
_Link = tuple[Operation, int, int, int]


def _draw_chain(
    family: Family, rng: np.random.Generator, count: int
) -> tuple[int, list[_Link]] | None:
    """A first amount and ``count`` operations that stay within the limit; None: draw again."""
    links: list[_Link] = []
    if rng.random() < 0.5:
        a, b = _between(rng, family.product[0]), _between(rng, family.product[1])
        links.append(("pack", a, b, a * b))
        amount = a * b
    else:
        amount = _between(rng, family.start)
    first = amount
    while len(links) < count:
        last = len(links) == count - 1
        before_last = len(links) == count - 2
        link = _draw_link(family, rng, amount, last=last, pays=before_last)
        if link is None:
            return None
        links.append(link)
        if link[0] == "price" and before_last:
            a = link[3]
            paid = _pick(rng, [note for note in (10, 20, 24) if note > a] or [0])
            if not paid:
                return None
            links.append(("change", a, paid, paid - a))
        amount = links[-1][3]
    return (first, links) if max(link[3] for link in links) <= family.limit else None


def _draw_link(
    family: Family, rng: np.random.Generator, amount: int, *, last: bool, pays: bool
) -> _Link | None:
    """One operation on ``amount``, or None where the drawn one does not fit."""
    names: list[Operation] = ["gain", "lose", "lose", "gain"]
    if last:
        names += [name for name in ("grow", "share", "price") if name in family.table]
    elif pays and "change" in family.table:
        names += ["price"]
    name = _pick(rng, names)
    if name == "gain":
        b = _between(rng, family.change)
        return (name, amount, b, amount + b)
    if name == "lose":
        b = _between(rng, family.change)
        return (name, amount, b, amount - b) if b < amount else None
    b = _between(rng, (2, 4))
    if name == "share":
        return (name, amount, b, amount // b) if amount % b == 0 and amount > b else None
    return (name, amount, b, amount * b) if 2 <= amount <= 12 else None


def _word(family: Family, rng: np.random.Generator, first: int, links: list[_Link]) -> Story:
    """Choose the words of a chain: the question's sentences and the solution's lines."""
    name, he = _pick(rng, _PEOPLE)
    friend = _pick(rng, [other for other, _ in _PEOPLE if other != name])
    box = _pick(rng, family.holders)
    words = {
        "N": name, "F": friend, "he": he, "He": he.capitalize(), "him": _OBJECT[he],
        "u": _pick(rng, family.things), "box": box, "hold": _singular(box),
    }  # fmt: skip
    told, solved = [], []
    if links[0][0] != "pack":
        told.append(_pick(rng, family.opening).format(c=first, **words))
    for operation, a, b, c in links:
        phrases = family.table[operation]
        told.append(_pick(rng, phrases.told).format(a=a, b=b, c=c, **words))
        solved.append(_pick(rng, phrases.solved).format(a=a, b=b, c=c, **words))
    asked = _pick(rng, family.table[links[-1][0]].asked).format(**words)
    if family.question_first:
        end = "." if asked.startswith("Find") else "?"
        question = f"{asked} " + ", then ".join(told) + end
    else:
        question = " ".join([*told, asked])
    return Story(question, "\n".join(solved), str(links[-1][3]))


def _singular(plural: str) -> str:
    return plural[:-2] if plural.endswith("xes") else plural[:-1]
