"""Byte-level merge models as ranks: tiktoken's files, Meta's ``tokenizer.model``, Mistral's Tekken.

A rank file lists tokens in base 64 in the order in which merging made them::

    IGVhcm4= 1234      ->  "Ġearn": 1234

Which pattern splits a text and which ids are special is known by the encoding's name, that of the
file; Meta's Llama 3 keeps its ranks under the name of SentencePiece's files. ``tekken.json`` (and
``tekken_240911.json``) holds ranks with the pattern beside; its special tokens come first, so that
a token's id is its rank plus their number.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from specialize.errors import InputError
from specialize.tokens.byte_pairs import define, written
from specialize.tokens.definition import Definition
from specialize.tokens.families import CL100K_SPLIT, GPT2, O200K_SPLIT, QWEN_SPLIT, Family

_LINE = re.compile(rb"[A-Za-z0-9+/]+=* \d+\r?\n")
_SMALL = 60_000  # a vocabulary below it is nobody's published one of the families after GPT-2

# openai/tiktoken, tiktoken_ext/openai_public.py
_FIM = {"<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260}
_CL100K_SPECIAL = {"<|endoftext|>": 100257, **_FIM, "<|endofprompt|>": 100276}
_P50K_EDIT = {"<|fim_prefix|>": 50281, "<|fim_middle|>": 50282, "<|fim_suffix|>": 50283}
_O200K_SPECIAL = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}
# QwenLM/Qwen, tokenization_qwen.py
_QWEN_NAMES = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    *(f"<|extra_{i}|>" for i in range(205)),
)
# meta-llama/llama-models, models/llama3/tokenizer.py: 256 tokens after the ranks
_LLAMA3_NAMES = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|step_id|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>",
    "<|image|>", *(f"<|reserved_special_token_{i}|>" for i in range(2, 246)),
)  # fmt: skip
_TEKKEN_NAMES = {0: "<unk>", 1: "<s>", 2: "</s>"}  # of files that do not name them


@dataclass(frozen=True, slots=True)
class _Encoding:
    """A published rank file: how many tokens it has, how text splits, and the special tokens."""

    ranks: int
    family: Family
    special: Mapping[str, int]


def _after(count: int, names: tuple[str, ...]) -> dict[str, int]:
    return {name: count + i for i, name in enumerate(names)}


_CL100K, _O200K = Family(CL100K_SPLIT), Family(O200K_SPLIT)
_ENCODINGS = {
    "gpt2": _Encoding(50_256, GPT2, {"<|endoftext|>": 50256}),
    "r50k_base": _Encoding(50_256, GPT2, {"<|endoftext|>": 50256}),
    "p50k_base": _Encoding(50_280, GPT2, {"<|endoftext|>": 50256}),
    "p50k_edit": _Encoding(50_280, GPT2, {"<|endoftext|>": 50256, **_P50K_EDIT}),
    "cl100k_base": _Encoding(100_256, _CL100K, _CL100K_SPECIAL),
    "o200k_base": _Encoding(199_998, _O200K, _O200K_SPECIAL),
    "qwen": _Encoding(151_643, Family(QWEN_SPLIT, composes=True), _after(151_643, _QWEN_NAMES)),
}
_LLAMA3_RANKS = 128_000


def holds_ranks(path: Path) -> bool:
    """Whether a file is one of ranks, whatever its name."""
    with path.open("rb") as file:
        return _LINE.match(file.read(4096)) is not None


def read_ranks(path: Path) -> Definition:
    """A rank file; what it leaves unsaid is known by the file's name.

    Raises:
        InputError: an unknown name, a line that is not ``base64 rank``, or the file of another
            encoding than its name says.
    """
    if path.suffix == ".tiktoken" and path.stem not in _ENCODINGS:
        raise InputError(
            f"{path}: no encoding is known by the name {path.stem!r}, only {sorted(_ENCODINGS)}; "
            f"give the tokenizer as tokenizer.json"
        )
    ranks = _read_lines(path)
    if path.suffix == ".tiktoken":
        encoding = _ENCODINGS[path.stem]
        _check_name(path, encoding, ranks)
    else:
        encoding = _llama3(path, ranks)
    special = [(name, number, True) for name, number in encoding.special.items()]
    ids = {written(token): rank for token, rank in ranks.items()}
    return define(ids, _merges(ranks), encoding.family, special, str(path))


def _read_lines(path: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines()):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise InputError(f"{path}: line {number + 1} is not 'base64 rank': {line!r}") from error
    return ranks


def _check_name(path: Path, encoding: _Encoding, ranks: Mapping[bytes, int]) -> None:
    """Refuse the ranks of another encoding: special ids would overwrite tokens, or leave gaps."""
    others = [name for name, known in _ENCODINGS.items() if known.ranks == len(ranks)]
    if len(ranks) == _LLAMA3_RANKS:
        others.append("Llama 3's tokenizer.model")
    taken = set(encoding.special.values()) & set(ranks.values())
    if len(ranks) == encoding.ranks or not (others or taken):
        return
    whose = f"those of {' or '.join(others)}" if others else "not that encoding's"
    raise InputError(
        f"{path}: {path.stem} has {encoding.ranks:,} ranks, but the file holds {len(ranks):,}, "
        f"{whose}; give the file the name of its encoding"
    )


def _llama3(path: Path, ranks: Mapping[bytes, int]) -> _Encoding:
    if len(ranks) > _SMALL and len(ranks) != _LLAMA3_RANKS:
        raise InputError(
            f"{path} is a rank file with {len(ranks):,} tokens; of those that are called "
            f"tokenizer.model only Llama 3's, with {_LLAMA3_RANKS:,}, is known: give the tokenizer "
            f"as tokenizer.json"
        )
    family = Family(CL100K_SPLIT, front=_LLAMA3_NAMES[0])
    return _Encoding(len(ranks), family, _after(len(ranks), _LLAMA3_NAMES))


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
        family = Family(str(config["pattern"]), front=_TEKKEN_NAMES[1])
        named = content.get("special_tokens")
        names = {int(t["rank"]): str(t["token_str"]) for t in named} if named else _TEKKEN_NAMES
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError) as error:
        raise InputError(f"{path} is no Tekken vocabulary: {error!r}") from error
    special = [(names.get(rank, f"<SPECIAL_{rank}>"), rank, True) for rank in range(first)]
    ids = {written(token): first + rank for token, rank in ranks.items()}
    return define(ids, _merges(ranks), family, special, str(path))


def _merges(ranks: Mapping[bytes, int]) -> list[list[str]]:
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
    return [[written(token[:cut]), written(token[cut:])] for _, cut, token in found]
