"""Texts with a few words that the compiled search cannot read: those words go to the library alone.

    "the café costs $5"   "the " | "café" | " costs $5"   ->   search, library, search

Where words are segmented one after another (``unigram``), the ids of a text are those of its words,
provided that the normalizer makes of a word in its text what it makes of it alone. Normalizers work
on characters, or on those that are read together; so no word may hold control or format characters
or further kinds of whitespace, nor begin with a mark that joins the space before it, and its ids
next to a plain word must be seen to be the same. Such words are asked for once. A text with any
other word is left to the library as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from specialize.tokens.unigram import WORD, PlainEncoder

_PLAIN = "a"  # the word beside which the others are tried
_MODIFIERS = range(0x1F3FB, 0x1F400)  # skin tones: they join the character before
_MOST = 1 << 16  # words that are remembered

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]
_Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class OddWords:
    """Encodes texts word by word.

    Attributes:
        search: for their plain parts.
        library: the ids of whole texts.
    """

    search: PlainEncoder
    library: Encode
    _pattern: re.Pattern[str] = field(init=False, repr=False)
    _known: dict[str, _Ids | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        plain = re.escape("".join(map(chr, np.flatnonzero(self.search.kind == WORD))))
        pattern = rf"[{plain}]*[^{plain} \n][^ \n]*"
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def encode(self, texts: Sequence[str], *, threads: int = 1) -> list[_Ids | None]:
        """The ids of every text; None where the library has to read it whole.

        Args:
            texts: that hold characters which the search does not know.
            threads: how many work on the plain parts; no result depends on it.
        """
        places = [[match.span() for match in self._pattern.finditer(text)] for text in texts]
        self._learn({text[a:b] for text, odd in zip(texts, places, strict=True) for a, b in odd})
        parts = [self._parts(text, odd) for text, odd in zip(texts, places, strict=True)]
        plain = [part for each in parts if each for part in each if isinstance(part, str)]
        segments, _ = self.search.encode(plain, threads=threads)
        numbers = iter(range(len(plain)))
        found: list[_Ids | None] = []
        for each in parts:
            if each is None:
                found.append(None)
                continue
            ids = [segments.sample(next(numbers)) if isinstance(p, str) else p for p in each]
            found.append(np.concatenate([np.zeros(0, np.int32), *ids]))
        return found

    def _parts(self, text: str, odd: Sequence[tuple[int, int]]) -> list[str | _Ids] | None:
        """Plain text and the ids of what is between; None where a word is not to be trusted."""
        parts: list[str | _Ids] = []
        last = 0
        for start, end in odd:
            ids = self._known.get(text[start:end])
            if ids is None:
                return None
            parts += [text[last:start], ids]
            last = end
        parts.append(text[last:])
        return [part for part in parts if not isinstance(part, str) or part.strip(" \n")]

    def _learn(self, words: set[str]) -> None:
        """Ask for the words that are new."""
        new = sorted(words - self._known.keys())
        if len(self._known) + len(new) > _MOST:
            self._known.clear()
            new = sorted(words)
        tried = [word for word in new if _stands_alone(word)]
        self._known.update(dict.fromkeys(new))
        asked = [f"{each}" for word in tried for each in
                 (word, f"{_PLAIN} {word}", f"{word} {_PLAIN}")]  # fmt: skip
        *answers, plain = self.library([*asked, _PLAIN])
        for number, word in enumerate(tried):
            alone, after, before = map(list, answers[3 * number : 3 * number + 3])
            if alone and after == [*plain, *alone] and before == [*alone, *plain]:
                self._known[word] = np.array(alone, np.int32)


def _stands_alone(word: str) -> bool:
    """Whether no character of ``word`` can join, or become, the whitespace around it."""
    if unicodedata.category(word[0])[0] == "M" or ord(word[0]) in _MODIFIERS:
        return False
    return all(unicodedata.category(character)[0] not in "CZ" for character in word)
