"""Write the general tasks, in the manner of BIG-Bench Hard, and the arithmetic facts.

Each function turns a seeded draw into a question, a short rationale and an answer; for instance
``compare_numbers`` writes "Is 45 greater than 38?", "45 is greater than 38.", "yes".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from quickstart_stories import Story

_WORDS = (
    "apple", "bird", "cat", "drum", "egg", "fish", "gate", "hat",
    "jar", "kite", "lamp", "map", "nest", "pig", "rope", "tree",
)  # fmt: skip
_COUNTS = ("", "a", "two", "three")
_OPERATIONS = {"and": bool.__and__, "or": bool.__or__}


def sort_words(rng: np.random.Generator) -> Story:
    """Three or four words, to be put in alphabetical order."""
    words = _draw(rng, _WORDS, int(rng.integers(3, 5)))
    ordered = " ".join(sorted(words))
    question = "Sort these words in alphabetical order: " + " ".join(words)
    first = f"The first word is {min(words)} and the last is {max(words)}."
    return Story(question, first, ordered)


def evaluate_boolean(rng: np.random.Generator) -> Story:
    """Two bracketed expressions, evaluated one after the other."""
    lines, values, parts = [], [], []
    for _ in range(2):
        texts, left = _boolean_leaf(rng)
        other, right = _boolean_leaf(rng)
        operation = str(rng.choice(list(_OPERATIONS)))
        value = _OPERATIONS[operation](left, right)
        lines.append(f"{left} {operation} {right} is {value}.")
        negation = "not " if rng.integers(2) else ""
        parts.append(f"{negation}( {texts} {operation} {other} )")
        values.append(value != bool(negation))
    operation = str(rng.choice(list(_OPERATIONS)))
    value = _OPERATIONS[operation](*values)
    lines.append(f"{values[0]} {operation} {values[1]} is {value}.")
    return Story(f"{parts[0]} {operation} {parts[1]} is", "\n".join(lines), str(value))


def _boolean_leaf(rng: np.random.Generator) -> tuple[str, bool]:
    value, negated = bool(rng.integers(2)), bool(rng.integers(2))
    return (f"not {value}" if negated else str(value)), value != negated


def count_objects(rng: np.random.Generator) -> Story:
    """Things in small numbers, to be counted."""
    numbers = [int(rng.integers(1, 4)) for _ in range(int(rng.integers(3, 5)))]
    words = _draw(rng, _WORDS, len(numbers))
    named = [
        f"{_COUNTS[number]} {word}{'s' if number > 1 else ''}"
        for number, word in zip(numbers, words, strict=True)
    ]
    question = f"I see {', '.join(named[:-1])} and {named[-1]}. How many things do I see?"
    line = " + ".join(map(str, numbers)) + f" = {sum(numbers)}."
    return Story(question, line, str(sum(numbers)))


def reverse_list(rng: np.random.Generator) -> Story:
    """Three or four words, to be said backwards."""
    words = _draw(rng, _WORDS, int(rng.integers(3, 5)))
    question = "Say these words in reverse order: " + " ".join(words)
    line = f"The last word is {words[-1]}, so it comes first."
    return Story(question, line, " ".join(reversed(words)))


def compare_numbers(rng: np.random.Generator) -> Story:
    """Which of two numbers is greater; half of the rationales write it with ``<``."""
    a, b = (int(number) for number in rng.choice(np.arange(1, 60), size=2, replace=False))
    word = str(rng.choice(["greater", "less"]))
    truth = a > b if word == "greater" else a < b
    signs = f"{min(a, b)} < {max(a, b)}."
    line = signs if rng.integers(2) else f"{a} is {'greater' if a > b else 'less'} than {b}."
    return Story(f"Is {a} {word} than {b}?", line, "yes" if truth else "no")


def arithmetic_fact(rng: np.random.Generator) -> Story:
    """One sum, difference, product or quotient; what the word problems are made of."""
    operation = "+-*/"[int(rng.integers(4))]
    a, b = _operands(rng, operation)
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a // max(b, 1)}[operation]
    dollar = "$" if operation != "/" and rng.random() < 0.2 else ""
    left = "" if operation == "*" else dollar
    equation = f"{left}{a} {operation} {dollar}{b}"
    question = ("What is {}?", "Compute {}.")[int(rng.integers(2))].format(equation)
    return Story(question, f"{equation} = {dollar}{value}.", str(value))


def _operands(rng: np.random.Generator, operation: str) -> tuple[int, int]:
    large = rng.random() < 0.4
    if operation == "*":
        return int(rng.integers(2, 6)), int(rng.integers(8, 16) if large else rng.integers(2, 13))
    if operation == "/":
        b = int(rng.integers(2, 5))
        return b * int(rng.integers(2, 24 // b + 1)), b
    a = int(rng.integers(16, 50)) if large else int(rng.integers(2, 24))
    b = int(rng.integers(5, 16)) if large else int(rng.integers(2, 10))
    return (a + b, b) if operation == "-" else (a, b)


def _draw(rng: np.random.Generator, words: Sequence[str], count: int) -> list[str]:
    return [words[int(i)] for i in rng.choice(len(words), size=count, replace=False)]
