"""Rows of given texts: one forward pass over prompt and text, many texts at once.

Batches hold texts of about the same length under budgets; they are a function of the texts alone,
so that the same call gives the same bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from specialize.errors import TeacherError
from specialize.teacher.local.decode import right_padded, start_token
from specialize.teacher.local.sparse_rows import entry_numbers, sparse_rows, to_numpy
from specialize.teacher.protocol import Sampling, ScoredText


@dataclass(frozen=True, slots=True)
class Given:
    """A text to score: the ids of its prompt, its own ids (at least one), and itself."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    text: str

    def __len__(self) -> int:
        return len(self.prompt) + len(self.tokens)


def batches_of(
    given: Sequence[Given], *, rows: int, tokens: int, positions: int
) -> Iterator[list[int]]:
    """Indices in batches of about equal length, longest first.

    A batch has at most ``rows`` texts, ``tokens`` tokens with padding and prompts, and
    ``positions`` tokens to score, but always one text.
    """
    order = sorted(range(len(given)), key=lambda i: (-len(given[i]), i))
    batch: list[int] = []
    scored = 0
    for i in order:
        more = len(given[i].tokens)
        full = len(batch) == rows or (len(batch) + 1) * len(given[(batch or [i])[0]]) > tokens
        if batch and (full or scored + more > positions):
            yield batch
            batch, scored = [], 0
        batch.append(i)
        scored += more
    if batch:
        yield batch


@torch.inference_mode()
def score_batch(
    model: PreTrainedModel, given: Sequence[Given], settings: Sampling
) -> list[ScoredText]:
    """The sparse rows of every text, in order."""
    logits = text_logits(model, given)
    scored, start = [], 0
    for item in given:
        stop = start + len(item.tokens)
        tokens = torch.tensor(item.tokens, device=logits.device)
        numbers = entry_numbers(_seed(item), len(item.tokens), settings)
        drawn = None if numbers is None else torch.from_numpy(numbers).to(logits.device)
        rows = sparse_rows(logits[start:stop], tokens, settings, drawn)
        if bool(rows.token_logprobs.isnan().any()):
            raise TeacherError(
                "the teacher's logits hold NaN; its weights are damaged or overflow in this dtype"
            )
        scored.append(
            ScoredText(
                text=item.text,
                token_ids=np.array(item.tokens, np.int32),
                token_logprobs=to_numpy(rows.token_logprobs),
                topk_ids=to_numpy(rows.ids.int()),
                topk_logprobs=to_numpy(rows.logprobs),
                tail_logprobs=to_numpy(rows.tails),
                finish="given",
                tempered_tails=to_numpy(rows.tempered_tails),
            )
        )
        start = stop
    return scored


def _seed(item: Given) -> int:
    """A given text's own seed for drawn entries: it follows from what is scored alone."""
    ids = np.array([len(item.prompt), *item.prompt, *item.tokens], np.int64)
    return int.from_bytes(hashlib.sha256(ids.tobytes()).digest()[:8], "big")


def text_logits(model: PreTrainedModel, given: Sequence[Given]) -> Tensor:
    """(N, V) raw logits of all tokens of all texts, one text after the other.

    The output projection sees these N positions only, neither prompts nor padding.
    """
    if model.config.is_encoder_decoder:
        ids, mask = right_padded([item.prompt for item in given], model.device)
        start = start_token(model)
        shifted, _ = right_padded([(start, *item.tokens[:-1]) for item in given], model.device)
        inputs = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": shifted}
        width, firsts = shifted.shape[1], [0] * len(given)
    else:
        ids, mask = right_padded([item.prompt + item.tokens for item in given], model.device)
        inputs = {"input_ids": ids, "attention_mask": mask}
        # the last token of the prompt gives the distribution of the text's first
        width, firsts = ids.shape[1], [len(item.prompt) - 1 for item in given]
    wanted = torch.cat(
        [
            torch.arange(len(item.tokens)) + row * width + first
            for row, (item, first) in enumerate(zip(given, firsts, strict=True))
        ]
    ).to(model.device)

    def keep(_: nn.Module, hidden: tuple[Tensor]) -> tuple[Tensor]:
        return (hidden[0].flatten(0, 1).index_select(0, wanted),)

    hook = model.get_output_embeddings().register_forward_pre_hook(keep)
    try:
        return model(**inputs, use_cache=False).logits
    finally:
        hook.remove()
