"""How a model reads a prompt, and where a prompt ends and a given text begins.

A prompt is tokenized once, however many times it is needed: to see whether it fits, to plan, and
for each of its samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from specialize.tokens import Tokenizer


class PromptReader:
    """The ids of prompts after the tokenizer's own frame; keeps what it has read.

    Args:
        tokenizer: of the model.
        eos: put the end of sequence after a prompt, as an encoder reads it.
    """

    def __init__(self, tokenizer: Tokenizer, *, eos: bool = False) -> None:
        self.tokenizer, self._eos = tokenizer, eos
        self._known: dict[str, NDArray[np.int32]] = {}

    def read(self, prompts: Sequence[str]) -> list[tuple[int, ...]]:
        """What the model reads of each prompt."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]
        encoded = self.tokenizer.encode_prompts(new, eos=self._eos)
        self._known |= {p: np.array(ids, np.int32) for p, ids in zip(new, encoded, strict=True)}
        unique = {prompt: tuple(self._known[prompt].tolist()) for prompt in dict.fromkeys(prompts)}
        return [unique[prompt] for prompt in prompts]


def given_ids(
    reader: PromptReader, prompts: Sequence[str], texts: Sequence[str]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ids of every prompt, after the tokenizer's own frame, and of the text after it.

    A text is tokenized after its prompt if the prompt's ids are the same there; else alone.
    """
    tokenizer = reader.tokenizer
    joined = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
    wholes = tokenizer.encode_prompts(joined)
    found = []
    for head, text, whole in zip(reader.read(prompts), texts, wholes, strict=True):
        same = tuple(whole[: len(head)]) == head
        found.append((head, tuple(whole[len(head) :] if same else tokenizer.encode(text))))
    return found
