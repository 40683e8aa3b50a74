r"""Fractions and numbers in LaTeX: what is read of them, and what is not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from specialize.answers import find_answer, is_correct, parse_number

READ = {
    r"5\frac{3}{8}": Fraction(43, 8),
    r"$5\frac{3}{8}$ metres": Fraction(43, 8),
    r"\tfrac58": Fraction(5, 8),
    r"\frac58": Fraction(5, 8),
    r"\frac 58": Fraction(5, 8),
    r"\frac 5 8": Fraction(5, 8),
    r"\frac{5}8": Fraction(5, 8),
    r"\frac5{8}": Fraction(5, 8),
    r"\frac { 5 } { 8 }": Fraction(5, 8),
    r"\dfrac{5}{8}": Fraction(5, 8),
    r"\cfrac{5}{8}": Fraction(5, 8),
    r"\sfrac{5}{8}": Fraction(5, 8),
    r"\nicefrac{5}{8}": Fraction(5, 8),
    r"\frac{15}{8}": Fraction(15, 8),
    r"\frac1{10}": Fraction(1, 10),
    r"{5 \over 8}": Fraction(5, 8),
    r"5 \over 8": Fraction(5, 8),
    r"2\tfrac12": Fraction(5, 2),
    r"2 \dfrac{1}{2}": Fraction(5, 2),
    r"2\,\frac{1}{2}": Fraction(5, 2),
    r"2~\frac{1}{2}": Fraction(5, 2),
    r"2\;\frac12": Fraction(5, 2),
    r"2{\frac{1}{2}}": Fraction(5, 2),
    r"-2\frac{1}{2}": Fraction(-5, 2),
    r"$-2\frac{1}{2}$": Fraction(-5, 2),
    r"-\frac{3}{4}": Fraction(-3, 4),
    r"\frac{-3}{4}": Fraction(-3, 4),
    r"\frac{3}{-4}": Fraction(-3, 4),
    r"\left(\frac{3}{4}\right)": Fraction(3, 4),
    r"\displaystyle\frac{3}{4}": Fraction(3, 4),
    r"\frac{\text{3}}{\text{4}}": Fraction(3, 4),
    r"\frac{3\text{ m}}{4}": Fraction(3, 4),
    r"\frac{3}{4}\text{ cups}": Fraction(3, 4),
    r"\text{5}\frac{3}{8}": Fraction(43, 8),
    r"5\frac{3}{8}\text{ metres}": Fraction(43, 8),
    r"5\,\text{metres}": 5,
    r"\frac{1{,}500}{2}": 750,
    r"\frac{1.5}{2}": Fraction(3, 4),
    r"\frac{\frac{1}{2}}{3}": Fraction(1, 6),
    r"\frac{2 \cdot 3}{4}": Fraction(3, 2),
    r"\frac{5+3}{2}": 4,
    r"\$5.50": Fraction(11, 2),
    r"5\,000": 5000,
    r"45^\circ": 45,
    r"45^{\circ}": 45,
    r"10^{3}": 1000,
    r"60\%": 60,
    r"\mathbf{12}": 12,
    r"\text{12 apples}": 12,
    "⁵⁄₈": Fraction(5, 8),
    "5⅜": Fraction(43, 8),
}


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_numbers_in_latex(text: str, value: Fraction | int) -> None:
    gold = str(value)
    for template in (
        "The answer is {}.", "The answer is ${}$.", r"\boxed{{{}}}", "The answer is\n\\[\n{}\n\\]",
        r"The answer is \({}\).", "#### {}",
    ):  # fmt: skip
        if template.count("$") and "$" in text:
            continue
        assert is_correct(template.format(text), gold), template
        assert is_correct(template.format(text), gold, mode="strict"), template


# a text, and golds that it is not
NOT_READ = [
    (r"\tfrac58", ["58", "5", "8"]),
    (r"5\frac{3}{8}", ["53/8", "5", "3/8", "15/8"]),
    (r"\frac123", ["1/23", "12/3", "1/2"]),
    (r"\frac{1}{0}", ["1", "0"]),
    (r"\frac{x}{8}", ["8", "1/8"]),
    (r"\frac{3x}{8}", ["3/8"]),
    (r"\frac{\pi}{2}", ["2", "1/2"]),
    (r"\frac{\sqrt{2}}{2}", ["1", "2"]),
    (r"3\sqrt{2}", ["3", "2", "32"]),
    (r"\sqrt{16}", ["16"]),
    (r"5\pi", ["5"]),
    (r"5 \cdot \frac{3}{8}", ["43/8", "5"]),
    (r"0.5\frac{1}{2}", ["1", "0.5"]),
    (r"\binom{5}{2}", ["5", "2", "5/2"]),
    (r"\frac{5}", ["5"]),
    (r"5 \frac{3}{8} - 1", ["43/8"]),
    (r"x^{5}", ["5"]),
]


@pytest.mark.parametrize(("text", "golds"), NOT_READ)
def test_what_latex_does_not_say(text: str, golds: list[str]) -> None:
    for gold in golds:
        for template in ("The answer is {}.", "The answer is ${}$.", r"\boxed{{{}}}"):
            assert not is_correct(template.format(text), gold), (template, gold)


def test_a_fraction_is_found_as_a_number() -> None:
    assert find_answer(r"It takes $5\frac{3}{8}$ metres, so \boxed{5\frac{3}{8}}") == "5 3/8"
    assert find_answer(r"It takes $5\tfrac38$ metres") == "5 3/8"
    assert parse_number(r"5\frac38") == Fraction(43, 8)
