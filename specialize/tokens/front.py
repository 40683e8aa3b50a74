"""The ids that a tokenizer puts before a text, for teachers and students alike.

A causal model that was trained with ``<s>`` before every text answers much worse without it. Which
ids these are is part of the tokenizer's files::

    tokenizer.json                       what its post-processor adds before the text
    tokenizer.model, tokenizer.model.v1  the begin piece of a merge model (Llama, Mistral, Gemma)
    tekken.json                          <s>
    spiece.model (T5), GPT-2's pair, rank files      nothing

Beside any but the first, ``add_bos_token`` in ``tokenizer_config.json`` has the last word, as in
the transformers library, which leaves it out of account where there is a ``tokenizer.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tokenizers import Tokenizer as Backend

from specialize.tokens.definition import Content, Json


def first_ids(post_processor: Json) -> tuple[int, ...]:
    """The ids that a ``tokenizer.json``'s post-processor puts before a text."""
    if post_processor is None:
        return ()
    # one word is enough of a model to see what is put around a text
    model: Json = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    content: Json = {"version": "1.0", "model": model, "post_processor": post_processor}
    encoding = Backend.from_str(json.dumps(content)).encode("a")
    text = encoding.special_tokens_mask.index(0)
    return tuple(encoding.ids[:text])


def front_of(
    post_processor: Json, configuration: Mapping[str, Json], bos: int | None, *, whole: bool
) -> tuple[int, ...]:
    """The ids before every text, from the tokenizer's own file and the one beside it.

    Args:
        post_processor: of the definition.
        configuration: the content of ``tokenizer_config.json``; empty where there is none.
        bos: the id that begins a text, where one is named.
        whole: the definition is a ``tokenizer.json``, which leaves nothing open.
    """
    adds = configuration.get("add_bos_token")
    if whole or not isinstance(adds, bool):
        return first_ids(post_processor)
    return (bos,) if adds and bos is not None else ()


def with_front(content: Content, front: tuple[int, ...]) -> dict[str, object]:
    """``content`` of a ``tokenizer.json``, with a post-processor that puts ``front`` before a text.

    Unchanged where it does so already.
    """
    if first_ids(content["post_processor"]) == front:
        return dict(content)
    return {**content, "post_processor": template_of(front)}


def template_of(front: tuple[int, ...]) -> Json:
    """A post-processor that puts ``front`` before a text, and nothing after it."""
    first: list[Json] = [{"SpecialToken": {"id": f"front-{i}", "type_id": 0}} for i in front]
    text: list[list[Json]] = [[{"Sequence": {"id": name, "type_id": 0}}] for name in "AB"]
    named: Json = {
        f"front-{i}": {"id": f"front-{i}", "ids": [i], "tokens": [str(i)]} for i in front
    }
    return {
        "type": "TemplateProcessing",
        "single": first + text[0],
        "pair": first + text[0] + text[1],
        "special_tokens": named,
    }
