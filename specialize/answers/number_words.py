"""Numbers written as words: "twenty-five", "nine point eight", "two and a half", "three quarters".

Read only where an answer has no digits; ``with_fractions`` reads "2 and a half" too. Ordinals
("twenty-fifth"), times ("half past five") and pronouns ("no one", "the other half") are no
numbers, and "five and six" is two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "sixteenth": 16, "twentieth": 20,
    "hundredth": 100,
}  # fmt: skip


def _any_of(words: Iterable[str]) -> str:
    return "|".join(words)


_ANY = rf"(?:{_any_of([*_SMALL, *_LARGE, 'hundred'])})\b"
_AFTER_LARGE = _any_of(rf"(?<={word})" for word in ("hundred", *_LARGE))
_INTEGER = rf"{_ANY}(?:(?:[\s-]+|(?:{_AFTER_LARGE})\s+and\s+){_ANY})*"
_SEVERAL = "|".join("halves" if part == "half" else f"{part}s" for part in _PARTS)
_PART = rf"(?:(?:an?|one)[\s-]+(?:{_any_of(_PARTS)})|(?:{_any_of(_SMALL)})[\s-]+(?:{_SEVERAL}))\b"
_NUMBER = re.compile(
    rf"""\b(?:(?P<minus>minus|negative)\s+)?(?:
        (?P<whole>{_INTEGER})[\s-]+and[\s-]+(?P<rest>{_PART})
      | (?P<part>{_PART}|half\b)(?:\s+an?(?=\s+(?:{_any_of(_LARGE)}|dozen)))?
      | (?:(?P<before>{_INTEGER})\s+)?point(?P<digits>(?:\s+(?:{_any_of(_UNITS[:10])})\b)+)
      | an?\s+(?P<round>hundred|dozen|{_any_of(_LARGE)})\b
      | (?P<plain>{_INTEGER})
    )(?:\s+(?P<scale>{_any_of(_LARGE)}|dozen)\b)?""",
    re.VERBOSE | re.IGNORECASE,
)
_ORDINAL_NEXT = re.compile(rf"[\s-]+(?:first|second|{_any_of(_PARTS)}|\w+teenth)\b", re.IGNORECASE)
_TIME_NEXT = re.compile(r"\s+(?:past|to|till|before|after)\s+\w", re.IGNORECASE)
_PRONOUN = re.compile(
    r"\b(?:no|some|any|every|each|the|this|that|other|first|second|last|better|my|his|her)[\s-]+\Z",
    re.IGNORECASE,
)
_AND_A_PART = re.compile(rf"(?<![\d.,/])(\d+)\s+and\s+({_PART})", re.IGNORECASE)


def spelt_number(text: str) -> Fraction | None:
    """The value of the only number spelt in ``text``; None if there is none, or more than one."""
    found = list(_NUMBER.finditer(text))
    if len(found) != 1:
        return None
    (match,) = found
    loose = match["plain"] is None or match["plain"].lower() == "one"
    if loose and _PRONOUN.search(text[: match.start()]) and not match["whole"]:
        return None
    if _ORDINAL_NEXT.match(text, match.end()):
        return None
    if match["part"] and _TIME_NEXT.match(text, match.end()):
        return None
    value = _value(match)
    if value is None:
        return None
    scale = (match["scale"] or "").lower()
    value *= 12 if scale == "dozen" and match["part"] else _LARGE.get(scale, 1)
    return -value if match["minus"] else value


def with_fractions(text: str) -> str:
    """``text`` with "2 and a half" as "2 1/2"."""
    if " and " not in text:
        return text
    return _AND_A_PART.sub(lambda found: f"{found[1]} {_part(found[2])}", text)


def _value(match: re.Match[str]) -> Fraction | None:
    if match["rest"]:
        whole = _integer(match["whole"])
        return None if whole is None else whole + _part(match["rest"])
    if match["part"]:
        return _part(match["part"])
    if match["round"]:
        word = match["round"].lower()
        return Fraction({"hundred": 100, "dozen": 12}.get(word, _LARGE.get(word, 0)))
    if match["digits"]:
        whole = _integer(match["before"]) if match["before"] else Fraction(0)
        places = "".join(str(_SMALL[word]) for word in match["digits"].lower().split())
        return None if whole is None else whole + Fraction(int(places), 10 ** len(places))
    return _integer(match["plain"])


def _part(words: str) -> Fraction:
    """The value of "a half", "two-thirds", "half"."""
    *count, part = re.split(r"[\s-]+", words.lower())
    named = "half" if part == "halves" else part.removesuffix("s") if part not in _PARTS else part
    over = _SMALL.get(count[0], 1) if count else 1
    return Fraction(over, _PARTS[named])


def _integer(words: str) -> Fraction | None:
    """The value of "two hundred and six"; None of words that make no number ("two three")."""
    total, group, previous = 0, 0, None
    for word in re.split(r"[\s-]+", words.lower()):
        if word == "and":
            continue
        if word in _SMALL:
            value = _SMALL[word]
            # "twenty five" is one number, "five twenty" and "two three" are none
            if previous is not None and not (previous >= 20 and previous % 10 == 0 and value < 10):
                return None
            group, previous = group + value, value
        elif word == "hundred":
            group, previous = max(group, 1) * 100, None
        else:
            total, group, previous = total + max(group, 1) * _LARGE[word], 0, None
    return Fraction(total + group)
