"""What the target's tokenizer makes of a word that the source may write.

A node of the trie spells a text; the target's tokenizer turns it into tokens. Which of them comes
next at a given row is decided there::

    node " $" + "12"        text " $12"        tokens [" $12"]
    node " earn" + "ings"   text " earnings"   tokens [" earn", "ings"]

Every text is asked about once; the texts of a whole shard go to the tokenizer in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np

from align.prefix.shard_arrays import AT, LENGTH, Source, Words
from align.prefix.trie import CUT, ROOTS, START, empty_trie
from align.prefix.word_states import classify, walk
from align.vocabulary import BYTE, MARKER, UNKNOWN, Vocabulary

Encode = Callable[[Sequence[str]], list[list[int]]]


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
        self.bits, self.cut = classify(source)
        self._trie = empty_trie()
        self._resolved = 0
        self._pieces = source.all_pieces()
        self._texts = [b""] * ROOTS  # what every node spells
        self._answers: dict[bytes, tuple[int, int]] = {}
        self._ids = np.zeros(1 << 12, np.int32)
        self._used = 0
        self._words = Words(np.zeros((0, 3), np.int32), self._ids)
        # Byte-level tokenizers have no such ids, and their markers are spaces of the text.
        self._virtual = bool((source.flags & (UNKNOWN | BYTE)).any())
        self._adds_space = False
        if encode is not None:
            self._adds_space = b"".join(target.pieces(encode(["a"])[0])) == b" a"

    @property
    def texts(self) -> int:
        """How many different texts the tokenizer has been asked about."""
        return len(self._answers)

    def resolve(self, source: Source, *, threads: int = 1) -> Words:
        """Find the words of a shard, see ``word_states.walk``; the target tokens of all nodes."""
        self._trie = walk(self._trie, source, self.bits, threads=threads)
        if self._encode is not None and self._resolved < self._trie.size[0]:
            self._resolve_new(self._encode)
        return self._words

    def _resolve_new(self, encode: Encode) -> None:
        """Ask about the nodes that came since the last call and append their answers."""
        begin, end = self._resolved, int(self._trie.size[0])
        self._spell(len(self._texts), end)
        texts = self._texts[begin:end]
        asked = [text for text in dict.fromkeys(texts) if text not in self._answers]
        answers = self._asked(encode, [readable(text) for text in asked])
        self._answers.update(zip(asked, self._append(answers), strict=True))
        new = np.full((len(texts), 3), -1, np.int32)
        spans = chain.from_iterable(self._answers[text] for text in texts)
        new[:, [AT, LENGTH]] = np.fromiter(spans, np.int32, 2 * len(texts)).reshape(-1, 2)
        self._words = Words(np.concatenate([self._words.spans, new]), self._ids)
        self._resolved = end

    def _spell(self, begin: int, end: int) -> None:
        """Add the bytes of the nodes ``begin:end``, whose parents all came before them."""
        parents, tokens = np.divmod(self._trie.keys[begin:end], np.uint64(1 << 32))
        texts, pieces = self._texts, self._pieces
        for parent, token in zip(parents.tolist(), tokens.tolist(), strict=True):
            piece = pieces[token]
            if parent == START and self._virtual and self._source.flags[token] & MARKER:
                piece = piece[1:]
            elif parent == CUT:
                piece = piece[self.cut[token] :]
            texts.append(texts[parent] + piece)

    def _asked(self, encode: Encode, texts: Sequence[str]) -> list[list[int]]:
        """What the tokenizer makes of ``texts``, in one call; nothing of an empty one."""
        queries = [text for text in texts if text]
        if self._adds_space:  # or it would put a second one before a text that begins with one
            queries = [text[1:] if text[0] == " " else text for text in queries]
        answers = encode(queries)
        if self._adds_space and not self._target.folds:
            written = (text for text in texts if text)
            answers = [self._in_context(a, t) for a, t in zip(answers, written, strict=True)]
        if len(queries) == len(texts):
            return answers
        tokens = iter(answers)
        return [next(tokens) if text else [] for text in texts]

    def _in_context(self, tokens: list[int], query: str) -> list[int]:
        """``tokens`` of ``query`` as they are inside a text, where nothing is put before them."""
        if not query[:1].isspace() or query.startswith(" "):
            return tokens
        bare = bool(tokens) and self._target.piece(tokens[0]) == b" "
        return tokens[1:] if bare else []

    def _append(self, answers: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
        """Where the tokens of each answer are in the array of all, and how many they are."""
        sizes = list(map(len, answers))
        starts = np.cumsum([self._used, *sizes])
        end = int(starts[-1])
        if end > len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros(max(end, len(self._ids)), np.int32)])
        self._ids[self._used : end] = np.fromiter(chain.from_iterable(answers), np.int32)
        self._used = end
        return zip(starts[:-1].tolist(), sizes, strict=True)


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
