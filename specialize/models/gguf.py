"""A model from a GGUF file, by the transformers library's reader, as if it had been safetensors.

    config = gguf_config(Path("SmolLM2.gguf"))
    model, missing = read_gguf_weights(Path("SmolLM2.gguf"), config, dtype=torch.float32)
    quantization(read_gguf(Path("SmolLM2.gguf")))        ->  "Q4_1"

Quantized weights become the numbers that they encode. The library marks such a model as
quantized and will not save it; what is returned here is a fresh model of the same configuration
with the same numbers, which trains and saves like any other.

The library leaves out tensors that it has no place for, without a word. Such a file is refused:
the model would answer with other numbers than its own (``gguf_rotations`` has the one exception).
"""

from __future__ import annotations

import copy
import math
import tempfile
from collections import Counter
from contextlib import redirect_stderr
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import cast

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
)

from specialize.errors import InputError, first_line
from specialize.io.gguf_file import GgufFile, check_gguf_package, read_gguf
from specialize.models.gguf_rotations import ROTATIONS, scale_rotations
from specialize.models.report import Report, missing_weights

_GUESSED = 1024  # a bit of general.file_type
_READ_ERRORS = (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError, AttributeError)


def gguf_config(path: Path) -> PreTrainedConfig:
    """The configuration of the model in a GGUF file.

    Raises:
        ConfigurationError: the package gguf is missing.
        InputError: a damaged file, or an architecture that the library does not read.
    """
    check_gguf_package()
    stat = path.stat() if path.is_file() else None
    return copy.deepcopy(_config(path, stat and (stat.st_size, stat.st_mtime_ns)))


@lru_cache(maxsize=4)
def _config(path: Path, _state: tuple[int, int] | None) -> PreTrainedConfig:
    """Read once for each state of the file: the library takes seconds to go over a vocabulary."""
    file = read_gguf(path)
    _check_extents(file)
    architecture = file.text("general.architecture")
    if architecture is None:
        raise InputError(f"{path} does not say of which architecture its model is")
    scaling = file.text(f"{architecture}.rope.scaling.type")
    if scaling not in (None, "none"):
        raise InputError(
            f"{path}: positions are scaled by {scaling!r}, which would be lost in reading; use the "
            f"model's original directory"
        )
    try:
        with tempfile.TemporaryDirectory() as nowhere:  # no file beside it is to be read
            config = AutoConfig.from_pretrained(
                nowhere, gguf_file=str(path.resolve()), trust_remote_code=False
            )
    except _READ_ERRORS as error:
        raise InputError(
            f"{path} holds a model of architecture {architecture!r} that the transformers library "
            f"does not read: {first_line(error)}"
        ) from error
    config.name_or_path = ""
    scale_rotations(file, config)
    return cast(PreTrainedConfig, config)


def read_gguf_weights(
    path: Path, config: PreTrainedConfig, *, dtype: torch.dtype
) -> tuple[PreTrainedModel, list[str]]:
    """The model of ``config`` with the weights in a GGUF file, and the weights missing there.

    Args:
        path: the file.
        config: as ``gguf_config`` gives it.
        dtype: of the weights; they are read in float32 and rounded then.

    Raises:
        ConfigurationError: the package gguf is missing.
        InputError: a damaged file, or tensors that have no place in the model.
    """
    check_gguf_package()
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    arguments: dict[str, object] = {}
    if hasattr(transformers, "GgufConfig"):  # it may keep the blocks packed unless told otherwise
        arguments["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:  # the library's bar over tensors knows no switch
        with tempfile.TemporaryDirectory() as nowhere, redirect_stderr(StringIO()):
            loaded = kind.from_pretrained(
                nowhere,
                gguf_file=str(path.resolve()),
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # they are in the report
                output_loading_info=True,
                **arguments,
            )
    except _READ_ERRORS as error:
        raise InputError(
            f"no usable model at {path}: its weights cannot be read: {first_line(error)}"
        ) from error
    model, report = cast(tuple[PreTrainedModel, Report], loaded)
    missing = missing_weights(report)
    if not missing:
        _check_places(read_gguf(path), model)
    return _fresh(model, config, dtype), missing


def _fresh(model: PreTrainedModel, config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """A model that was never quantized, with the numbers of ``model``."""
    state = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    return type(model).from_pretrained(
        None, config=config, state_dict=state, dtype=dtype, use_safetensors=True
    )


def _check_places(file: GgufFile, model: PreTrainedModel) -> None:
    """Every number in the file is one of the model's; ties count once on either side."""
    held = sum(math.prod(t.dimensions) for t in file.tensors if t.name != ROTATIONS)
    taken = sum(parameter.numel() for parameter in model.parameters())
    if held != taken:
        raise InputError(
            f"{file.path} holds {held:,} weights, but the transformers library's "
            f"{type(model).__name__} has {taken:,}; it would answer with other numbers than the "
            f"model's own: use the model's original directory"
        )


def _check_extents(file: GgufFile) -> None:
    """Every tensor lies within the file, in blocks of a known size."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    sizes = {int(kind): GGML_QUANT_SIZES[kind] for kind in GGMLQuantizationType}
    for tensor in file.tensors:
        if tensor.type not in sizes:
            raise InputError(
                f"{file.path}: tensor {tensor.name} is of the unknown type {tensor.type}; "
                f"update the package gguf"
            )
        values, size = sizes[tensor.type]
        count = math.prod(tensor.dimensions)
        end = tensor.start + count // values * size
        if count % values or end > file.size:
            raise InputError(
                f"{file.path} is damaged or cut short: tensor {tensor.name} ends at byte {end:,} "
                f"of {file.size:,}; get the file again"
            )


def quantization(file: GgufFile) -> str:
    """What most weights of a file are stored as, in llama.cpp's words: ``Q4_K_M``, ``F16``."""
    from gguf import GGMLQuantizationType, LlamaFileType

    named = file.whole("general.file_type")
    if named is not None:
        names = {int(kind): kind.name for kind in LlamaFileType}
        name = names.get(named & ~_GUESSED, "")
        if name:
            return name.removeprefix("MOSTLY_").removeprefix("ALL_")
    weights: Counter[int] = Counter()
    for tensor in file.tensors:
        weights[tensor.type] += math.prod(tensor.dimensions)
    kinds = {int(kind): kind.name for kind in GGMLQuantizationType}
    return ", ".join(kinds.get(kind, f"type {kind}") for kind, _ in weights.most_common(1))
