"""Slow, plain readings of tokenizers, to compare the fast ones with."""

from __future__ import annotations

from itertools import pairwise

import regex

GPT2_PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def rank_encode(text: str, ranks: dict[bytes, int], cache: dict[str, list[int]]) -> list[int]:
    """tiktoken's rule: join the two neighbours whose bytes have the lowest rank, until none has."""
    ids: list[int] = []
    for word in GPT2_PATTERN.findall(text):
        if word not in cache:
            cache[word] = encode_part(word.encode(), ranks)
        ids += cache[word]
    return ids


def encode_part(word: bytes, ranks: dict[bytes, int]) -> list[int]:
    parts = [word[i : i + 1] for i in range(len(word))]
    while True:
        pairs = enumerate(pairwise(parts))
        joined = [(ranks[a + b], i) for i, (a, b) in pairs if a + b in ranks]
        if not joined:
            return [ranks[part] for part in parts]
        _, at = min(joined)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
