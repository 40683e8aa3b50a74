"""What costs a student something, from vocabularies made for it and from published ones."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from specialize.pairs.cautions import UNKNOWN_WIDTHS, Widths, cautions, width_of
from specialize.pairs.evidence import Evidence, Given, assume
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.chat_families import family_tokenizer
from tests.support.sentences import unlike

DATA = Path(os.environ.get("SPECIALIZE_DATA", "/nonexistent"))
TEXTS = [Given("He has 3 + 4 = 7 apples.\nThe answer is 7")] * 60
REAL = {  # what is said of published vocabularies, and nothing else
    "gpt2 mistral": ["'1234' the teacher has 12|34, the student 1|2|3|4",
                     "of the student's tokens are single bytes"],
    "mistral gpt2": ["the teacher has 1|2|3|4, the student 12|34",
                     "of the teacher's tokens are single bytes"],
    "gpt2 t5": ["t5 has no line break: a student cannot write one"],
    "t5 gpt2": ["t5 has no line break: its rows end no line"],
    "gpt2 tiktoken": [],
}  # fmt: skip


def _said(teacher: Tokenizer, student: Tokenizer, widths: Widths = UNKNOWN_WIDTHS) -> list[str]:
    return _of(assume(teacher, TEXTS), student, widths)


def _of(evidence: Evidence, student: Tokenizer, widths: Widths = UNKNOWN_WIDTHS) -> list[str]:
    tokens = student.encode_ragged([one.text for one in evidence.texts.responses], eos=True)
    return cautions(evidence, student, tokens, widths)


def test_vocabularies_made_for_it() -> None:
    plain, folding = load_tokenizer(toys.gpt2()), load_tokenizer(toys.t5())
    pieces = family_tokenizer("gemma2")
    by_kind = {"no line": [_said(plain, folding), _said(folding, plain)],
               "digits are split": [_said(plain, pieces)],
               "single bytes": [_said(plain, pieces), _said(pieces, plain)],
               "one tokenizer": [_said(plain, plain)]}  # fmt: skip
    for words, found in by_kind.items():
        assert all(any(words in sentence for sentence in said) for said in found), words
    assert not any("single bytes" in sentence for sentence in _said(plain, plain))


def test_padded_vocabularies_are_read_from_the_configurations() -> None:
    folder = toys.gpt2()
    tokenizer, padded = load_tokenizer(folder), width_of(str(folder))
    assert padded == tokenizer.size + 3
    assert width_of(str(folder / "tokenizer.json")) == padded
    found = [s for s in _said(tokenizer, tokenizer, Widths(padded, padded)) if "ids" in s]
    assert re.search(f"teacher's rows have {padded} ids, its tokenizer {padded - 3}", found[0])
    assert re.search(f"student's output has {padded} ids, its tokenizer {padded - 3}", found[1])
    assert not [s for s in _said(tokenizer, tokenizer, Widths(padded - 3, None)) if "ids" in s]


@pytest.mark.parametrize(("count", "words"), [(1, "1 text is"), (49, "49 texts are"), (50, None)])
def test_too_few_texts_are_named(count: int, words: str | None) -> None:
    tokenizer = load_tokenizer(toys.gpt2())
    found = _of(assume(tokenizer, TEXTS[:count]), tokenizer)
    assert [s.startswith(words or "?") for s in found if "too few" in s] == ([True] * bool(words))


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("pair", REAL)
def test_published_vocabularies(pair: str) -> None:
    teacher, student = (load_tokenizer(_path(name)) for name in pair.split())
    assert unlike(_said(teacher, student), [re.escape(words) for words in REAL[pair]]) == []


@pytest.mark.slow
@pytest.mark.realdata
def test_a_published_model_is_wider_than_its_tokenizer(tmp_path: Path) -> None:
    for name in ("spiece.model", "flan-t5-base-config.json"):
        wanted = "config.json" if name.endswith("json") else name
        (tmp_path / wanted).write_bytes((DATA / "tokenizers/t5" / name).read_bytes())
    tokenizer = load_tokenizer(tmp_path)
    found = _said(tokenizer, tokenizer, Widths(None, width_of(str(tmp_path))))
    assert any("output has 32128 ids, its tokenizer 32100" in sentence for sentence in found)


def _path(name: str) -> Path:
    folder = DATA / "tokenizers" / name
    return next(folder.glob("*.tiktoken"), folder)
