"""Numbers, times and ratios as written in a text, read as exact values.

One worked record: in ``"she pays $1,250.50 (plus tax) at 5:45 p.m."`` there are two quantities:
``1,250.50``, whose value is ``Fraction(2501, 2)``, and ``5:45 p.m.``, whose parts are ``(5, 45)``.

Values are rationals, so that 0.1 + 0.2 is 0.3 and 1/3 is not 0.3333. A number of more than
``MAX_DIGITS`` characters, or with an exponent beyond ``MAX_EXPONENT``, is text and not a number:
that bounds time and memory, whatever a model writes. Patterns use possessive repeats, so that
reading is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Context
from fractions import Fraction

from specialize.answers.characters import plain_characters
from specialize.answers.latex import has_function, without_latex
from specialize.answers.number_words import with_fractions

MAX_DIGITS = 400
MAX_EXPONENT = 400
MAX_OUT_OF_BOUNDS = 50  # numbers at the end of a text that are passed over
FLOAT_DIGITS = 15  # a decimal with at least this many significant digits was printed by a program

CURRENCY = "$€£¥₹"
_MINUS = "-−–"
_GROUPED = (
    r"\d{1,3}(?:,\d{3})++(?!\d)"  # 1,250
    r"|\d{1,2}(?:,\d{2}(?!\d))++,\d{3}(?!\d)"  # 1,25,000 (Indian)
    r"|\d{1,3}(?:[\u00a0\u2009\u202f'’_]\d{3})++(?!\d)"  # 1'250; 1 250 with a hard or thin space
    r"|\d++"
)
_DECIMAL = rf"(?:(?:{_GROUPED})(?:\.\d++)?+|\.\d++)"
_VULGAR = {
    "½": Fraction(1, 2),
    "⅓": Fraction(1, 3),
    "⅔": Fraction(2, 3),
    "¼": Fraction(1, 4),
    "¾": Fraction(3, 4),
    "⅕": Fraction(1, 5),
    "⅖": Fraction(2, 5),
    "⅗": Fraction(3, 5),
    "⅘": Fraction(4, 5),
    "⅙": Fraction(1, 6),
    "⅚": Fraction(5, 6),
    "⅛": Fraction(1, 8),
    "⅜": Fraction(3, 8),
    "⅝": Fraction(5, 8),
    "⅞": Fraction(7, 8),
}
_SCALE = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_QUANTITY = re.compile(
    rf"""
      (?P<clock>\d++\s?:\s?\d++(?:\s?:\s?\d++)?+)(?!\s?:\s?\d) (?:\s?(?P<half>[ap])\.?\s?m\b\.?)?+
    | (?P<hour>\d{{1,2}}) \s?(?P<half_hour>[ap])\.?\s?m\b\.?
    | (?<![\d/⁄]) (?: (?P<whole>\d++) (?:\s++|\s?-\s?|\s++and\s++) )?
      (?P<over>{_DECIMAL})\s*+[/⁄]\s*+(?P<under>{_DECIMAL})(?!\s*+[/⁄]\s*+\d)
    | (?P<mixed>\d++)?+\s?(?P<vulgar>[{"".join(_VULGAR)}])
    | (?:(?<=[{CURRENCY}])|(?<=[{CURRENCY}]\ )) (?P<paid>{_DECIMAL})\s?
      (?P<amount>k|m|b|t|mn|bn|mil)\b(?!\s?[{CURRENCY}]|[.\w²³])
    | (?P<plain>{_DECIMAL})
      (?: [eE](?P<exponent>[-+]?\d{{1,4}})(?!\w)
        | \s*+[x×*]\s*+10\s*+\^\s*+\{{?(?P<power>[-−]?\d{{1,4}})\}}?
        | \s++(?P<scale>{"|".join(_SCALE)})\b
        | (?P<suffix>(?-i:[kKM])|bn|mn)\b )?+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SUFFIX = {"k": 10**3, "m": 10**6, "mn": 10**6, "mil": 10**6, "b": 10**9, "bn": 10**9, "t": 10**12}
_SPACED_GROUPS = re.compile(
    r"(?<![\d.,/:])(?<![\d.,/:] )\d{1,3}(?: \d{3})++(?![\d/:]| \d|-\w|,\d)"
    r"(?! ?(?:ml|cl|l|g|kg|mg|lb|oz|mm|cm|m|km|dollar|cent|gram|foot|inch|mile|pound|watt|page)\b"
    r" \w+s\b)"
)
_SPELT_MINUS = re.compile(r"(?<![\d)] )\b(?:minus|negative)\Z", re.IGNORECASE)
_ONE_DIGIT = re.compile(r":\s?\d(?!\d)")
_ADJACENT = re.compile(r"\s++")
_OR_BEFORE = re.compile(rf"\bor\b[\s{CURRENCY}]*+\Z")
_NEXT_MEMBER = re.compile(
    r"(?:[\s%]++(?!and\b|or\b)[^\W\d]++){0,3}+\s*+"  # up to three words of unit
    rf"(?:,\s*+(?:and\b|or\b)?+|;|&|\band\b|\bor\b)\s*+[{CURRENCY}]?[{_MINUS}]?[{CURRENCY}]?"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number, time or ratio of a text.

    ``value`` is None for a time or ratio, whose ``parts`` are its numbers in order; ``half`` is
    "a" or "p" where a time of day says so. ``start`` and ``end`` are offsets in the text that was
    read; ``text`` has sign and ``a.m.`` / ``p.m.``, but neither currency nor unit.
    """

    text: str
    start: int
    end: int
    value: Fraction | None
    parts: tuple[int, ...] = ()
    half: str = ""

    @property
    def key(self) -> str:
        """Equal for equal values: "5/2" for 2.5, "5:45" for 5:45:00, "17:45" for 5:45 p.m."""
        if self.value is not None:
            return str(self.value)
        parts = self.parts[:2] if self.parts[2:] == (0,) else self.parts
        if self.half:
            parts = (parts[0] % 12 + 12 * (self.half == "p"), *parts[1:])
        return ":".join(str(part) for part in parts)

    def equals(self, other: Quantity) -> bool:
        """Same value. A time without a.m. or p.m. also equals the one that has it, read bare."""
        if self.value is not None or other.value is not None or bool(self.half) == bool(other.half):
            return self.key == other.key
        bare, marked = (self, other) if other.half else (other, self)
        if _ONE_DIGIT.search(bare.text):  # 6:1 is a ratio, not 6:01
            return False
        return bare.key in {marked.key, replace(marked, half="").key}


def quantities(text: str) -> Iterator[Quantity]:
    """The numbers, times and ratios of ``text``, in order; those out of bounds are left out."""
    for match in _QUANTITY.finditer(text):
        quantity = _read(text, match)
        if quantity is not None:
            yield quantity


def last_quantity(text: str) -> Quantity | None:
    """The last quantity of ``text``; None if there is none, or the last few are out of bounds."""
    for match in reversed(deque(_QUANTITY.finditer(text), MAX_OUT_OF_BOUNDS)):
        quantity = _read(text, match)
        if quantity is not None:
            return quantity
    return None


def series(text: str) -> tuple[tuple[Quantity, ...], bool]:
    """The first quantity of ``text`` with those listed after it, and whether these are all.

    "5, 15 and 20 years" is a list of three. In "5, which is 2 more than 3" and in "18 and 2 + 2"
    the first quantity is taken alone, because what follows is no list to the end.
    """
    found = list(quantities(text))
    members = found[:1]
    if len(found) > 1 and _ADJACENT.fullmatch(text, found[0].end, found[1].start):
        return (), False
    for quantity in found[1:]:
        if not _NEXT_MEMBER.fullmatch(text, members[-1].end, _digits_start(text, quantity)):
            return tuple(found[:1]), False
        members.append(quantity)
    if all(_same_value(text, members[0], other) for other in members[1:]):
        members = members[:1]
    return tuple(members), True


def _same_value(text: str, one: Quantity, other: Quantity) -> bool:
    """Whether ``other`` is ``one`` again, as 3/5 in "0.6 or 3/5" and 25% in "1/4 or 25%"."""
    if not _OR_BEFORE.search(text, max(one.end, other.start - 20), other.start):
        return False
    percent = text[other.end : other.end + 1] == "%" != text[one.end : one.end + 1]
    if percent and one.value is not None and other.value is not None:
        return other.value in (one.value, 100 * one.value)
    return one.equals(other)


def parse_number(text: str) -> Fraction | None:
    """The value of a text that is one number: "$1,000.50", "-3 degrees", "2 1/2 (cups)", "7th".

    Currency, percent sign, unit and a remark in parentheses do not count: "50%" is 50. None where
    the text does not begin with the number ("Vendor 2"), holds more than one, or is a time or
    ratio ("5:45").
    """
    found = stated_quantities(text)
    return found[0].value if len(found) == 1 else None


def stated_quantities(text: str) -> tuple[Quantity, ...]:
    """All quantities of a text that consists of them: "8 (ft); 128 (sq. ft)" holds two.

    Empty where the text begins with something else, or where something other than a list follows.
    """
    if len(text) > 10 * MAX_DIGITS:
        return ()
    plain = join_groups(outside_parentheses(plain_mathematics(text)))
    if has_function(plain):
        return ()
    members, complete = series(plain)
    if not members or not complete or plain[: members[0].start].strip(f" \t\n+#*{CURRENCY}"):
        return ()
    return members


def plain_mathematics(text: str) -> str:
    """``text`` with plain characters, without LaTeX around its numbers, "2 and a half" as 2 1/2."""
    return with_fractions(without_latex(plain_characters(text)))


def join_groups(text: str) -> str:
    """``text`` with thin spaces in numbers whose digits are grouped by plain ones: "12 500".

    Left alone where the second group may count something else: "12 500-ml bottles".
    """
    if " " not in text:
        return text
    return _SPACED_GROUPS.sub(lambda found: found[0].replace(" ", "\u202f"), text)


def outside_parentheses(text: str) -> str:
    """``text`` without what is in innermost parentheses, unless all quantities are."""
    if "(" not in text:
        return text
    outside = re.sub(r"\([^()]*+\)", " ", text)
    if next(quantities(outside), None) is not None:
        return outside
    return text.strip().removeprefix("(").removesuffix(")")


def _read(text: str, match: re.Match[str]) -> Quantity | None:
    if match.end() - match.start() > MAX_DIGITS:
        return None
    start = match.start()
    if match["clock"]:
        parts = tuple(int(part) for part in match["clock"].split(":"))
        half = (match["half"] or "").lower()
        return Quantity(match.group().strip(), start, match.end(), None, parts, half)
    if match["hour"]:
        half = match["half_hour"].lower()
        return Quantity(match.group(), start, match.end(), None, (int(match["hour"]), 0), half)
    value = _value(match)
    if value is None:
        return None
    written = match.group().strip()
    if match["paid"]:  # the sign of the currency is what makes the letter an amount
        written = text[max(0, start - 2) : start].strip()[-1] + written
    sign = _sign_before(text, start)
    if sign is None:
        return Quantity(written, start, match.end(), value)
    return Quantity(f"-{written}", sign, match.end(), -value)


def _value(match: re.Match[str]) -> Fraction | None:
    if match["over"]:
        under = _decimal(match["under"])
        if under == 0:
            return None
        return Fraction(match["whole"] or 0) + _decimal(match["over"]) / under
    if match["vulgar"]:
        return Fraction(match["mixed"] or 0) + _VULGAR[match["vulgar"]]
    if match["paid"]:
        return _decimal(match["paid"]) * _SUFFIX[match["amount"].lower()]
    value = _decimal(match["plain"])
    if match["suffix"] and match["plain"] != "401":  # 401k is a savings plan
        return value * _SUFFIX[match["suffix"].lower()]
    if match.end() == match.end("plain"):
        return value
    exponent = int((match["exponent"] or match["power"] or "0").replace("−", "-"))
    if abs(exponent) > MAX_EXPONENT:
        return None
    return value * Fraction(10) ** exponent * _SCALE.get((match["scale"] or "").lower(), 1)


def _decimal(digits: str) -> Fraction:
    if digits.isascii() and digits.isdecimal():
        return Fraction(int(digits))
    plain = re.sub(r"[^\d.]", "", digits)
    return Fraction(plain) if len(digits) < FLOAT_DIGITS else _meant_by_float(plain)


def _meant_by_float(digits: str) -> Fraction:
    """What a decimal of as many digits as a float prints means: 0.6666666666666666 is 2/3.

    That is the simple fraction within rounding of it, or else itself in fourteen digits.
    """
    value = Fraction(digits)
    significant = len(digits.replace(".", "").lstrip("0"))
    if "." not in digits or not FLOAT_DIGITS <= significant <= FLOAT_DIGITS + 3:
        return value
    simple = value.limit_denominator(10**6)
    if abs(simple - value) * 10 ** (FLOAT_DIGITS - 1) <= abs(value):
        return simple
    return Fraction(Context(prec=FLOAT_DIGITS - 1).create_decimal(digits))


def _sign_before(text: str, start: int) -> int | None:
    """Where the minus sign of the number at ``start`` is; None if it has none.

    In "10 - 3" and "10-3" the dash is an operation, in "profit - 3 dollars" punctuation, in
    "is -3", "= - 3", "-$3" and "minus 3" a sign.
    """
    at = start - 1
    while at >= 0 and (text[at] in CURRENCY or text[at] == " "):
        at -= 1
    if at < 0 or text[at] not in _MINUS:
        spelt = _SPELT_MINUS.search(text, max(0, at - 8), at + 1) if at >= 4 else None
        return spelt.start() if spelt and spelt.end() <= at + 1 < start else None
    apart = " " in text[at + 1 : start]
    left = at - 1
    while left >= 0 and text[left] == " ":
        left -= 1
    if left < 0:
        return at
    before, touches = text[left], left == at - 1
    if before.isdigit() or before in ")%]" or (touches and before.isalnum()):
        return None
    return None if apart and before not in "(=:[{,;*" else at


def _digits_start(text: str, quantity: Quantity) -> int:
    """Where the first digit of ``quantity`` is, after its sign and currency."""
    at = quantity.start
    while text[at] in _MINUS or text[at] in CURRENCY or text[at] == " ":
        at += 1
    return at
