"""Texts that are read word by word have the library's ids, or are left to it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.tokens import Tokenizer, load_tokenizer
from specialize.tokens.odd_words import OddWords
from specialize.tokens.unigram import plain_encoder
from tests.support.folding_toy import folding_t5

ODD = "½²³™´¨…‥€—’“üßé\u0301\u0308ﬁ①㎏·{}~^<\\`\u200b\u00a0\u3000\r\t\u2581\U0001f3fb👍"
texts = st.lists(
    st.text(st.sampled_from("ab1.$-"), max_size=5) | st.text(st.sampled_from(ODD), max_size=4)
    | st.sampled_from([" ", "\n", "  "]),
    max_size=12,
).map("".join)  # fmt: skip


def words_of(tokenizer: Tokenizer) -> OddWords:
    search = plain_encoder(tokenizer._backend)
    assert search is not None
    return OddWords(search, lambda few: [each.ids for each in tokenizer._encodings(few)])


@cache
def toy_words() -> OddWords:
    return words_of(folding_t5())


def library(tokenizer: Tokenizer, few: list[str]) -> list[list[int]]:
    return [each.ids for each in tokenizer._encodings(few)]


def same(tokenizer: Tokenizer, words: OddWords, few: list[str]) -> float:
    """Checks the ids of every text that was read; the share of these."""
    found = words.encode(few)
    for text, mine, theirs in zip(few, found, library(tokenizer, few), strict=True):
        assert mine is None or mine.tolist() == theirs, repr(text)
    return sum(mine is not None for mine in found) / max(1, len(found))


@pytest.fixture(scope="module")
def toy() -> Tokenizer:
    return folding_t5()


@settings(max_examples=100)
@given(st.lists(texts, max_size=6))
def test_ids_are_those_of_the_library(few: list[str]) -> None:
    same(folding_t5(), toy_words(), few)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("the café costs", True),
        ("½ cup and ½ cup", True),
        ("“It’s” — 5 × 3", True),
        ("café", True),
        ("x \u0301y", False),  # a mark that joins the space before it
        ("a \U0001f3fb b", False),
        ("a\u200bb", False),
        ("a\u00a0b", False),
        ("\tShe", False),
        ("She\r\nearns", False),
    ],
)
def test_which_texts_are_read_word_by_word(toy: Tokenizer, text: str, read: bool) -> None:
    words = words_of(toy)
    (found,) = words.encode([text])
    assert (found is not None) is read
    assert same(toy, words, [text, "and", text]) >= read
    assert toy.encode_batch([text] * 20, eos=True) == [
        [*ids, toy.eos] for ids in library(toy, [text] * 20)
    ]


def test_a_word_is_asked_for_once_and_never_where_its_neighbours_matter(toy: Tokenizer) -> None:
    asked: list[str] = []

    def ask(few: list[str] | tuple[str, ...]) -> list[list[int]]:
        asked.extend(few)
        ids = library(toy, list(few))
        # a tokenizer in which "é" is another token beside a word
        return [[*each, 7] if text.startswith("a é") else each
                for text, each in zip(few, ids, strict=True)]  # fmt: skip

    words = OddWords(words_of(toy).search, ask)
    first, second = words.encode(["ü and ü", "é"])
    assert first is not None
    assert second is None
    assert asked.count("ü") == 1
    again = words.encode(["é", "so ü"])
    assert asked.count("ü") == asked.count("é") == 1
    assert again[0] is None
    assert np.array_equal(again[1], library(toy, ["so ü"])[0])


@pytest.mark.realdata
def test_almost_every_real_text_is_read(data_dir: Path) -> None:
    tokenizer = load_tokenizer(data_dir / "tokenizers" / "t5")
    content = (data_dir / "gsm8k" / "test.jsonl").read_text(encoding="utf-8")
    odd = [line for line in content.splitlines() if not line.isascii()]
    assert same(tokenizer, words_of(tokenizer), odd + ["3 < 4 ~ {x}"] * 3) > 0.98
