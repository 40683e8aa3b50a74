"""Arithmetic written as text, evaluated over exact rationals by an own small parser.

One worked record: ``"( 84.0 / 2.0 ) - 3 x 4"`` is ``Fraction(30)``. Grammar, loosest first::

    sum     = term (("+" | "-") term)*
    term    = factor (("*" | "/") factor | factor-in-parentheses)*
    factor  = "-" factor | atom ["^" factor]
    atom    = number | "(" sum ")"

Nothing is ever handed to Python's ``eval``. Length, nesting and the size of every intermediate
value are bounded, so that ``9**9**9**9``, a megabyte of digits or ten thousand parentheses cost
microseconds; what goes beyond a bound has no value.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_LENGTH = 1_000  # characters
MAX_DEPTH = 40  # parentheses, signs and powers inside one another
MAX_BITS = 4_096  # of a numerator or denominator

_SPELLINGS = str.maketrans(
    {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "⁄": "/", "[": "(", "]": ")"}
)
_TOKEN = re.compile(r"\s*+(?:(\d++(?:\.\d*+)?+|\.\d++)|(\*\*|[-+*/^()]))")
_GROUP_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MIXED = re.compile(r"(?<![\d./])(\d++) (\d++/\d++)(?![\d./])")
_LETTER_TIMES = re.compile(r"(?<=[\d)\s])[xX](?=[\d(\s])")


def evaluate(text: str) -> Fraction | None:
    """The value of an arithmetic expression, or of an equation that has one.

    ``"7 + 2 = 9"`` and ``"X = 7 + 2"`` are 9; an equation whose numeric sides differ has no value.
    None where ``text`` is anything else, divides by zero, or goes beyond a bound.
    """
    if len(text) > MAX_LENGTH:
        return None
    sides = [side.strip() for side in text.strip().rstrip(".").split("=")]
    if len(sides) > 1:
        sides = [side for side in sides if not re.fullmatch(r"[A-Za-z]", side)]
    values = {_evaluate_side(side) for side in sides}
    return values.pop() if len(values) == 1 else None


def _evaluate_side(text: str) -> Fraction | None:
    text = _GROUP_COMMA.sub("", text.translate(_SPELLINGS).replace("$", ""))
    text = _MIXED.sub(r"(\1+\2)", _LETTER_TIMES.sub("*", text))
    try:
        parser = _Parser(_tokens(text))
        value = parser.sum(0)
        return value if parser.at_end() else None
    except (_NoValueError, ZeroDivisionError):
        return None


class _NoValueError(ValueError):
    """Not arithmetic, or beyond a bound."""


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _NoValueError
        tokens.append("^" if match[2] == "**" else match[1] or match[2])
        at = match.end()
    return tokens


class _Parser:
    """Recursive descent over tokens; every level of recursion counts against ``MAX_DEPTH``."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def at_end(self) -> bool:
        return self.at == len(self.tokens)

    def take(self, *wanted: str) -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def sum(self, depth: int) -> Fraction:
        value = self.term(depth)
        while sign := self.take("+", "-"):
            value = _bounded(value + self.term(depth) * (1 if sign == "+" else -1))
        return value

    def term(self, depth: int) -> Fraction:
        value = self.factor(depth)
        while True:
            if sign := self.take("*", "/"):
                factor = self.factor(depth)
                value = _bounded(value * factor if sign == "*" else value / factor)
            elif self.at < len(self.tokens) and self.tokens[self.at] == "(":
                value = _bounded(value * self.factor(depth))
            else:
                return value

    def factor(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise _NoValueError
        if sign := self.take("+", "-"):
            value = self.factor(depth + 1)
            return -value if sign == "-" else value
        value = self.atom(depth)
        return _power(value, self.factor(depth + 1)) if self.take("^") else value

    def atom(self, depth: int) -> Fraction:
        if self.take("("):
            value = self.sum(depth + 1)
            if not self.take(")"):
                raise _NoValueError
            return value
        if self.at_end() or not (
            self.tokens[self.at][0].isdigit() or self.tokens[self.at][0] == "."
        ):
            raise _NoValueError
        self.at += 1
        return _bounded(Fraction(self.tokens[self.at - 1]))


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent.numerator) > MAX_BITS:
        raise _NoValueError
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(exponent.numerator) > MAX_BITS:
        raise _NoValueError
    return _bounded(base**exponent.numerator)


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise _NoValueError
    return value
