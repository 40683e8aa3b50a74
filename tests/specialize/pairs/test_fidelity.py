"""Parts of texts are encoded as they are inside a text, whatever a tokenizer does at its start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from specialize.pairs.fidelity import encode_within
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys


def _mistral(folder: Path) -> Path:
    """A space before every text, and none folded; digits have no space of their own."""
    pieces = ["<unk>", "▁", "a", "b", "1", "2", "\n", "▁a", "▁b"]
    backend = Backend(models.Unigram([(p, -float(p != "<unk>")) for p in pieces], unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"unk_token": "<unk>"}))
    return folder


@pytest.mark.parametrize("make", [_mistral, lambda _: toys.gpt2()])
@pytest.mark.parametrize("text", [" b", " 12", "\nb", " \n b", "b", "12"])
def test_a_part_of_a_text_spells_itself(
    make: Callable[[Path], Path], text: str, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(make(tmp_path))
    spelled = b"".join(tokenizer.pieces(encode_within(tokenizer, [text])[0])).decode()
    begins = spelled != text and not text[0].isspace()  # as the first of all
    assert spelled.removeprefix(" " if begins else "") == text


def test_a_tokenizer_that_folds_is_as_before() -> None:
    tokenizer: Tokenizer = load_tokenizer(toys.t5())
    texts = [" the", "the", " 3", "3"]
    assert encode_within(tokenizer, texts) == tokenizer.encode_batch(texts)
