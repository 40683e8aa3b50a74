"""Which option of a multiple choice a text names.

One worked record: ``read_choice("(d) math problem.")`` is letter ``D`` with text ``math problem``;
``read_choice("(A) or (B)")`` has no letter, and ``concluded_letter("(C) cannot be. It is (A).")``
is ``(A)``.

An option that is denied or eliminated is not named, and two options named at once are none: reading
the first or the last of them would count hedging as knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from specialize.answers.characters import plain_characters
from specialize.answers.forms import plain_text
from specialize.answers.latex import without_latex
from specialize.answers.phrases import clean

_LEAD = re.compile(
    r"""(?:(?:the\s)?(?:option|choice|letter|answer)\b)?[\s:]*+
        (?: [(\[]\s?(?P<round>[A-Z])\s?[)\]]
          | (?P<marked>[A-Z])[).:](?=\s|$) | (?P<tight>(?-i:[A-Z]))[):](?=\w)
          | (?P<dashed>(?-i:[A-Z]))(?=\s?(?:--|[–—])|\s-\s)
          | (?P<sole>[A-Z])$
          | (?P<upper>(?-i:[B-HJ-Z]))(?=[\s,/&;])
          | (?P<article>(?-i:[AI]))(?=[,/&;]|\s(?:because|since|as|is|or|and|not|rather)\b) )""",
    re.VERBOSE | re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[\s:,.)\]–—-]*+")
_AT_END = (
    r"(?=\s*+(?:$|[,.;:!?/&)–—]|--|\s-\s)"
    r"|\s(?:or|and|nor|but|not|because|since|as|is|are|rather|instead)\b)"
)
_BRACKETED = r"(?<!\w)[(\[](?P<round>[A-Za-z])[)\]]"
_NAMED = (
    r"\b(?i:options?|choices?|letter|likely|probably|choose|chose|pick|select|go(?:ing)?\swith"
    rf"|opt\sfor|answer(?:\sis)?)\s(?P<named>[A-Z]){_AT_END}"
    r"|^(?i:so|thus|therefore|hence|then)[,:]?\s(?i:it\s(?:is|must\sbe)\s|it['’]s\s)?"
    r"(?P<hence>[A-Z])(?=\W*$)"
    r"|\b(?P<right>[A-Z])(?=\sis\s(?:the\s)?(?:most\s\w+\s)?(?:correct|right|best|better|answer)\b)"
)
_MENTION = re.compile(f"{_BRACKETED}|{_NAMED}")
# in an announced phrase single letters count too, where the words around them say so
_MENTION_IN_PHRASE = re.compile(
    f"{_BRACKETED}|{_NAMED}"
    r"|(?:^|\b(?i:is|are|be|either|both|not|nor|neither|or|and|but|than|so|thus|therefore|hence"
    rf"|only|leaves|definitely|clearly|certainly|possibly)\s|[,;/&]\s?)(?P<bare>[A-Z]){_AT_END}"
)
_LINK = re.compile(r"\s*+(?:,?\s*+(?:and|or|nor|&|/|as\swell\sas)|[,;])\s*+(?:option|choice)?\s*+")
_DENIES_BEFORE = re.compile(
    r"""(?: (?:\b(?:not|never|cannot|neither)|n['’]t)
            (?:\s+(?:be|been|choose|pick|select|likely|possibly|the|answer|correct|really|actually
                 |simply|just|in|fact|of|both))*+
          | \b(?:nor|none\sof|rul(?:es?|ed|ing)\sout|eliminat\w+|exclud\w+|reject\w*|discard\w*
               |dismiss\w*|(?:rather|better|other|worse)\sthan|instead\sof|except(?:\sfor)?|unlike
               |as\sopposed\sto)
        ) (?:\s+(?:the|both|all|either|options?|choices?))*+ \s*+\Z""",
    re.VERBOSE | re.IGNORECASE,
)
_DENIES_AFTER = re.compile(
    r"""\s*+,?\s*+ (?:
        (?:can|could|may|might|must|should|would|will|does|do|did|has|have|is|are|was|were)
        (?:\s?not\b|n['’]t\b)(?!\s+(?:only|just)\b)
      | (?:is|are|was|were|be|being|seems?|looks?)\s+(?:all|both|also|clearly|thus|therefore|now
          |obviously|definitely)?\s*+(?:wrong|incorrect|false|impossible|out\b|eliminated|excluded
          |ruled\sout|unlikely|implausible|rejected|discarded)
      | (?:fails?|contradicts?|cannot|can['’]t)\b )""",
    re.VERBOSE | re.IGNORECASE,
)
_ALL_BUT = re.compile(
    r"\b(?:all|every\w*|none|nothing)\s(?:of\s\w+\s|options?\s|choices?\s|answers?\s)?(?:but|except)\s(?:for\s)?\Z",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(
    r"[.!?](?=\s|$)|;(?!\s?[(\[]?[A-Z]\b)|\n|\b(?:because|since|(?<!well )as(?!\swell\b)|while"
    r"|whereas|which|though|although|if|given|due|for|so|see|unlike|when|where|who)\b",
    re.IGNORECASE,
)
_ASSERTS_BEFORE = re.compile(
    r"\b(?:is|are|be|choose|chose|pick|select|with|for|leaves|left|only|so|thus|therefore|hence"
    r"|likely|answer)(?:\s(?:is|only|just|option|choice))?[\s:]*+\Z",
    re.IGNORECASE,
)
_ASSERTS_AFTER = re.compile(
    r"\sis\s(?:clearly\s|thus\s)?(?:the\s)?(?:only\s|most\s\w+\s|one\s)?"
    r"(?:correct|right|best|better|answer|true|one)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE = re.compile(
    r",(?!\s*(?:or|and|nor)\b)|[.;:(](?=\s|$)|\s(?:because|since|as|who|which|that|so)\s"
)
_LETTERED = re.compile(r"[(\[]?([A-Za-z])\W(?=.)")
_REJECTED = re.compile(
    r"""\W*+(?: (?:is|are)\s(?:clearly\s|thus\s|therefore\s)?
                (?:wrong|incorrect|impossible|out\b|eliminated|excluded|ruled\sout|rejected
                  |not\s(?:it|right|correct|possible|the\b))
              | can(?:not|\snot|['’]t)\sbe
                (?:\s(?:right|correct|it|so|true|the\b)|\s*[,.;]|\s*$) )""",
    re.VERBOSE | re.IGNORECASE,
)
_ANNOUNCES = re.compile(r"A[:=]\s*+(?!A[:=])(?=\S)")


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen option: its letter in upper case, its text, or both; "" where unknown."""

    letter: str
    text: str


class _Mention(NamedTuple):
    letter: str
    start: int
    end: int
    bracketed: bool


def read_choice(phrase: str, choices: Sequence[str] = ()) -> Choice:
    """The option named by ``phrase``; ``choices`` (texts in order) complete letter and text.

    "N and P" may be an option, and so may "A: Karl", unless Karl is the text of another.
    """
    options = [plain_text(choice) for choice in choices]
    for text in (clean(phrase), clean(without_latex(plain_characters(phrase)).replace("**", ""))):
        if option := _whole_option(text, options):
            return option
    if announces := _ANNOUNCES.match(text):
        announced = text[announces.end() :]
        if _LEAD.match(announced) or _whole_option(announced, options):
            return read_choice(announced, choices)
    letter = _only_letter(text)
    lead = _LEAD.match(text)
    rest = text
    if letter and lead and letter in map(str.upper, filter(None, lead.groups())):
        rest = text[_end_of(_SEPARATORS, text, lead.end()) :]
    rest = plain_text(rest) if rest else ""
    if letter and not rest and ord(letter) - ord("A") < len(options):
        rest = options[ord(letter) - ord("A")]
    return Choice(letter, rest)


def same_choice(given: Choice, gold: Choice) -> bool:
    """By letter where both have one, else by text."""
    if given.letter and gold.letter:
        return given.letter == gold.letter
    return bool(given.text) and given.text == gold.text


def concluded_letter(text: str) -> str | None:
    """The letter that the last sentence with an option names, for a text that announces none.

    None where no option is named, or where that sentence names two alike.
    """
    for sentence in reversed(_SENTENCE.split(text)):
        found = _affirmed(sentence, list(_mentions(sentence, _MENTION)))
        letters = {mention.letter for mention in found}
        if len(letters) > 1:
            letters = _asserted_letters(sentence, found)
        if len(letters) == 1:
            return f"({letters.pop()})"
        if found:
            return None
    return None


def is_rejected(text: str) -> bool:
    """Whether ``text`` only says that the option at its beginning is wrong."""
    lead = _LEAD.match(text)
    return lead is not None and _REJECTED.match(text, lead.end()) is not None


def names_an_option(text: str) -> bool:
    """Whether any option is mentioned, be it denied."""
    return _MENTION.search(text) is not None


def is_one_sentence(text: str) -> bool:
    """Whether ``text`` has no second sentence; "A. red" is one."""
    lead = _LEAD.match(text)
    return _SENTENCE.search(text.rstrip(), lead.end() + 2 if lead else 0) is None


def _whole_option(text: str, options: Sequence[str]) -> Choice | None:
    """The one option whose text ``text`` is, with or without its letter before it."""
    if not options:
        return None
    lettered = _LETTERED.match(text)
    at = ord(lettered[1].upper()) - ord("A") if lettered else len(options)
    if lettered and at < len(options) and plain_text(text[lettered.end() :]) == options[at]:
        return Choice(lettered[1].upper(), options[at])
    clause = _CLAUSE.search(text)
    for part in (text, text[: clause.start()] if clause else text):
        plain = plain_text(part) if part.strip() else ""
        if plain and options.count(plain) == 1:
            return Choice(chr(ord("A") + options.index(plain)), plain)
    return None


def _only_letter(text: str) -> str:
    """The letter of the one option that a phrase names, before it goes on to explain."""
    mentions = list(_mentions(text, _MENTION_IN_PHRASE))
    lead = _LEAD.match(text)
    if lead and not any(mention.start < lead.end() for mention in mentions):
        letter = next(filter(None, lead.groups()))
        mentions.insert(0, _Mention(letter.upper(), 0, lead.end(), lead["round"] is not None))
    found = _affirmed(text, mentions, phrase=True)
    if not found:
        return ""
    explains = _EXPLAINS.search(text, found[0].end)
    end = explains.start() if explains else len(text)
    within = [mention for mention in found if mention.start < end]
    if within[0].bracketed:  # then single letters after it are of the option's text
        within = [mention for mention in within if mention.bracketed]
    letters = {mention.letter for mention in within}
    return letters.pop() if len(letters) == 1 else ""


def _mentions(text: str, pattern: re.Pattern[str]) -> list[_Mention]:
    found = []
    for match in pattern.finditer(text):
        group = match.lastgroup or ""
        bracketed = group == "round"
        start = match.start() if bracketed else match.start(group)
        found.append(_Mention(match[group].upper(), start, match.end(), bracketed))
    return found


def _affirmed(text: str, mentions: Sequence[_Mention], *, phrase: bool = False) -> list[_Mention]:
    """The mentions that are not denied; what is denied of one of a list is denied of all."""
    denied: list[bool] = []
    linked: list[bool] = []
    before = 0
    for mention in mentions:
        link = bool(denied) and _LINK.fullmatch(text, before, mention.start) is not None
        start = max(before, mention.start - 80)
        says_not = _DENIES_BEFORE.search(text, start, mention.start) is not None
        denied.append(says_not or (link and denied[-1]))
        linked.append(link)
        before = mention.end
    for at in range(len(mentions) - 1, -1, -1):
        # what follows a letter at the beginning of a phrase is the option's text
        is_lead = phrase and not text[: mentions[at].start].strip(" ([")
        says_not = not is_lead and _DENIES_AFTER.match(text, mentions[at].end) is not None
        if _ALL_BUT.search(text, max(0, mentions[at].start - 40), mentions[at].start):
            denied[at] = not says_not
        elif says_not:
            first = at
            while linked[first]:
                first -= 1
            denied[first : at + 1] = [True] * (at + 1 - first)
    return [mention for mention, no in zip(mentions, denied, strict=True) if not no]


def _asserted_letters(text: str, found: Sequence[_Mention]) -> set[str]:
    """The letters that are called right; of "(A) or (B) is right" both."""
    letters: set[str] = set()
    for at, mention in enumerate(found):
        if _is_asserted(text, mention):
            letters.add(mention.letter)
            if at and _LINK.fullmatch(text, found[at - 1].end, mention.start):
                letters.add(found[at - 1].letter)
    return letters


def _is_asserted(text: str, mention: _Mention) -> bool:
    before = _ASSERTS_BEFORE.search(text, max(0, mention.start - 40), mention.start)
    return before is not None or _ASSERTS_AFTER.match(text, mention.end) is not None


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
