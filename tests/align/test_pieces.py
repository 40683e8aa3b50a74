"""Piece strings to bytes, by family."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.pieces import (
    CHARACTER_OF,
    all_metaspace_bytes,
    byte_fallback,
    byte_level_bytes,
    metaspace_bytes,
)


@given(st.binary(max_size=20))
def test_byte_level_is_a_bijection(data: bytes) -> None:
    assert byte_level_bytes("".join(CHARACTER_OF[byte] for byte in data)) == data


@pytest.mark.parametrize(
    ("piece", "data"), [("ĠShe", b" She"), ("Ċ", b"\n"), ("Ã©", "é".encode()), ("12", b"12")]
)
def test_byte_level(piece: str, data: bytes) -> None:
    assert byte_level_bytes(piece) == data


def test_a_character_of_no_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="'▁' in piece '▁She' stands for no byte"):
        byte_level_bytes("▁She")


@pytest.mark.parametrize(("piece", "data"), [("▁She", b" She"), ("▁", b" "), ("a▁b", b"a b")])
def test_metaspace(piece: str, data: bytes) -> None:
    assert metaspace_bytes(piece) == data


@pytest.mark.parametrize(
    ("piece", "data"), [("<0xE2>", b"\xe2"), ("<0x0a>", b"\n"), ("<0xE>", None), ("a<0xE2>", None)]
)
def test_byte_fallback(piece: str, data: bytes | None) -> None:
    assert byte_fallback(piece) == data


@given(st.lists(st.text(st.sampled_from("a\u2581\u00e9\0 "))))
def test_all_at_once_are_those_one_by_one(pieces: list[str]) -> None:
    assert all_metaspace_bytes(pieces) == [metaspace_bytes(piece) for piece in pieces]
