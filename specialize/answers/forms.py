"""Answers that are neither numbers nor options: yes and no, brackets, words.

One worked record: ``read_truth("That isn't true.")`` is False.
"""

from __future__ import annotations

import re
import unicodedata

from specialize.answers.dates import read_date
from specialize.answers.phrases import clean

_OPPOSITES = {
    "yes": "no", "no": "yes", "true": "false", "false": "true",
    "valid": "invalid", "invalid": "valid",
}  # fmt: skip
_TRUTH = {"yes": True, "true": True, "no": False, "false": False, "untrue": False}
_NOT = (
    r"(?P<no>(?:\b(?:not|never|hardly|cannot|far from)|\b\w*n['’]t)\s+"
    r"(?:(?:be|been|a|an|the|at all|in fact|really|quite|\w{1,15}ly)\s+){0,3})?"
)
_TRUTH_WORD = re.compile(rf"{_NOT}\b(?P<value>yes|true|no|false|untrue)\b", re.IGNORECASE)
_EITHER = r"\b(?:{0})\s*(?:or|and|/)\s*(?:{0})\b"
_BOTH = re.compile(_EITHER.format("yes|no|true|false"), re.IGNORECASE)
_BRACKETS = re.compile(r"[\s()\[\]{}<>,]*+")
_WORD = re.compile(r"[\w.%/:+-]*\w|[^\w\s,;.\"!?]")
_ARTICLE = re.compile(r"^(?:the|an|a) (?=.)")


def plain_text(text: str) -> str:
    """``text`` as it is compared: one case, no leading article, no punctuation between words."""
    folded = unicodedata.normalize("NFKC", clean(text)).casefold()
    words = " ".join(_WORD.findall(folded.replace("'", "").replace("’", "")))
    return _ARTICLE.sub("", words) or folded.strip()


def same_text(given: str, gold: str) -> bool:
    """Equal as plain text, or as dates."""
    if plain_text(given) == plain_text(gold):
        return True
    date = read_date(clean(gold))
    return date is not None and read_date(clean(given)) == date


def read_truth(phrase: str) -> bool | None:
    """True for yes or true, False for no or false, by the first such word.

    "Not true" and "isn't really true" are False, "yes or no" is neither.
    """
    match = _TRUTH_WORD.search(_BOTH.sub("", phrase))
    return None if match is None else _TRUTH[match["value"].lower()] != bool(match["no"])


def last_truth(text: str) -> str | None:
    """The last yes, no, true or false, for a response that announces no answer."""
    last = None
    for match in _TRUTH_WORD.finditer(_BOTH.sub("", text)):
        last = match.group()
    return last


def verdict(phrase: str, gold: str) -> str | None:
    """Which of ``gold`` and its opposite (yes / no, valid / invalid) ``phrase`` says first.

    "not valid" says invalid. None where ``gold`` is no such word, or neither is stated.
    """
    word = gold.casefold()
    if word not in _OPPOSITES:
        return None
    words = f"{word}|{_OPPOSITES[word]}"
    phrase = re.sub(_EITHER.format(words), "", phrase, flags=re.IGNORECASE)
    match = re.search(rf"{_NOT}\b(?P<value>{words})\b", phrase, re.IGNORECASE)
    if match is None:
        return None
    value = match["value"].casefold()
    return _OPPOSITES[value] if match["no"] else value


def read_brackets(text: str) -> str | None:
    """The brackets of a text that holds nothing else, without blanks between them."""
    bare = clean(text)
    if not bare or not _BRACKETS.fullmatch(bare):
        return None
    return re.sub(r"[\s,]", "", bare) or None
