"""The phrases of the word problems: what a question says, how a solution words each of its lines.

In the templates ``{a}`` is the amount before an operation, ``{b}`` its operand, ``{c}`` the amount
after it; ``{N}`` is a person, ``{F}`` a friend, ``{u}`` the things counted, ``{box}`` what holds
them. Every line of a solution ends with ``{c}`` as its last number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operation = Literal["pack", "gain", "lose", "grow", "share", "price", "change"]


@dataclass(frozen=True, slots=True)
class Phrases:
    """What one operation may be called: in the question, and in a line of the solution."""

    told: tuple[str, ...]
    solved: tuple[str, ...]
    asked: tuple[str, ...]  # the question's last sentence when this operation ends the story


SHOP_PHRASES: dict[Operation, Phrases] = {
    "pack": Phrases(
        told=(
            "{N} has {a} {box} with {b} {u} each.",
            "{N} buys {a} {box} of {b} {u} each.",
            "{N} fills {a} {box} with {b} {u} each.",
        ),
        solved=(
            "{N} has {a} * {b} = {c} {u}.",
            "There are {a} * {b} = {c} {u} in the {box}.",
            "First, {a} * {b} = {c} {u}.",
            "The {box} hold {a} * {b} = {c} {u}.",
        ),
        asked=("How many {u} does {N} have?", "How many {u} is that in all?"),
    ),
    "gain": Phrases(
        told=(
            "Then {he} buys {b} more.",
            "{F} gives {him} {b} {u}.",
            "{He} gets {b} more {u} from {F}.",
            "{He} finds {b} {u}.",
        ),
        solved=(
            "Then {he} has {a} + {b} = {c} {u}.",
            "With {b} more, {he} has {a} + {b} = {c} {u}.",
            "Now there are {a} + {b} = {c} {u}.",
            "That makes {a} + {b} = {c} {u}.",
        ),
        asked=("How many {u} does {N} have now?", "How many {u} does {he} have in all?"),
    ),
    "lose": Phrases(
        told=(
            "{He} gives {b} {u} to {F}.",
            "{He} sells {b} {u}.",
            "{He} loses {b} of them.",
            "Then {F} takes {b} {u}.",
        ),
        solved=(
            "Then {a} - {b} = {c} {u} are left.",
            "{He} has {a} - {b} = {c} {u} left.",
            "Without {b} of them, {he} has {a} - {b} = {c} {u}.",
            "Now there are {a} - {b} = {c} {u}.",
        ),
        asked=("How many {u} are left?", "How many {u} does {N} have now?"),
    ),
    "grow": Phrases(
        told=(
            "{F} has {b} times as many.",
            "{F} has {b} times as many {u} as {N}.",
        ),
        solved=(
            "{F} has {b} * {a} = {c} {u}.",
            "That is {b} * {a} = {c} {u} for {F}.",
            "{b} times as many is {b} * {a} = {c} {u}.",
        ),
        asked=("How many {u} does {F} have?",),
    ),
    "share": Phrases(
        told=(
            "{He} shares them equally among {b} friends.",
            "{He} puts them in {b} equal rows.",
        ),
        solved=(
            "Each gets {a} / {b} = {c} {u}.",
            "That is {a} / {b} = {c} {u} each.",
            "So there are {a} / {b} = {c} {u} in each.",
        ),
        asked=("How many {u} are in each part?", "How many {u} is that for each?"),
    ),
    "price": Phrases(
        told=(
            "{He} sells all the {u} for ${b} each.",
            "The {u} cost ${b} each.",
        ),
        solved=(
            "{He} gets {a} * ${b} = ${c}.",
            "At ${b} each, that is {a} * ${b} = ${c}.",
            "The {u} cost {a} * ${b} = ${c}.",
        ),
        asked=("How much money is that, in dollars?", "How many dollars is that?"),
    ),
    "change": Phrases(
        told=("{He} pays with ${b}.", "{He} has ${b} to pay."),
        solved=(
            "{He} gets ${b} - ${a} = ${c} back.",
            "The change is ${b} - ${a} = ${c}.",
            "${a} < ${b}, so {he} has ${b} - ${a} = ${c} left.",
        ),
        asked=("How many dollars does {he} have left?", "How much change does {he} get?"),
    ),
}

FARM_PHRASES: dict[Operation, Phrases] = {
    "pack": Phrases(
        told=("there are {a} {box} and every {hold} holds {b} {u}",),
        solved=(
            "The farm starts with {a} * {b} = {c} {u}.",
            "All {box} together hold {a} * {b} = {c} {u}.",
            "{a} {box} are {a} * {b} = {c} {u}.",
        ),
        asked=("How many {u} are on the farm if", "Find the number of {u} if"),
    ),
    "gain": Phrases(
        told=(
            "another {b} are brought in",
            "{b} more {u} are picked",
            "the farmer collects {b} more",
        ),
        solved=(
            "After that the farm has {a} + {b} = {c} {u}.",
            "Adding {b} gives {a} + {b} = {c} {u}.",
            "So we count {a} + {b} = {c} {u}.",
        ),
        asked=("How many {u} are on the farm if", "Find the number of {u} if"),
    ),
    "lose": Phrases(
        told=("{b} are eaten", "{b} of the {u} go bad", "the farmer sends {b} to the market"),
        solved=(
            "After that the farm has {a} - {b} = {c} {u}.",
            "Taking {b} away gives {a} - {b} = {c} {u}.",
            "So {a} - {b} = {c} {u} remain.",
        ),
        asked=("How many {u} remain on the farm if", "Find the number of {u} that remain if"),
    ),
    "share": Phrases(
        told=("the {u} are split equally over {b} carts",),
        solved=(
            "Every cart takes {a} / {b} = {c} {u}.",
            "Split over {b} carts, that is {a} / {b} = {c} {u}.",
        ),
        asked=("How many {u} are on every cart if", "Find the number of {u} on a cart if"),
    ),
    "price": Phrases(
        told=("the farmer earns ${b} for each of the {u}",),
        solved=(
            "The farmer earns {a} * ${b} = ${c}.",
            "For ${b} each, the {u} bring {a} * ${b} = ${c}.",
        ),
        asked=("How many dollars are earned if", "Find the money earned, in dollars, if"),
    ),
}
