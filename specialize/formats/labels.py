"""Which label a teacher's answer phrase names, or why it names none.

    read_label("(c) wooded area", cqa_example)               "wooded area", None
    read_label("either (c) a club or (d) a gym", ...)        None, "names several choices"
    read_label("(10 * 45)", svamp_example)                   "(10 * 45)", None

A phrase that names several choices is no answer: reading its first or its last letter would count
hedging as knowledge.
"""

from __future__ import annotations

import re

from specialize.answers import Kind, evaluate
from specialize.records import Example

CAUSES = (
    "no answer announced", "names several choices", "no such choice", "letter and text disagree",
    "none of the choices", "no value",
)  # fmt: skip
_LETTER = re.compile(r"\(([A-Za-z])\)")
_EDGES = " \t\n.,;:!\"'()"


def read_label(phrase: str | None, example: Example, kind: Kind) -> tuple[str | None, str | None]:
    """The label in the words of the set (a choice's text, an equation), or the cause of none.

    Args:
        phrase: what follows "the answer is"; None: nothing was announced.
        kind: ``equation`` labels must have a value; labels of other kinds without choices are
            taken as they are.
    """
    if phrase is None or not phrase.strip(_EDGES):
        return None, "no answer announced"
    if example.choices:
        return _choice(phrase, example.choices)
    if kind == "equation" and evaluate(phrase) is None:
        return None, "no value"
    return phrase.strip(), None


def _choice(phrase: str, choices: tuple[str, ...]) -> tuple[str | None, str | None]:
    letters = list(dict.fromkeys(letter.lower() for letter in _LETTER.findall(phrase)))
    texts = [_folded(choice) for choice in choices]
    words = _folded(_LETTER.sub("", phrase))
    if len(letters) > 1:
        return None, "names several choices"
    if not letters:
        if words in texts:
            return choices[texts.index(words)], None
        return None, "none of the choices"
    at = ord(letters[0]) - ord("a")
    if at >= len(choices):
        return None, "no such choice"
    if words in texts and words != texts[at]:
        return None, "letter and text disagree"
    return choices[at], None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(_EDGES)
