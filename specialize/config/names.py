"""Names that a recipe gives: to itself, its teachers, sets and objectives.

A name becomes a directory, a cell of a table and a word on the terminal. It is therefore checked
once, where the recipe is read, and is never a path, a formula or a control sequence::

    "llama-3.1", "gsm8k", "sort words"   names
    "../../evil", "=HYPERLINK(1)", ""     refused
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"\w([\w .+-]{0,98}[\w+-])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_name(name: str) -> str:
    """``name``, if it can safely be a directory's name, a table's cell and a terminal's word.

    Raises:
        ValueError: it cannot; says what a name may hold.
    """
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be a name: use at most 100 letters, digits, spaces and . _ - +, "
            f"beginning with a letter or digit and not ending in a space or dot"
        )
    return name


Name = Annotated[str, AfterValidator(check_name)]
