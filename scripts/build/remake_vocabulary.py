"""Writes a causal model whose tokens are those of another vocabulary, to be healed by training.

    python scripts/build/remake_vocabulary.py MODEL VOCABULARY OUT

Each new token begins as the mean of the model's own tokens of the same text: a new " clips" is the
own " clips", a new " Natalia" the mean of " Nat" and "alia". Tokens without a text begin as the
mean of all. All other weights are the model's own; a chat template is left out.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import Tensor

from specialize.errors import ConfigurationError
from specialize.io.files import apply_umask
from specialize.students.student import load_model, without_bars
from specialize.tokens import Tokenizer, load_tokenizer


def remade(embeddings: Tensor, own: Tokenizer, other: Tokenizer) -> Tensor:
    """The rows of the tokens of ``other``.

    Args:
        embeddings: (V, d) of the tokens of ``own``.

    Returns:
        (V', d)
    """
    everything = embeddings[: own.size].mean(0)
    rows = []
    for piece in other.pieces(range(other.size)):  # none of special tokens
        ids = own.encode(piece.decode(errors="ignore"))
        rows.append(embeddings[ids].mean(0) if ids else everything)
    return torch.stack(rows)


@click.command()
@click.argument("model")
@click.argument("vocabulary")
@click.argument("out", type=click.Path(path_type=Path))
def main(model: str, vocabulary: str, out: Path) -> None:
    """Write MODEL with the tokens of VOCABULARY into OUT."""
    if (out / "config.json").is_file():
        click.echo(f"{out} is there already", err=True)
        return
    student, own, other = load_model(model), load_tokenizer(model), load_tokenizer(vocabulary)
    if not student.config.tie_word_embeddings:
        raise ConfigurationError(f"{model} has an output projection of its own; only tied ones are")
    if other.eos is None:
        raise ConfigurationError(f"{vocabulary} has no end of sequence, which a student learns")
    with torch.no_grad():
        rows = remade(student.get_input_embeddings().weight, own, other)
        student.resize_token_embeddings(other.size, mean_resizing=False)
        student.get_input_embeddings().weight.copy_(rows)
    pad = other.eos if other.pad is None else other.pad
    for settings in (student.config, student.generation_config):
        settings.bos_token_id, settings.eos_token_id = None, other.eos
        settings.pad_token_id = pad
    out.mkdir(parents=True, exist_ok=True)
    with without_bars():
        student.save_pretrained(out)
    other.save(out)  # files of other models are read by the family that config.json names
    apply_umask(out)
    size = sum(weight.numel() for weight in student.parameters())
    click.echo(f"{other.size} tokens, {size / 1e6:.1f} million weights in {out}", err=True)


if __name__ == "__main__":
    main()
