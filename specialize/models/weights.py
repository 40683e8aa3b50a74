"""A model's weights from safetensors or GGUF: all, or the names of those that are not there.

The library fills a gap with random numbers and goes on; the caller is told here. Weights
that are tied to others, and those that the architecture itself declares as not kept, are no gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from specialize.errors import InputError, first_line
from specialize.io.gguf_file import is_gguf
from specialize.models.gguf import read_gguf_weights
from specialize.models.report import Report, missing_weights


def read_weights(
    path_or_id: str | Path,
    config: PreTrainedConfig,
    *,
    dtype: torch.dtype = torch.float32,
    trust_remote_code: bool = False,
) -> tuple[PreTrainedModel, list[str]]:
    """The model of ``config`` with the weights in ``path_or_id``, and the weights missing there.

    Args:
        path_or_id: a directory, a GGUF file, or the id of a repository on the hub.
        config: decides between a seq2seq and a causal model.
        dtype: of the weights.
        trust_remote_code: run code that comes with the model.

    Returns:
        The model, and the sorted names of weights that no file has or that have another shape.

    Raises:
        ConfigurationError: a GGUF file, and the package that reads it is missing.
        InputError: no safetensors weights there, or damaged ones.
    """
    if is_gguf(path_or_id):
        with _quiet():
            return read_gguf_weights(Path(path_or_id), config, dtype=dtype)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    try:
        with _quiet():
            loaded = kind.from_pretrained(
                path_or_id,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                ignore_mismatched_sizes=True,  # they are in the report
                output_loading_info=True,
            )
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"no usable model at {path_or_id}: its weights cannot be read: {first_line(error)}"
        ) from error
    model, report = cast(tuple[PreTrainedModel, Report], loaded)
    return model, missing_weights(report)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's own bars and its report of gaps, which our message has."""
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
