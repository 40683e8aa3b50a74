"""The bytes of every token that a store uses, so that nobody needs the teacher's tokenizer.

A safetensors file with ``id`` (n,) u32 rising, ``ptr`` (n+1,) i64, ``data`` u8, and ``flags`` (n,)
u8, the bits of ``align.vocabulary``; one metadata key with the end of sequence and whether
whitespace folds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from align.vocabulary import BARE, MARKER, SPECIAL, Vocabulary, build_vocabulary
from specialize.errors import StoreError
from specialize.store.ragged import Arrays
from specialize.store.sealed import canonical

_METADATA = "specialize"


def encode_vocabulary(vocabulary: Vocabulary, used: NDArray[np.int64]) -> bytes:
    """The file of the ids ``used`` (sorted) and the end of sequence.

    Raises:
        ValueError: an id that the vocabulary does not have.
    """
    if len(used) and used[-1] >= len(vocabulary):
        raise ValueError(
            f"token id {used[-1]} is in use, but the vocabulary has {len(vocabulary)} pieces"
        )
    pieces = [vocabulary.piece(int(token)) for token in used]
    arrays: Arrays = {
        "id": used.astype(np.uint32),
        "ptr": np.cumsum([0, *map(len, pieces)], dtype=np.int64),
        "data": np.frombuffer(b"".join(pieces), np.uint8),
        "flags": vocabulary.flags[used],
    }
    about = {"eos": vocabulary.eos, "folds": vocabulary.folds}
    return save(arrays, {_METADATA: canonical(about).decode()})


def from_mapping(pieces: Mapping[int, bytes], used: NDArray[np.int64]) -> Vocabulary:
    """A vocabulary of plain pieces: a leading space is a marker, nothing at all is special.

    Raises:
        ValueError: an id in ``used`` has no bytes.
    """
    missing = [int(token) for token in used if int(token) not in pieces]
    if missing:
        raise ValueError(f"{len(missing)} ids in use have no bytes, the first is {missing[0]}")
    size = max([*pieces, -1]) + 1
    flags = {token: _flags(pieces.get(token, b"")) for token in range(size)}
    return build_vocabulary([pieces.get(token, b"") for token in range(size)], flags=flags)


def _flags(piece: bytes) -> int:
    if not piece:
        return SPECIAL
    return (MARKER if piece.startswith(b" ") else 0) | (BARE if piece == b" " else 0)


def joined_vocabulary(parts: Sequence[Vocabulary]) -> Vocabulary:
    """One vocabulary with the pieces of all ``parts`` of it, of which each has those in use there.

    Raises:
        StoreError: two parts spell an id differently.
    """
    first, pieces = parts[0], [b""] * len(parts[0])
    flags: dict[int, int] = {}
    for part in parts:
        for token in np.flatnonzero((part.flags != SPECIAL) | (np.diff(part.indptr) > 0)).tolist():
            piece, flag = part.piece(token), int(part.flags[token])
            if flags.setdefault(token, flag) != flag or (pieces[token] or piece) != piece:
                raise StoreError(
                    f"two parts spell token {token} as {pieces[token]!r} and as {piece!r}; they "
                    f"are of different teachers"
                )
            pieces[token] = piece
    every = {token: flags.get(token, SPECIAL) for token in range(len(pieces))}
    return build_vocabulary(pieces, flags=every, eos=first.eos, folds=first.folds)


def decode_vocabulary(content: bytes, path: Path, size: int) -> tuple[Vocabulary, list[int]]:
    """A vocabulary of ``size`` ids, of which those not stored are special, and the stored ids.

    Raises:
        StoreError: not such a file.
    """
    try:
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"][_METADATA])
        ids, ptr, data = arrays["id"].tolist(), arrays["ptr"].tolist(), arrays["data"].tobytes()
        pieces, flags = [b""] * size, dict.fromkeys(range(size), SPECIAL)
        for token, start, end, flag in zip(
            ids, ptr[:-1], ptr[1:], arrays["flags"].tolist(), strict=True
        ):
            pieces[token], flags[token] = data[start:end], flag
        built = build_vocabulary(pieces, flags=flags, eos=about["eos"], folds=about["folds"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError, SafetensorError) as error:
        raise StoreError(f"{path} is not a vocabulary: {error}") from error
    return built, ids
