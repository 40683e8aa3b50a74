"""Measures models on given texts against their teacher: nats a token, and KL to the whole teacher.

    python scripts/real_model/likelihood.py TEXTS OUT.json --teacher MODEL --model NAME=MODEL ...

TEXTS are examples with rationales, as ``set: jsonl`` reads them. Every model reads the same chat
and is asked for its distribution at every token of the solution and at its end. All must have the
teacher's vocabulary: the KL is over all of it, not over stored entries.

Sums are kept by text, so that two models can be compared pairwise: the standard error of a
difference is over texts, which are independent, not over tokens, which are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from specialize import datasets
from specialize.config.recipe import Teacher
from specialize.errors import ConfigurationError
from specialize.io.files import write_atomically
from specialize.teacher.asks import build_asks
from specialize.teacher.framing import PromptReader, given_ids
from specialize.teacher.local.load import Loaded, load_model
from specialize.teacher.local.score import Given, text_logits

MEASURES = ("nats", "kl", "first")  # of the text; from the teacher; same most probable token


class Mean(NamedTuple):
    """A mean over tokens, and its standard error over texts."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one model, text by text: (texts, 3) sums over tokens of ``MEASURES``; (texts,) tokens."""

    sums: NDArray[np.float64]
    tokens: NDArray[np.int64]

    def means(self, base: Sums | None = None) -> dict[str, Mean]:
        """Each measure a token; with ``base``, what this model has more of it than that one."""
        sums = self.sums if base is None else self.sums - base.sums
        return {name: _mean(sums[:, i], self.tokens) for i, name in enumerate(MEASURES)}


def _mean(sums: NDArray[np.float64], tokens: NDArray[np.int64]) -> Mean:
    """The ratio of two sums over texts, with the error of a ratio of means."""
    value = float(sums.sum() / tokens.sum())
    texts = len(tokens)
    spread = float(np.square(sums - value * tokens).sum())
    error = float("nan") if texts < 2 else (spread * texts / (texts - 1)) ** 0.5 / tokens.sum()
    return Mean(value, float(error))


def read_texts(path: Path, teacher: Loaded, form: str) -> list[Given]:
    """Every solution with its chat as the teacher reads them, and its end."""
    examples = datasets.load("jsonl", str(path))
    asks = build_asks(examples, Teacher(mode="score", format=form)).entries
    reader, end = PromptReader(teacher.tokenizer), teacher.tokenizer.ends[0]
    texts = [ask.text or "" for ask in asks]
    pairs = given_ids(reader, [ask.prompt for ask in asks], texts)
    return [Given(head, (*ids, end), text) for (head, ids), text in zip(pairs, texts, strict=True)]


@torch.inference_mode()
def measure(texts: Sequence[Given], teacher: Loaded, models: Sequence[Loaded]) -> list[Sums]:
    """The sums of each model, the teacher first.

    Raises:
        ConfigurationError: a model of another vocabulary.
    """
    for loaded in models:
        if loaded.tokenizer.fingerprint != teacher.tokenizer.fingerprint:
            raise ConfigurationError(
                f"{loaded.name} has another vocabulary than the teacher {teacher.name}; their "
                f"distributions cannot be compared token by token"
            )
    tokens = np.array([len(text.tokens) for text in texts])
    found = np.array([list(_of_text(text, teacher, models)) for text in texts])
    return [Sums(found[:, i], tokens) for i in range(1 + len(models))]


def _of_text(text: Given, teacher: Loaded, models: Sequence[Loaded]) -> Iterator[list[float]]:
    own = torch.tensor(text.tokens)
    said = _log_probabilities(teacher, text)
    for log_q in (said, *(_log_probabilities(loaded, text) for loaded in models)):
        nats = -log_q.gather(-1, own[:, None]).sum()
        kl = (said.exp() * (said - log_q)).sum()
        first = (said.argmax(-1) == log_q.argmax(-1)).sum()
        yield [float(nats), float(kl), float(first)]


def _log_probabilities(loaded: Loaded, text: Given) -> Tensor:
    return text_logits(loaded.model.eval(), [text]).double().log_softmax(-1)


@click.command()
@click.argument("texts", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--teacher", required=True)
@click.option("--model", "named", multiple=True, metavar="NAME=MODEL", required=True)
@click.option("--format", "form", default="chat-cot", show_default=True)
def main(texts: Path, out: Path, teacher: str, named: tuple[str, ...], form: str) -> None:
    """Write the means of every model, and what each of the later ones has more than the first."""
    pairs = [each.partition("=")[::2] for each in named]
    judge, models = load_model(teacher), [load_model(path) for _, path in pairs]
    given = read_texts(texts, judge, form)
    found = measure(given, judge, models)
    names = ["teacher", *(name for name, _ in pairs)]
    content = {
        "texts": len(given),
        "tokens": int(found[0].tokens.sum()),
        "models": {name: each.means() for name, each in zip(names, found, strict=True)},
        "more_than": {
            f"{a} - {b}": found[i].means(found[j])
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if 1 <= j < i
        },
    }
    write_atomically(out, json.dumps(content, indent=1).encode())


if __name__ == "__main__":
    main()
