r"""LaTeX around numbers, taken away: ``5\tfrac38\text{ metres}`` becomes ``5 3/8 metres``.

Fractions are read in every way in which TeX lets them be written: with and without braces, mixed
with a whole number, nested, over sums. A fraction without a value, and any other function of a
number, stays as it is; ``has_function`` finds it, and then nothing beside it is a number.
"""

from __future__ import annotations

import re

from specialize.answers.equations import evaluate

_BRACED = r"\{((?:[^{}]|\{[^{}]*+\})*+)\}"
_ARGUMENT = rf"\s*+(?:{_BRACED}|(\d))"
_FRACTION = re.compile(rf"\\(?:[dtcs]?frac|nicefrac){_ARGUMENT}{_ARGUMENT}")
_OVER = re.compile(
    r"\{([^{}\\]{1,40}+)\\over\b([^{}\\]{1,40}+)\}"
    r"|(?<![\d.,])(-?[\d.,]{1,40}+)\s*+\\over\b\s*+(-?[\d.,]{1,40}+)"
)
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|sf|it)|mbox|underline)\s*+\{([^{}]*+)\}")
_PLAIN_NUMBER = re.compile(r"-?\d[\d,]*+(?:\.\d++)?+|-?\.\d++")
_BEFORE = (
    (re.compile(r"\{,\}|\\,(?=\d{3})"), ","),
    (re.compile(r"\\(?:[()\[\]!,;:> ]|left\b|right\b|displaystyle\b|textstyle\b|q?quad\b)|~"), " "),
    (re.compile(r"\\([$%#&])"), r"\1"),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\\div\b"), "÷"),
    (re.compile(r"\^\s*+(?:\\circ\b|\{\s*+\\circ\s*+\})"), " degrees "),
    (re.compile(r"\^\{\s*+([-−]?\d{1,4})\s*+\}"), r"^\1"),
)
_AFTER = (
    (_TEXT, r" \1 "),
    (re.compile(r"(?<!\\[a-z])\{\s*+([-−]?[\d.,/ ]++)\}"), r" \1 "),
    (re.compile(r"([-−])\s*+\(\s*+([\d./]++)\s*+\)"), r"\1\2"),
)
_FUNCTION = re.compile(
    r"\\(?:sqrt|pi|sum|prod|int|log|ln|exp|sin|cos|tan|infty|theta|alpha|beta|binom|over|pm|mp"
    r"|[dtcs]?frac|nicefrac)(?![a-z])|[√π∞∑∫±]"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
_SUPERSCRIPT_FRACTION = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9}[⁄/][₀₁₂₃₄₅₆₇₈₉]{1,9}")


def without_latex(text: str) -> str:
    r"""``text`` without LaTeX around its numbers: ``5\frac{3}{4}`` becomes ``5 3/4``."""
    if "⁄" in text:
        text = _SUPERSCRIPT_FRACTION.sub(lambda found: found[0].translate(_SUPERSCRIPTS), text)
    if not any(mark in text for mark in "\\({~^"):
        return text
    for pattern, replacement in _BEFORE:
        text = pattern.sub(replacement, text)
    if "\\" in text:
        text = _FRACTION.sub(_fraction, _OVER.sub(_fraction, text))
    for pattern, replacement in _AFTER:
        text = pattern.sub(replacement, text)
    return text


def has_function(text: str) -> bool:
    r"""Whether ``text`` holds a root, a constant or a fraction without value: ``3\sqrt{2}``."""
    return _FUNCTION.search(text) is not None


def _words(match: re.Match[str]) -> str:
    """What a text in a fraction says, if it is a number; a unit is left out."""
    return match[1] if any(character.isdigit() for character in match[1]) else ""


def _fraction(match: re.Match[str]) -> str:
    """The fraction as "3/8", apart from a digit on either side; unchanged without a value."""
    over, under = (part.strip() for part in match.groups() if part is not None)
    over, under = (
        _FRACTION.sub(_fraction, _TEXT.sub(_words, part)).strip() for part in (over, under)
    )
    if under.startswith("-") and _PLAIN_NUMBER.fullmatch(over):
        over, under = f"-{over}", under[1:]
    if not (_PLAIN_NUMBER.fullmatch(over) and _PLAIN_NUMBER.fullmatch(under)):
        value = evaluate(f"({over})/({under})")
        if value is None:
            return match[0]
        over, under = str(value.numerator), str(value.denominator)
    text, start, end = match.string, match.start(), match.end()
    before = " " if start and (text[start - 1].isalnum() or text[start - 1] == "}") else ""
    return f"{before}{over}/{under}{' ' if text[end : end + 1].isdigit() else ''}"
