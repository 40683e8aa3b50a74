r"""Which numbers an answer phrase states, without the words, sums and remarks around them.

One worked record: ``"12 * 5, which equals $60 (see step 2). Then 3 are left"`` has the core
``$60``, whose only quantity is 60. "Vendor 2", "not 5", "5 or 6 of them" and "3\sqrt{2}" state no
single number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from specialize.answers.dates import read_date
from specialize.answers.equations import evaluate
from specialize.answers.latex import has_function
from specialize.answers.number_words import spelt_number
from specialize.answers.phrases import clean
from specialize.answers.quantities import (
    CURRENCY,
    Quantity,
    join_groups,
    outside_parentheses,
    plain_mathematics,
    quantities,
    series,
)

_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|;(?=[^=]*=)|;(?!\s*[-$€£]?\d)|\s(?:because|since|so)\s")
_ORDINAL = {"st", "nd", "rd", "th"}
_NAME = re.compile(
    r"(?!(?:About|Approximately|Around|Roughly|Only|Exactly|Total|Almost|Nearly|Just|Over|Under"
    r"|Day|Rs|USD|EUR|GBP|Is)\b)[A-Z][a-z]+\s\d{1,3}"
)
_CALCULATES = re.compile(r"\s*+(?:\*\*?|[\^×÷/+])\s*+[\d(]")
_NOT_BUT = re.compile(
    r"\bnot\s++[^\s,;]{1,20}+\s*+(?:but\s++|[,;]\s*+(?:but\s++)?)(?:rather\s++|it(?:'s|\sis)\s++)?"
)
_DENIED = re.compile(
    rf"\b(?:not|never|neither|nor|anything but|(?:more|less|fewer|greater|other|rather) than)"
    rf"\s+(?:exactly\s+|equal to\s+)?[{CURRENCY}]?\Z",
    re.IGNORECASE,
)
_OPERATION = re.compile(r"[\d)]\s*+[-+*/×÷^−x]")
_RANGE = re.compile(r"\d–\d")
_SUM = re.compile(
    rf"""[\s{CURRENCY}]*+(?:
        [\d.,/({CURRENCY}]++
        (?: \s*+ (?: [-+*×÷−–x] | (?<=\s)/(?=\s) | \b(?:plus|minus|times|divided\sby)\b ) \s*+
            [\d.,/(){CURRENCY}]++ )++
      | (?:the\s++)?(?:sum|total|product|difference|quotient)\s++(?:of|between)\s++
        [\d.,{CURRENCY}]++ (?:\s*+,?\s*+(?:and|by|from|to)?\s++[\d.,{CURRENCY}]++){{1,9}}+
    )""",
    re.VERBOSE,
)
_RESULT = re.compile(
    rf"""
        \s*+[,;]?\s*+(?:which|that|this|it|and)?\s*+
        (?: \b(?:is|equals?|gives?|makes?|totals?|giving|making|leaving|leaves?
             |equall?ing|totall?ing|or|so|i\.e\.|comes\ (?:out\ )?to|adds\ up\ to
             |sums\ (?:up\ )?to|amounts\ to|results\ in|works\ out\ (?:to|as)
             |for\ a\ total\ of)(?=\W)
          | -+> | => | → )
        [\s:,]*+ (?:equal\ to\s|to\ be\s|a\ total\ of\s|in\ total\s)?+
        (?=[-−]?[{CURRENCY}]?\s?\d)""",
    re.VERBOSE | re.IGNORECASE,
)


def answer_core(phrase: str) -> str:
    """The part of a phrase that is compared: no remark, no further sentence, no left-hand side.

    "x = 5 apples (see step 2). Then 3 are left" has the core "5 apples".
    """
    text = phrase.replace("**", " ") if phrase.endswith("**") else phrase
    text = _result_in_words(plain_mathematics(_NOT_BUT.sub("", text)))
    text = join_groups(outside_parentheses(text).strip())
    first = next(quantities(text), None)
    if first is None:
        return clean(text)
    end = _SENTENCE_END.search(text, first.end)
    sentence = text[: end.start()] if end else text
    if "=" in sentence:
        sides = sentence.split("=")
        sentence = next((side for side in reversed(sides) if _is_single(side)), sides[-1])
    return sentence.strip()


def numbers_of(core: str) -> tuple[Quantity, ...]:
    """The quantities that the core of a phrase states: one, the members of a list, or none."""
    if has_function(core) or _RANGE.search(core):
        return ()
    if _OPERATION.search(core):
        value = evaluate(core)
        if value is not None and sum(1 for _ in quantities(core)) > 1:
            return (Quantity(core, 0, len(core), value),)
    members, _ = series(core)
    if not members:
        spelt = spelt_number(core)
        return () if spelt is None else (Quantity(core, 0, len(core), spelt),)
    before = core[: members[0].start]
    if before.endswith("^") or _DENIED.search(before) or is_name(core, members):
        return ()
    return () if _CALCULATES.match(core, members[0].end) else members


def is_denied(text: str, quantity: Quantity) -> bool:
    """Whether a quantity of ``text`` is denied: "it is not 5"."""
    return _DENIED.search(text, max(0, quantity.start - 40), quantity.start) is not None


def is_name(core: str, members: Sequence[Quantity]) -> bool:
    """Whether ``core`` is a name or date that holds a number.

    "Vendor 2", "The 60th caller", "February 3rd" and "11:55 p.m. on 24 December" are words; "6th"
    and "about 5 apples" are numbers.
    """
    if not members:
        return False
    first = members[0]
    if first.half:
        return read_date(re.sub(r"^\s*on\s", "", core[first.end :])) is not None
    if core[first.end : first.end + 2] in _ORDINAL and core[: first.start].strip():
        return True
    return _NAME.fullmatch(core) is not None


def _result_in_words(text: str) -> str:
    """``text`` from its result on, where it begins with a sum: "90 + 80, which is 170"."""
    calculation = _SUM.match(text)
    result = _RESULT.match(text, calculation.end()) if calculation else None
    return text[result.end() :] if result else text


def _is_single(side: str) -> bool:
    return sum(1 for _ in quantities(side)) == 1
