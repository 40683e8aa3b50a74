"""Byte-level merge models in their own files: GPT-2's pair, tiktoken's ranks, Mistral's Tekken.

A token is written in 256 printable characters that stand for the bytes (``Ġ`` for the space,
Radford et al. 2019, section 2.2). ``encoder.json`` + ``vocab.bpe`` list tokens and merges; a rank
file lists tokens in base 64 in the order in which merging made them::

    IGVhcm4= 1234      ->  "Ġearn": 1234

``tekken.json`` holds ranks too, with the pattern that splits texts; its special tokens come first,
so that a token's id is its rank plus their number.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from align.pieces import CHARACTER_OF
from specialize.errors import InputError
from specialize.tokens.definition import Definition, Json, parse_definition
from specialize.tokens.front import template_of

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class _Encoding:
    """What a rank file leaves unsaid: how text splits, and the special tokens."""

    pattern: str
    special: tuple[tuple[str, int], ...]


# The names and numbers are those of openai/tiktoken, tiktoken_ext/openai_public.py.
_ENCODINGS = {
    "r50k_base": _Encoding(_GPT2, (("<|endoftext|>", 50256),)),
    "p50k_base": _Encoding(_GPT2, (("<|endoftext|>", 50256),)),
    "cl100k_base": _Encoding(
        _CL100K,
        (
            ("<|endoftext|>", 100257),
            ("<|fim_prefix|>", 100258),
            ("<|fim_middle|>", 100259),
            ("<|fim_suffix|>", 100260),
            ("<|endofprompt|>", 100276),
        ),
    ),
}

# The first special tokens of files that do not name them.
_TEKKEN_SPECIAL = tuple(
    {"rank": rank, "token_str": name} for rank, name in enumerate(("<unk>", "<s>", "</s>"))
)

_TEKKEN_FRONT = "<s>"


def read_pair(vocabulary: Path, merges: Path) -> Definition:
    """GPT-2's two files: token -> id as JSON, and one merge a line, best first."""
    try:
        ids = json.loads(vocabulary.read_text(encoding="utf-8"))
        lines = merges.read_text(encoding="utf-8").split("\n")
    except ValueError as error:
        raise InputError(f"{vocabulary} or {merges} is not what it should be: {error}") from error
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    for number, pair in enumerate(pairs):
        if len(pair) != 2 or not {*pair, "".join(pair)} <= ids.keys():
            raise InputError(f"{merges}: merge {number} {pair} is not two tokens of {vocabulary}")
    special = [("<|endoftext|>", ids["<|endoftext|>"])] if "<|endoftext|>" in ids else []
    return _definition(ids, pairs, _GPT2, special, str(vocabulary))


def read_ranks(path: Path) -> Definition:
    """A tiktoken rank file; what it leaves unsaid is known by the file's name.

    Raises:
        InputError: an unknown name, or a line that is not ``base64 rank``.
    """
    if path.stem not in _ENCODINGS:
        raise InputError(
            f"{path}: no encoding is known by the name {path.stem!r}, only {sorted(_ENCODINGS)}; "
            f"give the tokenizer as tokenizer.json"
        )
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines()):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise InputError(f"{path}: line {number + 1} is not 'base64 rank': {line!r}") from error
    ids = {_written(token): rank for token, rank in ranks.items()}
    encoding = _ENCODINGS[path.stem]
    return _definition(ids, _merges(ranks), encoding.pattern, encoding.special, str(path))


def read_tekken(path: Path) -> Definition:
    """A ``tekken.json``, with as many tokens as its configuration says are in use.

    Raises:
        InputError: it is not JSON, or lacks a part.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        config, entries = content["config"], content["vocab"]
        first = int(config["default_num_special_tokens"])
        count = int(config["default_vocab_size"]) - first
        ranks = {
            base64.b64decode(entry["token_bytes"], validate=True): int(entry["rank"])
            for entry in entries
            if int(entry["rank"]) < count
        }
        pattern = str(config["pattern"])
        named = content.get("special_tokens") or _TEKKEN_SPECIAL
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise InputError(f"{path} is no Tekken vocabulary: {error!r}") from error
    names = {int(token["rank"]): str(token["token_str"]) for token in named}
    special = [(names.get(rank, f"<SPECIAL_{rank}>"), rank) for rank in range(first)]
    ids = {_written(token): first + rank for token, rank in ranks.items()}
    return _definition(ids, _merges(ranks), pattern, special, str(path), front=_TEKKEN_FRONT)


def _written(token: bytes) -> str:
    """The token in the 256 characters that stand for bytes."""
    return "".join(CHARACTER_OF[byte] for byte in token)


def _merges(ranks: dict[bytes, int]) -> list[list[str]]:
    """Every split of a token into two tokens, lowest rank of the whole first.

    tiktoken joins the neighbours whose joined bytes have the lowest rank, whatever the halves; the
    library ranks pairs.
    """
    found = [
        (rank, cut, token)
        for token, rank in ranks.items()
        for cut in range(1, len(token))
        if token[:cut] in ranks and token[cut:] in ranks
    ]
    found.sort(key=lambda split: (split[0], -split[1]))
    return [[_written(token[:cut]), _written(token[cut:])] for _, cut, token in found]


def _definition(
    ids: dict[str, int],
    merges: list[list[str]],
    pattern: str,
    special: Sequence[tuple[str, int]],
    where: str,
    *,
    front: str | None = None,
) -> Definition:
    """``front``: the special token before every text."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    bytes_only = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    split = {"pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    content: dict[str, Json] = {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": t, "special": True, **flags} for t, i in special],
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Split", **split}, {**bytes_only, "use_regex": False}],
        },
        "post_processor": _begins(front, dict(special)),
        "decoder": {**bytes_only, "use_regex": True},
        "model": {
            "type": "BPE",
            "unk_token": None,
            "vocab": {**ids, **dict(special)},
            "merges": merges,
        },
    }
    return parse_definition(json.dumps(content).encode(), where)


def _begins(front: str | None, special: Mapping[str, int]) -> Json:
    """A post-processor that puts ``front`` before a text, where there is such a token."""
    return template_of((special[front],)) if front is not None and front in special else None
