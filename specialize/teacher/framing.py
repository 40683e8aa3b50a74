"""How a causal model reads a given text: where prompt and text part."""

from __future__ import annotations

from collections.abc import Sequence

from specialize.tokens import Tokenizer


def given_ids(
    tokenizer: Tokenizer, prompts: Sequence[str], texts: Sequence[str]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ids of every prompt, with the tokenizer's own in front, and of the text after it.

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
        found.append(((*tokenizer.front, *head), tuple(tokens)))
    return found
