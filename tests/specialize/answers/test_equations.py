"""Equations: a table of cases, agreement with Python on its own syntax, and bounds."""

from __future__ import annotations

import ast
import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.answers import evaluate
from specialize.answers.equations import MAX_DEPTH, MAX_LENGTH


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("( 84.0 / 2.0 )", 42),
        ("84.0 / 2.0", 42),
        ("1/3 + 1/3 + 1/3", 1),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 - 3 - 4", -5),
        ("24 / 4 / 2", 3),
        ("2^3^2", 512),
        ("2**-1", Fraction(1, 2)),
        ("-2^2", -4),
        ("--2", 2),
        ("2(3)(4)", 24),
        ("(1)(2)", 2),
        ("3 x 4", 12),
        ("3x4", 12),
        ("3 × 4 ÷ 6 − 1", 1),
        ("[1 + 2] * 3", 9),
        ("$1,000 + $1", 1001),
        ("7 + 2 = 9", 9),
        ("X=((32.0+42.0)-35.0)", 39),
        ("9 = x", 9),
        ("5.", 5),
        (".5", Fraction(1, 2)),
        ("1.", 1),
    ],
)
def test_arithmetic_has_its_value(text: str, value: Fraction | int) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "1 +", "+", "(1", "1)", "()", "1 2", "1..2", "1 // 2", "7 + 2 = 10", "1/0", "0^-1",
     "2^0.5", "9**9**9**9", "2^100000", "(1/3)^5000", "1e3", "__import__('os')", "print(1)",
     "a + b", "1;2", "1,2", "=", "1 = ", "9" * 2000, "(" * 200 + "1" + ")" * 200, "-" * 200 + "1",
     "10^1000 * 10^1000 / 10^2000", "0.0.1"],
)  # fmt: skip
def test_anything_else_has_none(text: str) -> None:
    assert evaluate(text) is None


def test_bounds_are_as_said() -> None:
    assert evaluate("(" * (MAX_DEPTH - 1) + "1" + ")" * (MAX_DEPTH - 1)) == 1
    assert evaluate("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1)) is None
    assert evaluate("1" + "+1" * ((MAX_LENGTH - 1) // 2)) == 1 + (MAX_LENGTH - 1) // 2
    assert evaluate("1" + "+1" * (MAX_LENGTH // 2 + 1)) is None


numbers = st.integers(0, 99).map(str) | st.decimals(0, 9, places=1).map(str)
expressions = st.recursive(
    numbers,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(" ".join)
        | inner.map("({})".format)
        | inner.map("-({})".format)
    ),
    max_leaves=12,
)
_OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def by_syntax_tree(node: ast.expr, text: str) -> Fraction:
    """The exact value of a Python expression, from Python's own parser."""
    match node:
        case ast.Constant():
            return Fraction(ast.get_source_segment(text, node) or "")
        case ast.UnaryOp(operand=operand):
            return -by_syntax_tree(operand, text)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](by_syntax_tree(left, text), by_syntax_tree(right, text))
    raise TypeError(node)


@given(expressions)
def test_agrees_with_python_syntax(text: str) -> None:
    # Python refuses leading zeros, which are numbers here
    tree = ast.parse(text, mode="eval").body
    try:
        expected = by_syntax_tree(tree, text)
    except ZeroDivisionError:
        expected = None
    assert evaluate(text) == expected
