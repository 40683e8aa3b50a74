"""Tokens that are named by their text, as services without ids name them -> ids.

    " costs"                    -> the id that spells b" costs"
    "bytes:\\xe2\\x80"          -> the id that spells b"\\xe2\\x80"
    "\ufffd", bytes [226, 128]  -> the id that spells b"\\xe2\\x80"
    "\ufffd"                    -> refused: any part of any character may be written so

U+FFFD is what a decoder writes where bytes are no whole character. GPT-2's id 4210 happens to spell
it, so that looking it up would give that token the mass of whatever was meant. Bytes help only
where they are the token's own: servers that encode the decoded text again list U+FFFD's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from align.vocabulary import SPECIAL, UNKNOWN
from specialize.tokens.tokenizer import Tokenizer

REPLACEMENT = "\ufffd"
_NOTATION = "bytes:"
_BYTES = re.compile(r"\\x([0-9a-fA-F]{2})|([^\\])", re.DOTALL)


class SpellingError(ValueError):
    """A name that is not one token's alone; the message is the reason by which it is counted."""


@dataclass(frozen=True, slots=True)
class Spellings:
    """Ids by the bytes that they spell, special tokens by their names; -1 where several match."""

    ids: Mapping[bytes, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Spellings:
        """The spellings of a tokenizer's whole vocabulary."""
        vocabulary = tokenizer.vocabulary()
        found: dict[bytes, int] = {}
        for token in range(tokenizer.size):
            if not vocabulary.flags[token] & (SPECIAL | UNKNOWN):
                piece = vocabulary.piece(token)
                found[piece] = -1 if piece in found else token
        for name, token in tokenizer.special_tokens().items():
            found.setdefault(name.encode(), token)
        return cls(found)

    def id_of(self, spelled: bytes) -> int:
        """The one id that spells ``spelled``.

        Raises:
            SpellingError: none does, or several do.
        """
        found = self.ids.get(spelled)
        if found is None:
            raise SpellingError("a token that the tokenizer does not have")
        if found < 0:
            raise SpellingError("a text that several tokens have")
        return found

    def id_named(self, text: str, own: Sequence[int] | None = None) -> int:
        """The id of a token that is named by its text and, where a service lists them, its bytes.

        Raises:
            SpellingError: as ``id_of`` and ``spelled_bytes``.
        """
        return self.id_of(spelled_bytes(text, own))


def spelled_bytes(text: str, own: Sequence[int] | None = None) -> bytes:
    """The bytes of a token from its name and, where they are listed, its own bytes.

    Args:
        text: what the token shows as; after ``bytes:`` in the notation of bytes that are no text.
        own: the values of its bytes, 0 to 255.

    Raises:
        SpellingError: U+FFFD with nothing that says which bytes it stands for, or values that are
            no bytes.
    """
    if own is not None:
        try:
            spelled = bytes(own)
        except (TypeError, ValueError):
            raise SpellingError("the bytes of a token are no bytes") from None
    elif text.startswith(_NOTATION) and len(text) > len(_NOTATION):
        pairs = _BYTES.findall(text.removeprefix(_NOTATION))
        spelled = b"".join(
            bytes([int(code, 16)]) if code else char.encode() for code, char in pairs
        )
    else:
        spelled = text.encode(errors="surrogatepass")
    if REPLACEMENT.encode() in spelled:
        raise SpellingError("a replacement character in place of a token's bytes")
    return spelled
