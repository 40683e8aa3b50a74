r"""Where in a response the answer is announced.

One worked record: in ``"16 - 3 - 4 = 9.\nThe answer is $1,018 (see step 2)."`` the answer phrase
is ``$1,018 (see step 2).``.

An answer is announced by ``answer is``, ``Answer:``, ``A:`` at the start of a line, ``####``,
``<answer>`` or ``\boxed{}``. "Whether the answer is 3" announces nothing. What an announcement says
is the rest of its line, or else the next line that says something: list dashes, code fences and
the delimiters of display mathematics say nothing.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

MAX_PHRASE = 1_000  # characters of an answer phrase
MAX_POINTS = 10  # of a list that is the answer
MAX_MARKERS = 300  # announcements looked at, from the first, until one says enough
MAX_TRIED = 50  # announcements tried, from the last, until one says something

_ADVERB = r"(?:therefore|thus|then|hence|simply|just)"
_MARKER = re.compile(
    rf"""
      \\f?box(?:ed)?\s*+(?P<brace>\{{)
    | \#{{4}}(?!\#|\s*+(?:step|solution|explanation|reasoning|calculation|final|part)\b)
    | <answer> | \bans\.(?=\s++[^\s:=])
    | \b(?:answers?\b|ans\b\.?|(?:correct|right|best|final|chosen)\s(?:option|choice)\b)
      (?:\s*+\([^()\n]{{0,40}}+\))?+
      (?:\s*+,?\s*+(?:to|for|of|in|here|{_ADVERB}|choice|option)\b[^\n.:=]{{0,80}}?)?
      \s*+ (?: :?\s*+(?:is|are)\b\s*+(?:,?\s*+{_ADVERB}\b\s*+,?)?+\s*+[:=]?+
         | [*_]{{0,2}}(?:[:=]>?|->|→)
         | (?:would|should|will|must|has\ to|have\ to|can\ only)\ be\b
         | equals\b | becomes\b | (?:comes|works|turns)\ out\ (?:to\ be|as|to)\b )
    | (?P<heading>^[ \t#>*_]*+ (?:the\ )?(?:(?:final|correct|best)\ )?(?:answer|ans)\b[*_]{{0,3}}
      (?: [ \t]*+[.]?[ \t]*+[*_]{{0,3}}[ \t]*+$ | [ \t]++(?:--?|[–—])(?=[ \t]) ))
    | ^[ \t]*+[*_]{{0,2}}(?P<a>A)[*_]{{0,2}}[:=](?!\s*+Let.s\ think)
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_DOUBT = re.compile(
    r"\b(?:whether|if|unless|until|suppose|supposing|assume|assumes|assuming|imagine|hope|hopefully"
    r"|pretend)(?:\s+that)?(?:\s+(?:the|my|your|our|its|this|a))?"
    r"(?:\s+(?:final|correct|right|real|true))?\s*\Z",
    re.IGNORECASE,
)
_LAYOUT = re.compile(
    r"""(?: [\s*_:]++ | (?<=\n)> | (?:```|~~~)[^\n`]{0,20}+\n | (?<=\n)-{3,}+[ \t]*+\n
          | (?P<display>\\\[|\$\$|\\begin\{[a-z]{1,20}\*?\}(?:\{[^{}\n]{0,20}\})?) )++""",
    re.VERBOSE,
)
_BULLET = re.compile(r"[-–•‣·+][ \t]++(?=\S)|1[.)][ \t]++(?=[$€£]?[-−]?\d)")
_LIST_POINT = re.compile(r"\n[ \t]*+[-–•‣·*+][ \t]++(?=\S)")
_DISPLAY_END = re.compile(r"\\\]|\$\$|\\end\{[a-z]{1,20}\*?\}")
_ROW_MARKS = re.compile(r"&|\\\\(?:\[[^\]\n]*\])?|\n")
_PAIRS = (
    ("```", "```"), ("~~~", "~~~"), ("\\[", "\\]"), ("$$", "$$"), ("\\begin{", "\\end{"),
    ("<answer>", "</answer>"),
)  # fmt: skip
_BRACE = re.compile(r"[{}]")
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("$", "$"), ("`", "`"))


class Announcement(NamedTuple):
    """What is announced, and where in the text what announces it begins and ends.

    ``is_letter`` marks an ``A:`` at the start of a line, which may also be the option A.
    """

    phrase: str
    start: int
    end: int
    is_letter: bool = False


@lru_cache(maxsize=4)  # an answer is found, then compared
def last_announcement(text: str) -> Announcement | None:
    """The last announcement of ``text`` that says something; None without any."""
    found = next(_said(text, reversed(deque(_MARKER.finditer(text), MAX_TRIED))), None)
    return None if found is None else found._replace(phrase=_with_list(text, found))


def announcements(text: str, start: int = 0, end: int | None = None) -> Iterator[Announcement]:
    """The announcements in a span of ``text`` that say something, in order."""
    found = _MARKER.finditer(text, start, len(text) if end is None else end)
    yield from _said(text, islice(found, MAX_MARKERS))


def _said(text: str, markers: Iterator[re.Match[str]]) -> Iterator[Announcement]:
    for match in markers:
        if _DOUBT.search(text, max(0, match.start() - 60), match.start()):
            continue
        if match["brace"]:
            phrase, end = _braced(text, match.end())
        else:
            phrase, end = phrase_after(text, match.end())
        marker = _MARKER.match(phrase)
        if clean(phrase) and (marker is None or marker["a"] or marker["heading"]):
            yield Announcement(phrase, match.start(), end, match["a"] is not None)


def phrase_after(text: str, start: int) -> tuple[str, int]:
    """The phrase after an announcement that ends at ``start``, and where it ends."""
    at = start
    layout = _LAYOUT.match(text, at)
    if layout is not None:
        at = layout.end()
        if "\n" in layout.group() and (bullet := _BULLET.match(text, at)):
            at = bullet.end()
        if layout["display"] and (closing := _DISPLAY_END.search(text, at, at + MAX_PHRASE)):
            return _ROW_MARKS.sub(" ", text[at : closing.start()]).strip(), closing.end()
    newline = text.find("\n", at, at + MAX_PHRASE)
    end = newline if newline >= 0 else min(len(text), at + MAX_PHRASE)
    phrase = text[at:end]
    for tag in ("</answer>", "<|", "</s>"):
        phrase = phrase.partition(tag)[0]
    return phrase, end


def _with_list(text: str, found: Announcement) -> str:
    """The announced phrase, with the further points where it is the first of a list."""
    bullet = _LIST_POINT.match(text, text.rfind("\n", 0, found.end))
    if bullet is None or not text.startswith(found.phrase, bullet.end()):
        return found.phrase
    points, at = [found.phrase], found.end
    while len(points) < MAX_POINTS and (bullet := _LIST_POINT.match(text, at)):
        at = text.find("\n", bullet.end())
        at = len(text) if at < 0 else at
        points.append(text[bullet.end() : at][:MAX_PHRASE])
    return ", ".join(points)


def line_end(text: str, at: int, limit: int) -> int | None:
    """Where the line of ``at`` is over, and the fence or display around it.

    None if that is not before ``limit``.
    """
    end = text.find("\n", at, limit)
    if end >= 0 and (delimiter := _open_delimiter(text[:end])):
        closing = text.find(delimiter, end, limit)
        end = text.find("\n", closing + len(delimiter), limit) if closing >= 0 else -1
    return None if end < 0 else end


def _open_delimiter(text: str) -> str:
    """What closes the code fence or display mathematics that ``text`` leaves open; "" if none."""
    for opening, closing in _PAIRS:
        if opening == closing and text.count(opening) % 2:
            return closing
        if opening != closing and text.rfind(opening) > text.rfind(closing):
            return closing
    return ""


def cut_after_answer(text: str) -> str | None:
    """``text`` up to and with the first line that holds "answer is"; None if there is none.

    Fu et al. (arXiv:2301.12726, code) keep this much of every response to their few-shot prompt:
    what follows is the model talking on. ``answer_end`` is the rule for any other prompt.
    """
    found = text.find("answer is")
    if found < 0:
        return None
    end = text.find("\n", found)
    return text if end < 0 else text[:end]


def clean(phrase: str) -> str:
    """``phrase`` without emphasis, quotes and final period."""
    text = phrase.strip()
    previous = None
    while text != previous:
        previous = text
        text = text.strip("*_").strip().removesuffix(".").rstrip()
        for opening, closing in _QUOTES:
            if len(text) > 1 and text.startswith(opening) and text.endswith(closing):
                text = text[1:-1].strip()
    return text


def last_line(text: str) -> str | None:
    """The last line of ``text`` that says something."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else None


def _braced(text: str, start: int) -> tuple[str, int]:
    r"""The content of ``\boxed{...}`` from ``start``, braces inside it balanced, and its end."""
    depth = 1
    for brace in _BRACE.finditer(text, start, start + MAX_PHRASE):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return text[start : brace.start()], brace.end()
    return "", start
