"""The compiled search gives the ids of the library, and leaves to it what it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.errors import InputError
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.tokens.definition import encoder, parse_definition
from specialize.tokens.unigram import PlainEncoder, plain_encoder
from tests.support.folding_toy import folding_t5
from tests.support.teacher_toys import gpt2

PRINTABLE = "".join(map(chr, range(32, 127))) + "\n"
# runs of few characters have many segmentations of equal scores
texts = st.text(st.sampled_from(PRINTABLE), max_size=60) | st.text(
    st.sampled_from("0019=-.. aeks\n"), max_size=60
)


@pytest.fixture(scope="module")
def toy() -> Tokenizer:
    return folding_t5()


@pytest.fixture(scope="module")
def search(toy: Tokenizer) -> PlainEncoder:
    found = plain_encoder(toy._backend, toy._definition)
    assert found is not None
    return found


def library(tokenizer: Tokenizer, given_: list[str]) -> list[list[int]]:
    encoded = tokenizer._backend.encode_batch_fast(given_, add_special_tokens=False)
    return [encoding.ids for encoding in encoded]


def same_where_plain(tokenizer: Tokenizer, search: PlainEncoder, given_: list[str]) -> float:
    """Checks the ids of every plain text; the share of these."""
    found, plain = search.encode(given_)
    for i, ids in enumerate(library(tokenizer, given_)):
        assert found.sample(i).tolist() == (ids if plain[i] else []), given_[i]
    return float(plain.mean()) if given_ else 1.0


@settings(max_examples=200)
@given(st.lists(texts, max_size=8))
def test_ids_are_those_of_the_library(
    toy: Tokenizer, search: PlainEncoder, given_: list[str]
) -> None:
    found, plain = search.encode(given_)
    wanted = [ids if each else [] for ids, each in zip(library(toy, given_), plain, strict=True)]
    assert [found.sample(i).tolist() for i in range(len(given_))] == wanted


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("She earns", True),
        ("  She \n\n earns  ", True),
        ("a", True),
        ("", False),  # no word: what that is, the library decides
        (" \n ", False),
        ("She\tearns", False),
        ("caf\u00e9", False),
        ("x \u0301y", False),  # a mark that joins the space before it
        ("\u2581She", False),
        ("a\x00b", False),
        ("5 \u00d7 3", False),
    ],
)
def test_what_is_plain(toy: Tokenizer, search: PlainEncoder, text: str, plain: bool) -> None:
    found, marks = search.encode([text, "and"])
    assert marks.tolist() == [plain, True]
    assert found.sample(1).tolist() == library(toy, ["and"])[0]
    assert toy.encode_batch([text] * 20) == library(toy, [text] * 20)


def test_plain_and_other_texts_keep_their_order(toy: Tokenizer) -> None:
    given_ = ["caf\u00e9 one", "two", "", "three \u00bd four", " five\n", "\u4e03"] * 5
    end = [] if toy.eos is None else [toy.eos]
    expected = [ids + end for ids in library(toy, given_)]
    assert toy.encode_batch(given_, eos=True) == expected
    ragged = toy.encode_ragged(given_, eos=True, threads=3)
    assert [ragged.sample(i).tolist() for i in range(len(given_))] == expected
    assert toy.encode_batch([]) == []
    assert len(toy.encode_ragged([])) == 0


def test_half_of_a_surrogate_pair_is_refused_by_number(toy: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"character 1 of text 17 is U\+D83D"):
        toy.encode_batch(["good"] * 17 + ["x\ud83d"])


def search_of_changed(tokenizer: Tokenizer, **parts: object) -> PlainEncoder | None:
    content = json.loads(tokenizer._backend.to_str())
    for name, value in parts.items():
        part, _, key = name.partition("__")
        if key:
            content[part][key] = value
        else:
            content[part] = value
    definition = parse_definition(json.dumps(content).encode(), "changed")
    return plain_encoder(encoder(definition), definition)


def test_tokenizers_that_do_more_than_fold_are_left_to_the_library(toy: Tokenizer) -> None:
    lower = {"type": "Sequence", "normalizers": [
        {"type": "Lowercase"}, json.loads(toy._backend.to_str())["normalizer"],
    ]}  # fmt: skip
    assert search_of_changed(toy, normalizer=lower) is None
    assert search_of_changed(toy, normalizer=None) is None
    digits = {"type": "Digits", "individual_digits": True}
    assert search_of_changed(toy, pre_tokenizer=digits) is None
    assert search_of_changed(toy, model__byte_fallback=True) is None
    symbol = {
        "id": 5, "content": "abc", "special": False, "single_word": False, "lstrip": False,
        "rstrip": False, "normalized": False,
    }  # fmt: skip
    assert search_of_changed(toy, added_tokens=[symbol]) is None
    assert search_of_changed(load_tokenizer(gpt2())) is None
    vocabulary = json.loads(toy._backend.to_str())["model"]["vocab"]
    crossing = [*vocabulary, ["a\u2581b", -1.0]]
    assert search_of_changed(toy, model__vocab=crossing) is None


@pytest.mark.realdata
def test_ids_of_real_texts(data_dir: Path) -> None:
    tokenizer = load_tokenizer(data_dir / "tokenizers" / "t5")
    found = plain_encoder(tokenizer._backend, tokenizer._definition)
    assert found is not None
    lines = (data_dir / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    given_ = [text for line in read for text in (line["question"], line["answer"])]
    assert same_where_plain(tokenizer, found, given_) > 0.4
    rng = np.random.default_rng(0)
    letters = np.array(list("0011--..=$%abe \n"))
    made = ["".join(rng.choice(letters, rng.integers(0, 80))) for _ in range(5000)]
    assert same_where_plain(tokenizer, found, made) > 0.9
