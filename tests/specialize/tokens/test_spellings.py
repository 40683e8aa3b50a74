"""A token that is named by its text has one id or none; a replacement character has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from align.pieces import CHARACTER_OF
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.tokens.spellings import SpellingError, Spellings, spelled_bytes

PIECES = ["\ufffd".encode(), b" costs", b"\xe2\x80", b"\xe2", " é".encode(), b"\xbd", b"bytes:"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A byte-level vocabulary in which, as in GPT-2's, one token spells U+FFFD."""
    folder = tmp_path_factory.mktemp("tokenizer")
    written = ["".join(CHARACTER_OF[byte] for byte in piece) for piece in PIECES]
    backend = Backend(models.BPE({piece: i for i, piece in enumerate(written)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|endoftext|>"])
    backend.save(str(folder / "tokenizer.json"))
    return load_tokenizer(folder)


@pytest.mark.parametrize(
    ("text", "own", "piece"),
    [
        (" costs", None, b" costs"),
        (" costs", [32, 99, 111, 115, 116, 115], b" costs"),
        ("\ufffd", [0xE2, 0x80], b"\xe2\x80"),
        ("\ufffd", [0xE2], b"\xe2"),
        ("\ufffd", [0xBD], b"\xbd"),
        (r"bytes:\xe2\x80", None, b"\xe2\x80"),
        (r"bytes: \xc3\xa9", None, " é".encode()),
        (" é", None, " é".encode()),
        ("bytes:", None, b"bytes:"),
    ],
)
def test_a_name_is_one_token(
    tokenizer: Tokenizer, text: str, own: list[int] | None, piece: bytes
) -> None:
    assert Spellings.of(tokenizer).id_named(text, own) == PIECES.index(piece)


def test_a_special_token_is_known_by_its_name(tokenizer: Tokenizer) -> None:
    assert Spellings.of(tokenizer).id_named("<|endoftext|>") == len(PIECES)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("\ufffd", None),
        (" \ufffd", None),
        ("\ufffd\ufffd", None),
        ("caf\ufffd", None),
        (r"bytes:\xef\xbf\xbd", None),
        ("\ufffd", [0xEF, 0xBF, 0xBD]),
        (" \ufffd", [0x20, 0xEF, 0xBF, 0xBD]),
    ],
)
def test_a_replacement_character_is_never_looked_up(
    tokenizer: Tokenizer, text: str, own: list[int] | None
) -> None:
    with pytest.raises(SpellingError, match="a replacement character in place of"):
        Spellings.of(tokenizer).id_named(text, own)


@pytest.mark.parametrize(
    ("text", "own", "reason"),
    [
        (" cost", None, "does not have"),
        ("", None, "does not have"),
        ("\ud83d", None, "does not have"),
        ("\ufffd", [], "does not have"),
        ("\ufffd", [256], "are no bytes"),
        ("\ufffd", [-1], "are no bytes"),
        ("\ufffd", ["a"], "are no bytes"),
    ],
)
def test_a_name_that_is_no_token(
    tokenizer: Tokenizer, text: str, own: list[int] | None, reason: str
) -> None:
    with pytest.raises(SpellingError, match=reason):
        Spellings.of(tokenizer).id_named(text, own)


def test_one_spelling_of_two_tokens() -> None:
    assert Spellings({b"a": 3, b"b": -1}).id_named("a") == 3
    with pytest.raises(SpellingError, match="a text that several tokens have"):
        Spellings({b"a": 3, b"b": -1}).id_named("b")


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["gpt2/encoder.json", "tiktoken/p50k_base.tiktoken"])
def test_gpt2_spells_the_replacement_character(data_dir: Path, name: str) -> None:
    path = data_dir / "tokenizers" / name
    tokenizer = load_tokenizer(path.parent if path.suffix == ".json" else path)
    spellings = Spellings.of(tokenizer)
    assert tokenizer.vocabulary().piece(4210) == "\ufffd".encode()
    assert spellings.id_named(" costs") == tokenizer.encode(" costs")[0]
    with pytest.raises(SpellingError, match="a replacement character"):
        spellings.id_named("\ufffd")
    assert spelled_bytes("\ufffd", [0xC2]) == b"\xc2"
