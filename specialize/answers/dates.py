"""Dates as written in answers: "05/01/2021", "May 1, 2021", "1 May", "February 3rd".

Month comes before day in numbers, as in the date tasks of BIG-Bench Hard.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?P<month>\d{{1,2}})/{_DAY}/{_YEAR}",
        rf"{_YEAR}-(?P<month>\d{{1,2}})-{_DAY}",
        rf"{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?",
        rf"(?:the\s+)?{_DAY}(?:\s+of)?\s+{_MONTH}(?:,?\s+{_YEAR})?",
    )
)


class Date(NamedTuple):
    """``year`` is 0 where none is given."""

    year: int
    month: int
    day: int


def read_date(text: str) -> Date | None:
    """The date that ``text`` is; None where it is anything else, or no day of the calendar."""
    text = text.strip().rstrip(".")
    if len(text) > 40:
        return None
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            named = match["month"].lower()
            month = int(named) if named.isdecimal() else _MONTHS.index(named[:3]) + 1
            date = Date(int(match["year"] or 0), month, int(match["day"]))
            return date if 1 <= date.month <= 12 and 1 <= date.day <= 31 else None
    return None
