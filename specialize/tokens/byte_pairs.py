"""Byte-level merge models as a vocabulary and its merges: GPT-2's pair of files and its like.

A token is written in 256 printable characters that stand for the bytes (``Ġ`` for the space,
Radford et al. 2019, section 2.2). ``encoder.json`` + ``vocab.bpe`` (later ``vocab.json`` +
``merges.txt``) list tokens and merges; how a text is split before merging, and which tokens are
special, the configurations beside them say (``families``)::

    OPT    tokenizer_config.json: "bos_token": "</s>"         GPT-2's split, </s> is no text
    Qwen2  tokenizer_config.json: "Qwen2Tokenizer"            a digit is a part of its own
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from align.pieces import CHARACTER_OF
from specialize.errors import InputError
from specialize.tokens.definition import Definition, Json, parse_definition
from specialize.tokens.families import GPT2, Family, named_family
from specialize.tokens.front import template_of
from specialize.tokens.json_files import read_object

Added = tuple[str, int, bool]  # how it is written, its id, whether it is special
_END = "<|endoftext|>"
_SPECIAL = re.compile(r"<[^<>\s]+>")  # GPT-2's vocabulary has one such token, its end
_AS_WRITTEN: dict[str, Json] = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
}  # an added token is found wherever its text is
_ROLES = ("bos", "eos", "unk", "pad", "sep", "cls", "mask")


def read_pair(vocabulary: Path, merges: Path) -> Definition:
    """A pair of files: token -> id as JSON, and one merge a line, best first.

    Raises:
        InputError: not what they should be, or of a family that is not known.
    """
    try:
        ids = json.loads(vocabulary.read_text(encoding="utf-8"))
        lines = merges.read_text(encoding="utf-8").split("\n")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{vocabulary} or {merges} is not what it should be: {error}") from error
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    for number, pair in enumerate(pairs):
        if len(pair) != 2 or not {*pair, "".join(pair)} <= ids.keys():
            raise InputError(f"{merges}: merge {number} {pair} is not two tokens of {vocabulary}")
    family = _family(vocabulary, ids)
    return define(ids, pairs, family, _added(vocabulary.parent, ids), str(vocabulary))


def _family(vocabulary: Path, ids: Mapping[str, int]) -> Family:
    folder = vocabulary.parent
    family, name = named_family(
        read_object(folder / "tokenizer_config.json"), read_object(folder / "config.json")
    )
    if family is not None:
        return family
    if name is None and [token for token in ids if _SPECIAL.fullmatch(token)] == [_END]:
        return GPT2
    because = f"the configuration beside it says {name!r}" if name else "no configuration beside it"
    raise InputError(
        f"{vocabulary} does not say how a text is split before merging, and {because}, which is "
        f"no family that is known here; give the tokenizer as tokenizer.json"
    )


def _added(folder: Path, ids: Mapping[str, int]) -> list[Added]:
    """The tokens outside the merges: what the files beside name, and GPT-2's end."""
    config = read_object(folder / "tokenizer_config.json")
    named = _named(config) | _named(read_object(folder / "special_tokens_map.json"))
    known = {name: ids[name] for name in (*named, _END) if name in ids}
    found = {name: (number, True) for name, number in known.items()}
    for name, number in read_object(folder / "added_tokens.json").items():
        if isinstance(number, int):
            found[name] = number, name in named
    decoder = config.get("added_tokens_decoder")
    for number, token in (decoder if isinstance(decoder, dict) else {}).items():
        if isinstance(token, dict) and isinstance(content := token.get("content"), str):
            found[content] = int(number), bool(token.get("special")) or content in named
    return sorted(((n, i, s) for n, (i, s) in found.items()), key=lambda token: token[1])


def _named(file: Mapping[str, Json]) -> set[str]:
    """The special tokens that a configuration names by their roles."""
    values = [file.get(f"{role}_token") for role in _ROLES]
    more = file.get("additional_special_tokens")
    found = set()
    for value in [*values, *(more if isinstance(more, list) else [])]:
        content = value.get("content") if isinstance(value, dict) else value
        if isinstance(content, str) and content:
            found.add(content)
    return found


def written(token: bytes) -> str:
    """The token in the 256 characters that stand for bytes."""
    return "".join(CHARACTER_OF[byte] for byte in token)


def define(
    ids: Mapping[str, int],
    merges: Sequence[Sequence[str]],
    family: Family,
    added: Sequence[Added],
    where: str,
) -> Definition:
    """The definition of a byte-level merge model.

    Args:
        ids: by tokens in the characters that stand for bytes.
        added: tokens outside the merges; a lower one of the model's may be among them.
        where: the file, for errors.
    """
    bytes_only: dict[str, Json] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
    }
    splits: list[Json] = [
        {"type": "Split", "pattern": {"Regex": part}, "behavior": "Isolated", "invert": False}
        for part in (*family.before, family.split)
    ]
    outside = {name: number for name, number, _ in added}
    begins = outside.get(family.front or "")
    content: dict[str, Json] = {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": t, "special": s, **_AS_WRITTEN} for t, i, s in added],
        "normalizer": {"type": "NFC"} if family.composes else None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [*splits, {**bytes_only, "use_regex": False}],
        },
        "post_processor": None if begins is None else template_of((begins,)),
        "decoder": {**bytes_only, "use_regex": True},
        "model": {
            "type": "BPE",
            "unk_token": None,
            "ignore_merges": family.whole_first,
            "vocab": {**ids, **outside},
            "merges": [list(pair) for pair in merges],
        },
    }
    return parse_definition(json.dumps(content).encode(), where)
