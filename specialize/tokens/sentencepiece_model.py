"""A SentencePiece model file as a tokenizer definition.

T5's ``spiece.model`` is a Unigram model whose normalizer folds whitespace; the ``tokenizer.model``
of Mistral and Llama is a merge model that keeps whitespace and spells what it lacks in bytes. Both
write a space as ``▁`` and put one before the text::

    "She earns $12."  ->  ▁She ▁earn s ▁$12 .          (T5)

Source: Kudo & Richardson 2018, arXiv:1808.06226; the format is ``sentencepiece_model.proto``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2 as proto

from specialize.errors import InputError
from specialize.tokens.definition import Definition, Json, parse_definition

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # of pieces
UNIGRAM, BPE = 1, 2  # of models
# Byte pieces are reached through the fallback alone; this keeps the lattice from their spelling.
_OUT_OF_REACH = -1e5


class _Piece(Protocol):
    """A token of the file: how it is written, its log-probability or rank, its type."""

    piece: str
    score: float
    type: int


class _TrainerSpec(Protocol):
    """How the model was trained, as far as it is read; an id below 0 is of no token."""

    model_type: int
    bos_id: int
    eos_id: int
    byte_fallback: bool
    treat_whitespace_as_suffix: bool


class _NormalizerSpec(Protocol):
    """What is done to a text before it is split into pieces."""

    precompiled_charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


class ModelFile(Protocol):
    """The message ``ModelProto``, whose Python class is made at run time."""

    pieces: Sequence[_Piece]
    trainer_spec: _TrainerSpec
    normalizer_spec: _NormalizerSpec

    def ParseFromString(self, serialized: bytes) -> int: ...  # noqa: N802


def read_sentencepiece(path: Path, *, extra_ids: int = 0) -> Definition:
    """The definition in a SentencePiece model file.

    Args:
        path: the file.
        extra_ids: how many ``<extra_id_n>`` follow the file's own pieces, the highest n
            first, as in T5 (100).

    Raises:
        InputError: not a SentencePiece model, or one of a kind that is not Unigram or BPE.
    """
    model: ModelFile = proto.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise InputError(f"{path} is not a SentencePiece model: {error}") from error
    return definition_of(model, str(path), extra_ids=extra_ids)


def definition_of(model: ModelFile, where: str, *, extra_ids: int = 0) -> Definition:
    """The definition of a SentencePiece model that was read; see ``read_sentencepiece``."""
    kind, normalizer = model.trainer_spec.model_type, model.normalizer_spec
    if not model.pieces or kind not in (UNIGRAM, BPE):
        raise InputError(f"{where} is not a Unigram or BPE model of SentencePiece")
    if not normalizer.escape_whitespaces or model.trainer_spec.treat_whitespace_as_suffix:
        raise InputError(f"{where} does not write a space as a leading ▁, which is needed here")
    if not any(p.type == UNKNOWN for p in model.pieces):
        raise InputError(f"{where} has no piece for what it does not know")
    content: dict[str, Json] = {
        "version": "1.0",
        "added_tokens": _added(model, extra_ids),
        "normalizer": _normalizer(normalizer),
        "pre_tokenizer": _pre_tokenizer(model),
        "post_processor": _post_processor(model),
        "decoder": _decoder(model),
        "model": _unigram(model) if kind == UNIGRAM else _merge_model(model),
    }
    return parse_definition(json.dumps(content).encode(), where)


def _added(model: ModelFile, extra_ids: int) -> list[Json]:
    """Control pieces and extra ids as special tokens, user-defined symbols as ordinary ones."""
    tokens = [
        (number, p.piece, p.type != USER_DEFINED)
        for number, p in enumerate(model.pieces)
        if p.type in (UNKNOWN, CONTROL, USER_DEFINED, UNUSED)
    ]
    last = len(model.pieces) + extra_ids - 1
    tokens += [(last - n, f"<extra_id_{n}>", True) for n in reversed(range(extra_ids))]
    fixed: dict[str, Json] = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
    }
    return [{"id": i, "content": piece, "special": s, **fixed} for i, piece, s in tokens]


def _normalizer(spec: _NormalizerSpec) -> Json:
    """The file's character map, then folding, then the first space, then ``▁`` for spaces."""
    steps: list[Json] = []
    if spec.precompiled_charsmap:
        charsmap = base64.b64encode(spec.precompiled_charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    if spec.remove_extra_whitespaces:
        steps += [_replace({"Regex": r"\A +| +\z"}, ""), _replace({"Regex": " {2,}"}, " ")]
    if spec.add_dummy_prefix:
        steps.append({"type": "Prepend", "prepend": "▁"})
    return {"type": "Sequence", "normalizers": [*steps, _replace({"String": " "}, "▁")]}


def _replace(pattern: dict[str, Json], content: str) -> Json:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _pre_tokenizer(model: ModelFile) -> Json:
    """Split before runs of ``▁`` where no piece crosses one: the same tokens, found faster."""
    normal = "\0".join(p.piece for p in model.pieces if p.type == NORMAL)
    if re.search("[^▁\0]▁", normal):
        return None
    pattern: Json = {"Regex": "▁+"}
    return {"type": "Split", "pattern": pattern, "behavior": "MergedWithNext", "invert": False}


def _post_processor(model: ModelFile) -> Json:
    """What others put around a text when they read the saved file: ``<s>``, or ``</s>`` after."""
    trainer = model.trainer_spec
    front = trainer.bos_id >= 0
    token = trainer.bos_id if front else trainer.eos_id
    if token < 0:
        return None
    piece = model.pieces[token].piece
    mark: Json = {"SpecialToken": {"id": piece, "type_id": 0}}
    text: list[Json] = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    single = [mark, text[0]] if front else [text[0], mark]
    pair = [*single, mark, text[1]] if front else [*single, text[1], mark]
    special: Json = {piece: {"id": piece, "ids": [token], "tokens": [piece]}}
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def _decoder(model: ModelFile) -> Json:
    steps: list[Json] = [_replace({"String": "▁"}, " ")]
    if model.trainer_spec.byte_fallback:
        steps.append({"type": "ByteFallback"})
    steps.append({"type": "Fuse"})
    if model.normalizer_spec.add_dummy_prefix:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def _unigram(model: ModelFile) -> Json:
    return {
        "type": "Unigram",
        "unk_id": _unknown(model),
        "vocab": [[p.piece, _OUT_OF_REACH if p.type == BYTE else p.score] for p in model.pieces],
        "byte_fallback": model.trainer_spec.byte_fallback,
    }


def _merge_model(model: ModelFile) -> Json:
    unknown = model.pieces[_unknown(model)].piece
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unknown,
        "fuse_unk": True,
        "byte_fallback": model.trainer_spec.byte_fallback,
        "ignore_merges": False,
        "vocab": {p.piece: number for number, p in enumerate(model.pieces)},
        "merges": _merges(model),
    }


def _merges(model: ModelFile) -> list[Json]:
    """Every split of a piece into two pieces, best score of the whole first.

    SentencePiece joins the neighbours whose joined piece scores best, the leftmost of equals,
    whatever the halves; the library ranks pairs. A long left half first makes a run of equal
    scores (Llama's pieces of spaces) grow from the left, as it does there. Only pieces that
    merging may reach take part: the spelling of a control or byte piece (``</s>``, ``<0x0A>``) in
    a text stays text.
    """
    scores = {p.piece: p.score for p in model.pieces if p.type == NORMAL}
    found = [
        (score, cut, piece)
        for piece, score in scores.items()
        for cut in range(1, len(piece))
        if piece[:cut] in scores and piece[cut:] in scores
    ]
    found.sort(key=lambda split: (-split[0], -split[1], split[2]))
    return [[piece[:cut], piece[cut:]] for _, cut, piece in found]


def _unknown(model: ModelFile) -> int:
    return next(number for number, p in enumerate(model.pieces) if p.type == UNKNOWN)
