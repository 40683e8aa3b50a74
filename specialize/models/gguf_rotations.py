"""The rotations of positions that Llama 3.1 and later slow down, from a GGUF file's factors.

    rope_freqs.weight [1, 1, ..., 1.3, ..., 32]  ->  rope_parameters {"rope_type": "llama3", ...}

The transformers library leaves this tensor out, and the model would answer with other numbers than
its own. The factors follow from four numbers of the model's published configuration, three of which
are the same for all of them; they are believed only if they give the factors in the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from specialize.errors import InputError
from specialize.io.gguf_file import GgufFile

ROTATIONS = "rope_freqs.weight"
# config.json of meta-llama/Llama-3.1-8B and Llama-3.2-1B
_LLAMA3 = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def scale_rotations(file: GgufFile, config: PreTrainedConfig) -> None:
    """Put into ``config`` what ``rope_freqs`` says, if it is what Llama 3.1's configuration says.

    Raises:
        InputError: the factors are of another kind.
    """
    held = next((tensor for tensor in file.tensors if tensor.name == ROTATIONS), None)
    if held is None:
        return
    factors = torch.frombuffer(bytearray(_bytes_of(file, held.start, 4 * held.dimensions[0])),
                               dtype=torch.float32)  # fmt: skip
    config.rope_parameters = {
        "rope_type": "llama3",
        "rope_theta": config.rope_parameters["rope_theta"],
        "factor": round(float(factors.max()), 4),
        **_LLAMA3,
    }
    expected = _llama3_factors(config.rope_parameters, len(factors))
    if not torch.allclose(factors, expected, rtol=1e-4):
        raise InputError(
            f"{file.path}: its {ROTATIONS} slow positions down in another way than Llama 3.1 does, "
            f"which would be lost in reading; use the model's original directory"
        )


def _llama3_factors(rope: Mapping[str, float], count: int) -> Tensor:
    """By how much each of ``count`` rotations is slower (Llama 3.1's reference code)."""
    period = 2 * math.pi * rope["rope_theta"] ** (torch.arange(count) / count)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] / period
    share = ((turns - low) / (high - low)).clamp(0, 1)
    return 1 / ((1 - share) / rope["factor"] + share)


def _bytes_of(file: GgufFile, start: int, length: int) -> bytes:
    with file.path.open("rb") as content:
        content.seek(start)
        return content.read(length)
