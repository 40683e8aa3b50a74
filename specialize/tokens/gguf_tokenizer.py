"""The tokenizer inside a GGUF file, from its own metadata.

    tokenizer.ggml.model   gpt2: bytes and merges     llama, t5: SentencePiece's pieces and scores
    tokenizer.ggml.pre     smollm, llama-bpe, qwen2 ...: how a text is split before merging
    tokenizer.ggml.tokens, token_type, merges, scores, bos_token_id, eos_token_id, add_bos_token ...
    tokenizer.chat_template

The ids are those of the tokenizer that the model was published with. Where the file names a way of
splitting that is not known here, it is refused: another one gives other ids for every number. (The
transformers library splits a text as GPT-2 does in that case, SmolLM2's among them.)

Source: docs/gguf.md in ggml-org/ggml; what is taken for granted where the file is silent is as in
src/llama-vocab.cpp of ggml-org/llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sentencepiece import sentencepiece_model_pb2 as proto

from specialize.errors import InputError
from specialize.io.gguf_file import GgufFile, read_gguf
from specialize.tokens.byte_pairs import Added, define
from specialize.tokens.chat_template import ChatTemplate
from specialize.tokens.definition import Definition
from specialize.tokens.ends import template_end
from specialize.tokens.families import GGUF_NAMES, Family, gguf_family
from specialize.tokens.front import first_ids
from specialize.tokens.sentencepiece_model import (
    BPE,
    BYTE,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    ModelFile,
    definition_of,
)
from specialize.tokens.tokenizer import Tokenizer, build_tokenizer

_KEY = "tokenizer.ggml."
_ENDS = ("eos", "eot", "eom")
_T5_EXTRA_IDS = 100
Token = tuple[str, int]  # how it is written, and its type


def load_gguf_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in the metadata of a GGUF file.

    Raises:
        InputError: a damaged file, or a tokenizer of a kind that is not known.
    """
    file = read_gguf(path)
    definition = _definition(file)
    eos, pad = _role(file, "eos"), _role(file, "padding")
    special = {role: i for role, i in (("eos", eos), ("pad", pad)) if i is not None}
    written = {token.content: token.id for token in definition.added}
    if eos is not None and eos in definition.written:
        written[definition.written[eos]] = eos
    source = file.text("tokenizer.chat_template")
    chat = None if source is None else ChatTemplate(source, _named(file, definition))
    turn_end = template_end(chat, written)
    ends = [*(_role(file, name) for name in _ENDS), turn_end]
    return build_tokenizer(
        definition,
        f"{path.resolve().parent.name}/{path.name}",
        special,
        ends=tuple(dict.fromkeys(token for token in ends if token is not None)),
        front=first_ids(definition.content["post_processor"]),
        chat=chat,
        turn_end=turn_end,
    )


def _named(file: GgufFile, definition: Definition) -> dict[str, str]:
    """The tokens with a role as a chat template knows them, ``bos_token`` and the others."""
    roles = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    ids = {f"{name}_token": _role(file, role) for name, role in roles.items()}
    written = definition.written
    return {name: written[i] for name, i in ids.items() if i is not None and i in written}


def _definition(file: GgufFile) -> Definition:
    kind = file.text(f"{_KEY}model")
    tokens = _tokens(file)
    if kind == "gpt2":
        return _byte_pairs(file, tokens)
    if kind in ("llama", "t5"):
        return _sentencepiece(file, tokens, UNIGRAM if kind == "t5" else BPE)
    raise InputError(
        f"{file.path}: its tokenizer is of the kind {kind!r}, only 'gpt2', 'llama' and 't5' are "
        f"read; use the model's original directory"
    )


def _tokens(file: GgufFile) -> list[Token]:
    """Every token in use with its type; those that only fill up the model's width are left out."""
    texts, types = file.values(f"{_KEY}tokens"), file.values(f"{_KEY}token_type")
    if not texts or (types and len(types) != len(texts)):
        raise InputError(
            f"{file.path} names {len(texts):,} tokens and {len(types):,} types of tokens; it holds "
            f"no whole tokenizer"
        )
    kinds = [int(k) if isinstance(k, int) else NORMAL for k in types] or [NORMAL] * len(texts)
    tokens = [(str(text), kind) for text, kind in zip(texts, kinds, strict=True)]
    used = len(tokens)
    while used and tokens[used - 1][1] == UNUSED:
        used -= 1
    return tokens[:used]


def _role(file: GgufFile, name: str) -> int | None:
    """The id of the token with a role; one outside the vocabulary counts as none."""
    token = file.whole(f"{_KEY}{name}_token_id")
    return token if token is not None and 0 <= token < len(file.values(f"{_KEY}tokens")) else None


def _byte_pairs(file: GgufFile, tokens: list[Token]) -> Definition:
    name = file.text(f"{_KEY}pre")
    family = gguf_family(name or "")
    if family is None:
        named = f"as {name!r} does, which is not known here" if name else "in a way it does not say"
        raise InputError(
            f"{file.path} splits a text {named} (known: {', '.join(GGUF_NAMES)}); use the model's "
            f"original directory, or convert it again"
        )
    ids = {text: i for i, (text, _) in enumerate(tokens)}
    if len(ids) < len(tokens):
        raise InputError(f"{file.path} is damaged: two of its tokens are written alike")
    added: list[Added] = [
        (text, i, kind != USER_DEFINED)
        for i, (text, kind) in enumerate(tokens)
        if kind not in (NORMAL, BYTE)
    ]
    merges = list(_merges(file, ids))
    return define(ids, merges, _begun(file, family, tokens), added, str(file.path))


def _begun(file: GgufFile, family: Family, tokens: list[Token]) -> Family:
    """The family with the file's own begin token, where a text has one."""
    bos, adds = _role(file, "bos"), file.flag(f"{_KEY}add_bos_token")
    begins = family.front is not None if adds is None else adds
    return replace(family, front=tokens[bos][0] if begins and bos is not None else None)


def _merges(file: GgufFile, ids: dict[str, int]) -> Iterator[tuple[str, str]]:
    for number, merge in enumerate(file.values(f"{_KEY}merges")):
        text = str(merge)
        cut = text.find(" ", 1)
        pair = text[:cut], text[cut + 1 :]
        if cut < 0 or not {*pair, "".join(pair)} <= ids.keys():
            raise InputError(
                f"{file.path} is damaged: merge {number} {text!r} is not two of its tokens"
            )
        yield pair


def _sentencepiece(file: GgufFile, tokens: list[Token], kind: int) -> Definition:
    """The pieces as SentencePiece's own file would hold them."""
    scores = file.values(f"{_KEY}scores")
    if len(scores) < len(tokens):
        raise InputError(
            f"{file.path} names {len(tokens):,} tokens but {len(scores):,} scores; it holds no "
            f"whole tokenizer"
        )
    unknown = _role(file, "unknown")
    pieces = [
        proto.ModelProto.SentencePiece(
            piece=text, score=float(score), type=UNKNOWN if i == unknown else max(kind_of, NORMAL)
        )
        for i, ((text, kind_of), score) in enumerate(zip(tokens, scores, strict=False))
        if isinstance(score, float)
    ]
    model: ModelFile = proto.ModelProto(pieces=pieces)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type = kind
    trainer.byte_fallback = any(kind_of == BYTE for _, kind_of in tokens)
    begins = file.flag(f"{_KEY}add_bos_token")
    ends = file.flag(f"{_KEY}add_eos_token")
    trainer.bos_id = _if(kind == BPE if begins is None else begins, _role(file, "bos"))
    trainer.eos_id = _if(kind == UNIGRAM if ends is None else ends, _role(file, "eos"))
    normalizer.add_dummy_prefix = file.flag(f"{_KEY}add_space_prefix") is not False
    normalizer.remove_extra_whitespaces = bool(file.flag(f"{_KEY}remove_extra_whitespaces"))
    charsmap = file.values(f"{_KEY}precompiled_charsmap")
    normalizer.precompiled_charsmap = bytes(int(n) & 255 for n in charsmap if isinstance(n, int))
    padded = len(file.values(f"{_KEY}tokens")) - len(tokens)
    extra = _T5_EXTRA_IDS if kind == UNIGRAM and padded >= _T5_EXTRA_IDS else 0
    return definition_of(model, str(file.path), extra_ids=extra)


def _if(wanted: bool, token: int | None) -> int:
    return token if wanted and token is not None else -1
