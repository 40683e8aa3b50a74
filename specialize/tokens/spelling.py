"""What every id spells: the bytes as they are in the text, and the flags of alignment.

``▁She`` and ``ĠShe`` spell ``b" She"``, ``<0xE2>`` the byte E2, ``</s>`` and ``<unk>`` nothing. A
WordPiece model drops whitespace without a trace: ``she`` spells ``b"she"``, ``##ing`` ``b"ing"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from align.pieces import METASPACE, all_metaspace_bytes, byte_fallback, byte_level_bytes
from align.vocabulary import BARE, BYTE, MARKER, SPECIAL, UNKNOWN, Vocabulary, build_vocabulary
from specialize.errors import InputError
from specialize.tokens.definition import Definition


def spell(definition: Definition, *, eos: int | None, folds: bool) -> Vocabulary:
    """The vocabulary of a tokenizer, from what its definition says of its own writing.

    Raises:
        InputError: the pieces are neither byte-level nor SentencePiece's nor WordPiece's.
    """
    read = _byte_level if _is_byte_level(definition) else _metaspace
    if definition.model["type"] == "WordPiece":
        read = _word_piece
    elif read is _metaspace and not _is_metaspace(definition):
        raise InputError(
            f"a {definition.model['type']} tokenizer without ByteLevel or Metaspace does not say "
            f"which text its pieces spell; use a byte-level, SentencePiece or WordPiece family"
        )
    added = {token.id: token for token in definition.added}
    written = definition.pieces
    size = max([*written, *added], default=-1) + 1
    spelled, flags = [b""] * size, dict.fromkeys(range(size), SPECIAL)
    for token, (piece, flag) in zip(written, read([*written.values()], definition), strict=True):
        spelled[token], flags[token] = piece, flag
    for token, entry in added.items():
        spelled[token] = b"" if entry.special else entry.content.encode()
        flags[token] = SPECIAL if entry.special else 0
    if definition.unknown is not None:
        spelled[definition.unknown], flags[definition.unknown] = b"", UNKNOWN
    return build_vocabulary(spelled, flags=flags, eos=eos, folds=folds)


def _is_byte_level(definition: Definition) -> bool:
    return "ByteLevel" in definition.component_types("pre_tokenizer", "decoder")


def _is_metaspace(definition: Definition) -> bool:
    types = definition.component_types("pre_tokenizer", "decoder")
    return "Metaspace" in types or "▁" in str(definition.content["decoder"])


def _byte_level(pieces: Sequence[str], definition: Definition) -> Iterator[tuple[bytes, int]]:
    try:
        for spelled in map(byte_level_bytes, pieces):
            marker = MARKER if spelled[:1] == b" " else 0
            yield spelled, marker | (BARE if spelled == b" " else 0)
    except ValueError as error:
        raise InputError(str(error)) from None


def _word_piece(pieces: Sequence[str], definition: Definition) -> Iterator[tuple[bytes, int]]:
    model = definition.model
    prefix = model["continuing_subword_prefix"] if model["type"] == "WordPiece" else ""
    return ((piece.removeprefix(prefix).encode(), 0) for piece in pieces)


def _metaspace(pieces: Sequence[str], definition: Definition) -> Iterator[tuple[bytes, int]]:
    falls_back = bool(definition.model.get("byte_fallback"))
    for piece, spelled in zip(pieces, all_metaspace_bytes(pieces), strict=True):
        byte = byte_fallback(piece) if falls_back and piece[:1] == "<" else None
        if byte is not None:
            yield byte, BYTE
        elif piece[:1] == METASPACE:
            yield spelled, MARKER | (BARE if piece == METASPACE else 0)
        else:
            yield spelled, 0
