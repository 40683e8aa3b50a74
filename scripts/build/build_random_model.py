"""Writes a tiny model with random weights over a real vocabulary, to run the stages on.

    python scripts/build/build_random_model.py t5 TOKENIZER_DIR OUT
    python scripts/build/build_random_model.py gpt2 TOKENIZER_DIR OUT

The same arguments give the same files; a directory that is there already is left as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from specialize.students.random_init import build_student
from specialize.tokens import Tokenizer, load_tokenizer


def t5_config(tokenizer: Tokenizer) -> dict[str, object]:
    """Flan-T5's shape in small; its output is padded to a multiple of 128 beyond the pieces."""
    return {
        "model_type": "t5",
        "vocab_size": -(-tokenizer.size // 128) * 128,
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "pad_token_id": tokenizer.pad,
        "eos_token_id": tokenizer.eos,
        "decoder_start_token_id": tokenizer.pad,
    }


def gpt2_config(tokenizer: Tokenizer) -> dict[str, object]:
    """GPT-2's shape in small."""
    return {
        "model_type": "gpt2",
        "vocab_size": tokenizer.size,
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 1024,
        "bos_token_id": tokenizer.eos,
        "eos_token_id": tokenizer.eos,
    }


@click.command()
@click.argument("architecture", type=click.Choice(["t5", "gpt2"]))
@click.argument("tokenizer_dir", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True)
def main(architecture: str, tokenizer_dir: Path, out: Path, seed: int) -> None:
    if (out / "config.json").is_file():
        click.echo(f"{out} is there already", err=True)
        sys.exit(0)
    tokenizer = load_tokenizer(tokenizer_dir)
    config = t5_config(tokenizer) if architecture == "t5" else gpt2_config(tokenizer)
    build_student(config, tokenizer_dir, tokenizer, out, seed=seed)
    click.echo(f"{architecture} over {tokenizer.size:,} pieces in {out}", err=True)


if __name__ == "__main__":
    main()
