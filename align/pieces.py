"""Piece strings of a vocabulary, as the bytes that they spell in the text.

=================  ==============  =====================
family             piece           bytes
=================  ==============  =====================
byte-level BPE     ``ĠShe``        ``b" She"``
metaspace          ``▁She``        ``b" She"``
byte fallback      ``<0xE2>``      ``b"\\xe2"``
=================  ==============  =====================

Byte-level: Radford et al. 2019, section 2.2. Metaspace and byte fallback: Kudo and Richardson 2018
(arXiv:1808.06226) and its implementation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

METASPACE = "▁"

_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _byte_characters() -> dict[str, int]:
    """Printable bytes of Latin-1 stand for themselves, the others, in order, for U+0100 and on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted(set(range(256)) - set(printable))
    characters = {chr(byte): byte for byte in printable}
    return characters | {chr(0x100 + place): byte for place, byte in enumerate(hidden)}


_BYTE_OF = _byte_characters()
CHARACTER_OF = {byte: character for character, byte in _BYTE_OF.items()}  # its inverse


def byte_level_bytes(piece: str) -> bytes:
    """The bytes of a byte-level piece, one for each character.

    Raises:
        ValueError: a character stands for no byte, so that the piece is of another family.
    """
    try:
        return bytes([_BYTE_OF[character] for character in piece])
    except KeyError as error:
        raise ValueError(
            f"{error.args[0]!r} in piece {piece!r} stands for no byte; this is no byte-level "
            f"vocabulary, or the piece is an added token, which spells itself"
        ) from None


def metaspace_bytes(piece: str) -> bytes:
    """The bytes of a SentencePiece piece; every ``▁`` is a space."""
    return piece.replace(METASPACE, " ").encode()


def all_metaspace_bytes(pieces: Sequence[str]) -> list[bytes]:
    """``metaspace_bytes`` of each, of all at once where no piece holds what parts them."""
    joined = "\0".join(pieces)
    if joined.count("\0") != len(pieces) - 1:
        return [metaspace_bytes(piece) for piece in pieces]
    return metaspace_bytes(joined).split(b"\0")


def byte_fallback(piece: str) -> bytes | None:
    """The one byte that ``<0xE2>`` stands for; None where ``piece`` is not of this form."""
    found = _BYTE_FALLBACK.fullmatch(piece)
    return bytes([int(found[1], 16)]) if found else None
