"""Students with random weights, from a configuration alone: for tests and for trying a recipe out.

build_student({"model_type": "gpt2", "n_embd": 64, ...}, tokenizer_dir, tokenizer, out, seed=0)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from specialize.errors import ConfigurationError, first_line
from specialize.io.files import apply_umask
from specialize.students.student import copy_tokenizer, shape_of, without_bars
from specialize.tokens import Tokenizer


def build_student(
    config: Mapping[str, object],
    tokenizer_source: Path,
    tokenizer: Tokenizer,
    out: Path,
    *,
    seed: int,
) -> None:
    """Write a model directory with random weights: ``config`` as config.json, and a tokenizer.

    Args:
        config: ``model_type`` and whatever that architecture knows.
        tokenizer_source: where the tokenizer's files are.
        seed: of the weights; equal seeds give equal files.

    Raises:
        ConfigurationError: ``config`` names no known architecture.
    """
    kind = str(config.get("model_type"))
    try:
        built = AutoConfig.for_model(kind, **{k: v for k, v in config.items() if k != "model_type"})
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"model_type {kind!r}: {first_line(error)}") from error
    auto = AutoModelForSeq2SeqLM if built.is_encoder_decoder else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = auto.from_config(built)
    shape_of(model, tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    with without_bars():
        model.save_pretrained(out)
    copy_tokenizer(tokenizer_source, tokenizer, out)
    apply_umask(out)
