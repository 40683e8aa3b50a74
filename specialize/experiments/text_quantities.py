"""What a model makes of held-out texts: nats, first choices, confidence, KL from a teacher.

    asked = [Asked("Q: ...\\nLet's think step by step\\n", "3 + 4 = 7\\nThe answer is 7", True)]
    of_texts(model, tokenizer, asked)["nats"]       [11.3], one value a text

A text is read in the model's own tokens after the prompt that the student is trained with. Its end
belongs to it, where it has one. Values of one text are those that a student is compared by with
others on the same text: texts are independent, tokens are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from specialize.io.files import write_atomically
from specialize.students.student import load_model
from specialize.teacher.local.decode import right_padded
from specialize.teacher.local.score import Given, text_logits
from specialize.tokens import Tokenizer, load_tokenizer


class Asked(NamedTuple):
    """A prompt and what may follow.

    Attributes:
        ended: the text is whole, no limit cut it. nats: of it, as a teacher says.
    """

    prompt: str
    text: str
    ended: bool = True
    nats: float = 0.0


def write_asked(path: Path, asked: Sequence[Asked]) -> None:
    """The texts as JSON lines."""
    lines = [json.dumps(one._asdict(), sort_keys=True) for one in asked]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def read_asked(path: Path) -> list[Asked]:
    """What ``write_asked`` wrote."""
    return [Asked(**json.loads(line)) for line in path.read_text().splitlines()]


def open_model(path: Path) -> tuple[PreTrainedModel, Tokenizer]:
    """The model of a directory, on a GPU where there is one, with its tokenizer."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return load_model(path).eval().to(device), load_tokenizer(path)


def of_texts(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    asked: Sequence[Asked],
    *,
    teacher: NDArray[np.float16] | None = None,
) -> dict[str, list[float]]:
    """A value for each text of every measure.

    Args:
        teacher: (sum of T, V) log-probabilities of a teacher with this vocabulary, as
            ``keep_teacher`` writes them; None: nothing is compared with it.

    Returns:
        ``nats`` of the text. ``overconfidence``: mean probability of the first choice less the
        share of tokens at which it is right. With a teacher ``kl``: nats a token from it, over the
        whole vocabulary; ``same_first``: the share of tokens with the same first choice.
    """
    found: dict[str, list[float]] = {"nats": [], "overconfidence": []}
    if teacher is not None:
        found |= {"kl": [], "same_first": []}
    start = 0
    for ids, log_q in log_probabilities(model, tokenizer, asked):
        found["nats"].append(-float(log_q.gather(-1, ids[:, None]).double().sum()))
        highest, first = log_q.max(-1)
        right = (first == ids).double().mean()
        found["overconfidence"].append(float(highest.exp().double().mean() - right))
        if teacher is not None:
            stop = start + len(ids)
            log_p = torch.from_numpy(teacher[start:stop].astype(np.float32)).to(log_q.device)
            kl = (log_p.exp() * (log_p - log_q)).sum(-1).double().mean()
            found["kl"].append(float(kl))
            found["same_first"].append(float((log_p.argmax(-1) == first).double().mean()))
            start = stop
    return found


@torch.inference_mode()
def log_probabilities(
    model: PreTrainedModel, tokenizer: Tokenizer, asked: Sequence[Asked]
) -> Iterator[tuple[Tensor, Tensor]]:
    """(T,) ids and (T, V) log-probabilities of each text, in order."""
    prompts = tokenizer.encode_prompts([one.prompt for one in asked])
    for prompt, one in zip(prompts, asked, strict=True):
        ids = tokenizer.encode(one.text, eos=one.ended)
        logits = text_logits(model, [Given(tuple(prompt), tuple(ids), one.text)])
        yield torch.tensor(ids, device=logits.device), logits.float().log_softmax(-1)


@torch.inference_mode()
def choice_nats(
    model: PreTrainedModel, tokenizer: Tokenizer, prompt: str, texts: Sequence[str]
) -> list[float]:
    """The nats of each text after the one prompt, which a causal model reads once."""
    [*before, last] = tokenizer.encode_prompts([prompt])[0]
    cache = model(torch.tensor([before], device=model.device), use_cache=True).past_key_values
    cache.batch_repeat_interleave(len(texts))
    wanted = [tokenizer.encode(text, eos=True) for text in texts]
    # no token sees the padding after it
    read, _ = right_padded([(last, *ids[:-1]) for ids in wanted], model.device)
    log_q = model(read, past_key_values=cache).logits.float().log_softmax(-1)
    return [
        -float(row[range(len(ids)), ids].double().sum())
        for row, ids in zip(log_q, wanted, strict=True)
    ]


def keep_teacher(model: Path, path: Path, texts: Sequence[tuple[str, str, bool]]) -> None:
    """Write texts with what a teacher makes of them: nats in ``path``, rows beside it as .npy.

    The rows are float16, (sum of T, V), one text after another.
    """
    opened, asked = open_model(model), [Asked(*each) for each in texts]
    rows, scored = [], []
    for one, (ids, log_p) in zip(asked, log_probabilities(*opened, asked), strict=True):
        nats = -float(log_p.gather(-1, ids[:, None]).double().sum())
        rows.append(log_p.half().cpu().numpy())
        scored.append(one._replace(nats=nats))
    path.parent.mkdir(exist_ok=True)
    np.save(path.with_suffix(".npy"), np.concatenate(rows))
    write_asked(path, scored)  # last: what has it is whole
