"""How a model reads a prompt, and where a prompt ends and a given text begins.

A prompt is tokenized once, however many times it is needed: to see whether it fits, to plan, and
for each of its samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from specialize.records import Message, Prompt
from specialize.tokens import Tokenizer


class PromptReader:
    """The ids of prompts after the tokenizer's own frame; keeps what it has read.

    Args:
        tokenizer: of the model.
        eos: put the end of sequence after a prompt, as an encoder reads it.
    """

    def __init__(self, tokenizer: Tokenizer, *, eos: bool = False) -> None:
        self.tokenizer, self._eos = tokenizer, eos
        self._known: dict[Prompt, NDArray[np.int32]] = {}

    def read(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """What the model reads of each prompt."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]
        encoded = self.tokenizer.encode_prompts(new, eos=self._eos)
        self._known |= {p: np.array(ids, np.int32) for p, ids in zip(new, encoded, strict=True)}
        unique = {prompt: tuple(self._known[prompt].tolist()) for prompt in dict.fromkeys(prompts)}
        return [unique[prompt] for prompt in prompts]


def given_ids(
    reader: PromptReader, prompts: Sequence[Prompt], texts: Sequence[str]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ids of every prompt, after the tokenizer's own frame, and of the text after it.

    A text is tokenized after its prompt if the prompt's ids are the same there; else alone. In a
    chat it stands where the template puts an assistant's words: what the template writes before
    them (a closed block of thinking, a channel) is read with the prompt and has no row.
    """
    tokenizer = reader.tokenizer
    plain = [i for i, prompt in enumerate(prompts) if isinstance(prompt, str)]
    joined = tokenizer.encode_prompts([f"{prompts[i]}{texts[i]}" for i in plain])
    wholes = dict(zip(plain, joined, strict=True))
    found = []
    for i, (head, prompt, text) in enumerate(
        zip(reader.read(prompts), prompts, texts, strict=True)
    ):
        whole = _turn(tokenizer, prompt, text) if i not in wholes else wholes[i]
        rest = tuple(whole[len(head) :]) if tuple(whole[: len(head)]) == head else ()
        lead, said = ((), rest) if isinstance(prompt, str) else _split(tokenizer, rest, text)
        found.append((head + lead, said or tuple(tokenizer.encode(text))))
    return found


def _split(
    tokenizer: Tokenizer, tokens: tuple[int, ...], text: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ``tokens`` of a turn before its ``text``, which ends it, and those of the text.

    Both empty where one token holds the end of the one and the beginning of the other.
    """
    left, at = len(text.encode()), len(tokens)
    while left > 0 and at > 0:
        at -= 1
        left -= len(tokenizer.pieces(tokens[at : at + 1])[0])
    return (tokens[:at], tokens[at:]) if left == 0 else ((), ())


def _turn(tokenizer: Tokenizer, prompt: Prompt, text: str) -> list[int]:
    """A chat with ``text`` as the assistant's turn, up to its end; empty where it is not there."""
    if isinstance(prompt, str):
        return []
    turns = (*prompt.messages, Message("assistant", text))
    ids = tokenizer.encode_chat(turns, answer=False, arguments=prompt.arguments)
    end = len(ids) - ids[::-1].index(tokenizer.turn_end) - 1 if tokenizer.turn_end in ids else 0
    written = ids[:end]
    spelled = b"".join(tokenizer.pieces(written))
    return written if spelled.endswith(text.encode()) else []
