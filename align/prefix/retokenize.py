"""What the target's tokenizer makes of a word that the source may write.

A node of the trie of ``words.py`` spells a text; the target's tokenizer turns it into tokens.
Which of them stands at a given place is decided later, per row::

    node " $" + "12"        text " $12"        tokens [" $12"]
    node " earn" + "ings"   text " earnings"   tokens [" earn", "ings"]

Every text is asked about once; the texts of a whole shard go to the tokenizer in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.prefix.trie import CUT, ROOTS, START, Trie
from align.prefix.word_states import Source, Walk, new_trie, walk
from align.vocabulary import BYTE, MARKER, SPECIAL, UNKNOWN, Vocabulary

Encode = Callable[[Sequence[str]], list[list[int]]]


# What is known of a node, side by side: whoever needs one needs the others soon.
TOKEN = 0  # its first target token; -1 where there is none, or one that spells nothing
AT = 1  # where its target tokens are
LENGTH = 2  # how many they are
BECAME = 3  # the place of what its word became, see ``continuations.Seen``; -1 for none


class Resolved(NamedTuple):
    """Target tokens of every node: node v owns ``ids[words[v, AT]:]``, so many as
    ``words[v, LENGTH]`` says; ``words`` is (nodes, 4)."""

    words: NDArray[np.int32]
    ids: NDArray[np.int32]


class Resolver:
    """The target tokens of words and candidates of the source, remembered across shards.

    Args:
        source: what the source ids spell.
        target: what the target ids spell.
        encode: the target's own tokenizer: texts to ids, without end of sequence. Its answer must
            not depend on the other texts of the call. None: nothing is asked, and every node
            stays without tokens.
    """

    def __init__(self, source: Vocabulary, target: Vocabulary, encode: Encode | None) -> None:
        self._source, self._target, self._encode = source, target, encode
        self._trie = new_trie(source)
        self._resolved = 0
        self._answers: dict[bytes, tuple[int, int]] = {}
        self._ids = np.zeros(1 << 12, np.int32)
        self._used = 0
        self._nodes = Resolved(np.zeros((0, 4), np.int32), self._ids)
        # Byte-level tokenizers have no such ids, and their markers are spaces of the text.
        self._virtual = bool((source.flags & (UNKNOWN | BYTE)).any())
        self._adds_space = False
        if encode is not None:
            self._adds_space = b"".join(target.pieces(encode(["a"])[0])) == b" a"

    @property
    def texts(self) -> int:
        """How many different texts the tokenizer has been asked about."""
        return len(self._answers)

    def resolve(self, source: Source, *, threads: int = 1) -> tuple[Trie, Walk, Resolved]:
        """Resolve every state and candidate of a shard.

        Returns:
            The trie, where the shard's words stand in it, and the target tokens of all nodes.
        """
        self._trie, found = walk(self._trie, source, threads=threads)
        if self._encode is not None and self._resolved < self._trie.size[0]:
            self._resolve_new(self._encode)
        return self._trie, found, self._nodes

    def _resolve_new(self, encode: Encode) -> None:
        """Ask about the nodes that came since the last call and append their answers."""
        begin, end = self._resolved, int(self._trie.size[0])
        texts = [self._text(node) for node in range(begin, end)]
        asked = [text for text in dict.fromkeys(texts) if text not in self._answers]
        known = {text: readable(text) for text in asked}
        queries = [text for text in known.values() if text]
        tokens = iter(encode([self._query(text) for text in queries]) if queries else [])
        for text, query in known.items():
            answer = self._placed(next(tokens), query) if query else []
            self._answers[text] = self._append(answer)
        new = np.full((len(texts), 4), -1, np.int32)
        new[:, [AT, LENGTH]] = [self._answers[text] for text in texts]
        first = self._ids[np.minimum(new[:, AT], len(self._ids) - 1)]
        spells = (new[:, LENGTH] > 0) & (self._target.flags[first] & (SPECIAL | UNKNOWN) == 0)
        new[spells, TOKEN] = first[spells]
        self._nodes = Resolved(np.concatenate([self._nodes.words, new]), self._ids)
        self._resolved = end

    def _text(self, node: int) -> bytes:
        """The bytes of ``node``, read from its ancestors."""
        trie, source = self._trie, self._source
        parts: list[bytes] = []
        while node >= ROOTS:
            parent, token = trie.spelling(node)
            piece = source.piece(token)
            if parent == START and self._virtual and source.flags[token] & MARKER:
                piece = piece[1:]
            parts.append(piece[trie.cut[token] :] if parent == CUT else piece)
            node = parent
        return b"".join(reversed(parts))

    def _query(self, text: str) -> str:
        """``text`` without the space that the tokenizer would put before it a second time."""
        return text[1:] if self._adds_space and text.startswith(" ") else text

    def _placed(self, tokens: list[int], query: str) -> list[int]:
        """``tokens`` of ``query`` as they stand inside a text, where nothing is put before them."""
        if not (self._adds_space and not self._target.folds and query[:1].isspace()):
            return tokens
        if query.startswith(" "):
            return tokens
        bare = bool(tokens) and self._target.piece(tokens[0]) == b" "
        return tokens[1:] if bare else []

    def _append(self, tokens: list[int]) -> tuple[int, int]:
        """Where ``tokens`` came to stand, and how many they are."""
        start, end = self._used, self._used + len(tokens)
        if end > len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros(max(end, len(self._ids)), np.int32)])
        self._ids[start:end] = tokens
        self._used = end
        return start, len(tokens)


def readable(text: bytes) -> str:
    """``text`` up to a character that is not complete yet; empty where it is no UTF-8."""
    for missing in range(4):
        try:
            return text[: len(text) - missing].decode()
        except UnicodeDecodeError as error:
            if error.end < len(text) - missing:
                return ""
    return ""
