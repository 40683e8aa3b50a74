"""How a causal model reads a text: what is put in front, and where prompt and text part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer as Backend

from specialize.tokens import Tokenizer


def ids_in_front(path: Path) -> list[int]:
    """The ids in front of every text, from the tokenizer's files in the directory ``path``."""
    if (path / "tokenizer.json").is_file():
        backend = Backend.from_file(str(path / "tokenizer.json"))
        framed, bare = backend.encode("a").ids, backend.encode("a", add_special_tokens=False).ids
        return framed[: framed.index(bare[0])] if bare else []
    beside = [path / name for name in ("tokenizer_config.json", "config.json")]
    settings, config = (json.loads(f.read_text("utf-8")) if f.is_file() else {} for f in beside)
    bos = config.get("bos_token_id")
    return [bos] if settings.get("add_bos_token") and isinstance(bos, int) else []


def given_ids(
    tokenizer: Tokenizer, front: Sequence[int], prompts: Sequence[str], texts: Sequence[str]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ids of every prompt, ``front`` before them, and of the text behind it.

    A text is tokenized where it stands, behind its prompt, if the prompt's ids are the same there;
    else alone.
    """
    unique = list(dict.fromkeys(prompts))
    heads = dict(zip(unique, tokenizer.encode_batch(unique), strict=True))
    alone = tokenizer.encode_batch(list(texts))
    joined = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
    found = []
    for prompt, text, whole in zip(prompts, alone, tokenizer.encode_batch(joined), strict=True):
        head = heads[prompt]
        tokens = whole[len(head) :] if whole[: len(head)] == head else text
        found.append((tuple(front) + tuple(head), tuple(tokens)))
    return found
