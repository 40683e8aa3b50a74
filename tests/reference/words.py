"""Reference for ``align.prefix.continuations``: how words continue, by reading whole texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from align.prefix.continuations import FAR, MOST, PART
from tests.reference.projection import ToyTokenizer, stand

Word = tuple[str, tuple[int, ...], int]  # where it comes from, its teacher tokens, its first byte


def word_of(teacher: Sequence[bytes], written: Sequence[int], candidate: int | None = None) -> Word:
    """The last word of what was written, or of what would be with ``candidate`` after it."""
    root, tokens, start, inked, at = "start", (), 0, False, 0
    for token in written:
        piece = teacher[token]
        cuts = [k for k in range(1, len(piece)) if is_ink(piece[k - 1]) and not is_ink(piece[k])]
        if cuts:
            root, tokens, start, inked = "cut", (token,), at + cuts[-1], False
        elif piece and inked and not is_ink(piece[0]):
            root, tokens, start, inked = "word", (token,), at, False
        elif piece:
            tokens = (*tokens, token)
        inked = inked or (bool(piece) and is_ink(piece[-1]))
        at += len(piece)
    if candidate is None:
        return root, tokens, start
    if inked and not is_ink(teacher[candidate][0]):
        return "word", (candidate,), at
    return root, (*tokens, candidate), start


def is_ink(byte: int) -> bool:
    return not bytes([byte]).isspace()


class Words:
    """What student tokens each word continued as, as often as it was written."""

    def __init__(
        self, teacher: Sequence[bytes], student: ToyTokenizer, *, keep: int | None = None
    ) -> None:
        self.teacher, self.student, self.keep = teacher, student, keep
        self.continued: dict[tuple, list[tuple[int, ...]]] = defaultdict(list)

    def observe(self, written: Sequence[int], tokens: Sequence[int]) -> None:
        places = [
            stand(self.teacher, self.student, written, tokens, i)[0] for i in range(len(tokens))
        ]
        for j in range(1, len(written)):
            here = len(b"".join(self.teacher[token] for token in written[:j]))
            root, word, start = word_of(self.teacher, written[:j])
            first = self.anchor(root, places, start)
            if not word or first is None:
                continue
            last = first
            while last < min(first + FAR, len(tokens)) and places[last] < here:
                last += 1
            self.continued[root, word].append(tuple(tokens[first:last]))

    @staticmethod
    def anchor(root: str, places: Sequence[int], start: int) -> int | None:
        """The student token with which a word begins."""
        if root == "start":
            return 0
        return places.index(start) if start in places else None

    def split_shares(
        self, outcome: int | str, word: Word, read: tuple[int, ...]
    ) -> dict[int | str, float]:
        """Shares of a candidate whose word, as it is, would be followed by ``outcome``."""
        continued = self.continued[word[:2]]
        if not continued:
            return {outcome: 1.0}
        alike = [tokens for tokens in continued if tokens[: len(read)] == read[:FAR]]
        after = Counter(tokens[len(read)] for tokens in alike if len(tokens) > len(read))
        if len(read) > FAR and outcome == "wrong":  # what was not looked at goes on as it is
            alike = []
        met = len(alike) + (outcome != "wrong")
        if isinstance(outcome, int):
            after[outcome] += met if len(read) >= FAR else 1
        spelled = sorted(((c, -v) for v, c in after.items() if v > 1), reverse=True)[:MOST]
        if self.keep:
            spelled = [(c, v) for c, v in spelled if PART * self.keep * c >= met][: self.keep]
        shares: dict[int | str, float] = {-minus: count for count, minus in spelled}
        shares["tail"] = met - sum(shares.values())
        shares["wrong"] = len(continued) + 1 - met
        return {key: count / (len(continued) + 1) for key, count in shares.items()}
