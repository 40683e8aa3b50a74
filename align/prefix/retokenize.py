"""What the target's tokenizer makes of a word that the source may write.

A node of the trie spells a text; the target's tokenizer turns it into tokens. Which of them comes
next at a given row is decided there::

    node " $" + "12"        text " $12"        tokens [" $12"]
    node " earn" + "ings"   text " earnings"   tokens [" earn", "ings"]

Every node is asked about once; the texts of a whole shard go to the tokenizer in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from align.prefix.shard_arrays import AT, FIRST_TOKEN, LENGTH, SPAN_COLUMNS, Source, Words
from align.prefix.trie import CUT, ROOTS, START, add_words, empty_trie
from align.prefix.word_states import classify, walk
from align.ragged import Ragged, pointers, ragged
from align.vocabulary import BYTE, MARKER, SPECIAL, UNKNOWN, Vocabulary

Encode = Callable[[Sequence[str]], Ragged | list[list[int]]]


class Resolver:
    """The target tokens of words and candidates of the source, remembered across shards.

    Args:
        source: what the source ids spell.
        target: what the target ids spell.
        encode: the target's own tokenizer: texts to ids, without end of sequence, as lists or, in
            less time, as arrays. Its answer must not depend on the other texts of the call. None:
            nothing is asked, and every node stays without tokens.
    """

    def __init__(self, source: Vocabulary, target: Vocabulary, encode: Encode | None) -> None:
        self._source, self._target, self._encode = source, target, encode
        self.bits, self.cut = classify(source)
        self._begin()
        # Byte-level tokenizers have no such ids, and their markers are spaces of the text.
        self._virtual = bool((source.flags & (UNKNOWN | BYTE)).any())
        self._adds_space = False
        if encode is not None:
            letter = _as_arrays(encode(["a"])).sample(0).tolist()
            self._adds_space = b"".join(target.pieces(letter)) == b" a"

    def _begin(self) -> None:
        """Know no words."""
        self._trie = empty_trie()
        self._resolved = 0
        self._texts = [b""] * ROOTS  # what every node spells
        self._ids = np.zeros(1 << 12, np.int32)
        self._used = 0
        self._words = Words(np.zeros((0, SPAN_COLUMNS), np.int32), self._ids)

    def unlearned(self) -> Resolver:
        """A resolver between the same vocabularies that knows no words."""
        other = copy(self)
        other._begin()
        return other

    def resolve(self, source: Source, *, threads: int = 1) -> Words:
        """Find the words of a shard, as ``find``; the target tokens of all nodes so far."""
        self.find(source, threads=threads)
        if self._encode is not None and self._resolved < self._trie.size[0]:
            self._resolve_new(self._encode)
        return self._words

    def find(self, source: Source, *, threads: int = 1) -> None:
        """Find the words of a shard, see ``word_states.walk``; nothing is asked about them yet."""
        self._trie = walk(self._trie, source, self.bits, threads=threads)

    def words(self) -> NDArray[np.uint64]:
        """(nodes,) The parent and the token of every node so far."""
        return self._trie.keys[: int(self._trie.size[0])].copy()

    def add(self, words: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Add what ``words`` of another resolver gave; where each of its nodes is here."""
        self._trie, nodes = add_words(self._trie, words)
        return nodes

    def _resolve_new(self, encode: Encode) -> None:
        """Ask about the nodes that came since the last call and append their answers."""
        begin, end = self._resolved, int(self._trie.size[0])
        self._spell(len(self._texts), end)
        answers = self._ask(encode, self._texts[begin:end])
        new = np.full((end - begin, SPAN_COLUMNS), -1, np.int32)
        new[:, AT], new[:, LENGTH] = self._used + answers.indptr[:-1], answers.lengths
        self._append(answers.ids)
        first = self._ids[np.minimum(new[:, AT], len(self._ids) - 1)]
        spells = (new[:, LENGTH] > 0) & (self._target.flags[first] & (SPECIAL | UNKNOWN) == 0)
        new[spells, FIRST_TOKEN] = first[spells]
        self._words = Words(np.concatenate([self._words.spans, new]), self._ids)
        self._resolved = end

    def _spell(self, begin: int, end: int) -> None:
        """Add the bytes of the nodes ``begin:end``, whose parents all came before them."""
        parents, tokens = np.divmod(self._trie.keys[begin:end], np.uint64(1 << 32))
        used = np.unique(tokens)
        pieces = dict(zip(used.tolist(), self._source.pieces(used.tolist()), strict=True))
        texts = self._texts
        for parent, token in zip(parents.tolist(), tokens.tolist(), strict=True):
            piece = pieces[token]
            if parent == START and self._virtual and self._source.flags[token] & MARKER:
                piece = piece[1:]
            elif parent == CUT:
                piece = piece[self.cut[token] :]
            texts.append(texts[parent] + piece)

    def _ask(self, encode: Encode, asked: Sequence[bytes]) -> Ragged:
        """The tokens of ``asked``, all of them in one call; none of what is no text."""
        texts = all_readable(asked)
        written = [text for text in texts if text]
        queries = written
        if self._adds_space:  # or it would put a second one before a text that begins with one
            queries = [text[1:] if text[0] == " " else text for text in written]
        answers = _as_arrays(encode(queries))
        if self._adds_space and not self._target.folds:
            found = [answers.sample(i).tolist() for i in range(len(written))]
            answers = ragged([self._in_context(a, t) for a, t in zip(found, written, strict=True)])
        if len(written) == len(texts):
            return answers
        lengths = np.zeros(len(texts), np.int64)
        lengths[np.fromiter(map(bool, texts), np.bool_, len(texts))] = answers.lengths
        return Ragged(pointers(lengths), answers.ids)

    def _in_context(self, tokens: list[int], query: str) -> list[int]:
        """``tokens`` of ``query`` as they are inside a text, where nothing is put before them."""
        if not query[:1].isspace() or query.startswith(" "):
            return tokens
        bare = bool(tokens) and self._target.piece(tokens[0]) == b" "
        return tokens[1:] if bare else []

    def _append(self, ids: NDArray[np.int32]) -> None:
        end = self._used + len(ids)
        if end > len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros(max(end, len(self._ids)), np.int32)])
        self._ids[self._used : end] = ids
        self._used = end


def _as_arrays(answers: Ragged | list[list[int]]) -> Ragged:
    return answers if isinstance(answers, Ragged) else ragged(answers)


def all_readable(texts: Sequence[bytes]) -> list[str]:
    """``readable`` of each, at once where all are ASCII."""
    joined = b"\0".join(texts)
    if texts and joined.isascii() and joined.count(b"\0") == len(texts) - 1:
        return joined.decode().split("\0")
    return [readable(text) for text in texts]


def readable(text: bytes) -> str:
    """``text`` up to a character that is not complete yet; empty where it is no UTF-8."""
    if text.isascii():
        return text.decode()
    for missing in range(4):
        try:
            return text[: len(text) - missing].decode()
        except UnicodeDecodeError as error:
            if error.end < len(text) - missing:
                return ""
    return ""
