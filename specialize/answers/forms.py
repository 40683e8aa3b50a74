"""Answers that are not numbers: letters and texts of choices, yes and no, brackets, word lists.

One worked record: ``read_choice("(d) math problem.")`` is letter ``D`` with text ``math problem``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from specialize.answers.dates import read_date
from specialize.answers.phrases import clean

_LETTER = re.compile(
    r"""(?:option|choice)?\s*+
        (?: \((?P<round>[A-Z])\) | (?P<marked>[A-Z])[).:](?=\s|$) | (?P<sole>[A-Z])$
          | (?P<upper>(?-i:[B-HJ-Z]))(?=[\s,])
          | (?P<article>(?-i:[AI]))(?=,|\s(?:because|since|as|is)\b) ) [\s:,.)-]*+ (?P<text>.*)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ANY_LETTER = re.compile(r"\(([A-Za-z])\)")
_OPPOSITES = {
    "yes": "no", "no": "yes", "true": "false", "false": "true",
    "valid": "invalid", "invalid": "valid",
}  # fmt: skip
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}
_TRUTH_WORD = re.compile(r"\b(?P<no>not )?(?P<said>yes|true|no|false)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"[\s()\[\]{}<>,]*+")
_WORD = re.compile(r"[\w.%/:+-]*\w|[^\w\s,;.\"!?]")
_ARTICLE = re.compile(r"^(?:the|an|a) (?=.)")


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen option: its letter in upper case, its text, or both; "" where unknown."""

    letter: str
    text: str


def plain_text(text: str) -> str:
    """``text`` as it is compared: one case, no article in front, no punctuation between words."""
    folded = unicodedata.normalize("NFKC", clean(text)).casefold()
    words = " ".join(_WORD.findall(folded.replace("'", "").replace("’", "")))
    return _ARTICLE.sub("", words) or folded.strip()


def same_text(given: str, gold: str) -> bool:
    """Equal as plain text, or as dates."""
    if plain_text(given) == plain_text(gold):
        return True
    date = read_date(clean(gold))
    return date is not None and read_date(clean(given)) == date


def read_choice(phrase: str, choices: Sequence[str] = ()) -> Choice:
    """The option named by ``phrase``; ``choices`` (texts in order) complete letter and text."""
    text = clean(phrase)
    options = [plain_text(choice) for choice in choices]
    if whole := _letter_of(plain_text(text), options):
        return Choice(whole, plain_text(text))  # "N and P" is an option, no letter with a remark
    match = _LETTER.match(text)
    letter, rest = "", text
    if match:
        *ways, rest = match.groups()
        letter = next(filter(None, ways)).upper()
    rest = plain_text(rest) if rest else ""
    if not letter:
        letter = _letter_of(rest, options) or _only_letter(text)
    elif not rest and ord(letter) - ord("A") < len(options):
        rest = options[ord(letter) - ord("A")]
    return Choice(letter, rest)


def same_choice(given: Choice, gold: Choice) -> bool:
    """By letter where both have one, else by text."""
    if given.letter and gold.letter:
        return given.letter == gold.letter
    return bool(given.text) and given.text == gold.text


def last_letter(text: str) -> str | None:
    """The last letter in parentheses, for a response that announces no answer."""
    found = _ANY_LETTER.findall(text)
    return f"({found[-1]})" if found else None


def read_truth(phrase: str) -> bool | None:
    """True for yes or true, False for no or false, by the first such word; "not true" is False."""
    match = _TRUTH_WORD.search(phrase)
    return None if match is None else _TRUTH[match["said"].lower()] != bool(match["no"])


def last_truth(text: str) -> str | None:
    """The last yes, no, true or false, for a response that announces no answer."""
    last = None
    for match in _TRUTH_WORD.finditer(text):
        last = match.group()
    return last


def verdict(phrase: str, gold: str) -> str | None:
    """Which of ``gold`` and its opposite (yes / no, valid / invalid) ``phrase`` says first.

    "not valid" says invalid. None where ``gold`` is no such word, or neither is said.
    """
    word = gold.casefold()
    if word not in _OPPOSITES:
        return None
    pattern = rf"\b(?P<no>not )?(?P<said>{word}|{_OPPOSITES[word]})\b"
    match = re.search(pattern, phrase, re.IGNORECASE)
    if match is None:
        return None
    said = match["said"].casefold()
    return _OPPOSITES[said] if match["no"] else said


def read_brackets(text: str) -> str | None:
    """The brackets of a text that holds nothing else, without blanks between them."""
    bare = clean(text)
    if not bare or not _BRACKETS.fullmatch(bare):
        return None
    return re.sub(r"[\s,]", "", bare) or None


def _letter_of(text: str, options: Sequence[str]) -> str:
    """The letter of the one option with this text."""
    return chr(ord("A") + options.index(text)) if text and options.count(text) == 1 else ""


def _only_letter(text: str) -> str:
    """The letter of the one option that a sentence names: "it must be (B)"."""
    found = {letter.upper() for letter in _ANY_LETTER.findall(text)}
    return found.pop() if len(found) == 1 else ""
