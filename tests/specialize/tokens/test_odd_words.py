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
    search = plain_encoder(tokenizer._backend, tokenizer._definition)
    assert search is not None
    return OddWords(search, lambda few: [each.ids for each in tokenizer._encodings(few)])


@cache
def toy_words() -> OddWords:
    return words_of(folding_t5())


def library(tokenizer: Tokenizer, few: list[str]) -> list[list[int]]:
    return [each.ids for each in tokenizer._encodings(few)]


def read_otherwise(tokenizer: Tokenizer, words: OddWords, few: list[str]) -> list[str]:
    """The texts that were read, and not with the library's ids."""
    found = zip(few, words.encode(few), library(tokenizer, few), strict=True)
    return [text for text, mine, theirs in found if mine is not None and mine.tolist() != theirs]


@pytest.fixture(scope="module")
def toy() -> Tokenizer:
    return folding_t5()


@settings(max_examples=100)
@given(st.lists(texts, max_size=6))
def test_ids_are_those_of_the_library(few: list[str]) -> None:
    assert read_otherwise(folding_t5(), toy_words(), few) == []


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
    assert read_otherwise(toy, words, [text, "and", text]) == []
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
    few = odd + ["3 < 4 ~ {x}"] * 3
    words = words_of(tokenizer)
    assert read_otherwise(tokenizer, words, few) == []
    assert np.mean([ids is not None for ids in words.encode(few)]) > 0.98
