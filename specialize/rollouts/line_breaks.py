r"""Line breaks that a student cannot write, put back where its teacher would have them.

    "He has 9 pens. The answer is 9"   ->   "He has 9 pens.\nThe answer is 9"

T5's vocabulary has no line break: it learned ``.\nThe`` as ``. The`` and writes it so. Its teacher
never writes that, and what it says of the tokens after a text which is foreign to it is of no use.
Every blank of a student's text becomes what follows the same character, before the same word, most
often in the teacher's own texts; where this pair is not there, what follows the character.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from specialize.tokens import Tokenizer

_GAP = re.compile(r"(\S)(\s+)(?=(\S+))")


@dataclass(frozen=True, slots=True)
class LineBreaks:
    """The most frequent white space after a character, before a word or before any ("")."""

    gaps: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> LineBreaks:
        """Those of a teacher's texts."""
        counts: dict[tuple[str, str], Counter[str]] = {}
        for text in texts:
            for before, gap, word in _GAP.findall(text):
                for key in ((before, word), (before, "")):
                    counts.setdefault(key, Counter())[gap] += 1
        return cls({key: found.most_common(1)[0][0] for key, found in sorted(counts.items())})

    def restore(self, text: str) -> str:
        """``text`` with every single blank as the teacher would write it."""

        def gap(found: re.Match[str]) -> str:
            before, written, word = found.groups()
            if written != " ":
                return found[0]
            likely = self.gaps.get((before, word), self.gaps.get((before, ""), " "))
            return before + likely

        return _GAP.sub(gap, text)


def loses_line_breaks(tokenizer: Tokenizer) -> bool:
    """Whether a text comes back from the student's tokens without them."""
    return "\n" not in tokenizer.decode(tokenizer.encode("a\nb"))
