"""Sentences held against what they should say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest


def unlike(found: Sequence[str], expected: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """The sentences without their pattern, each with it; None where one side has no more."""
    return [
        (sentence, pattern)
        for sentence, pattern in zip_longest(found, expected)
        if sentence is None or pattern is None or not re.search(pattern, sentence)
    ]
