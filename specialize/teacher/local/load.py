"""A model with its tokenizer from a local directory or file or the hub: whole, or a clear refusal.

Only safetensors and GGUF are read (a pickle can run code), no code of a repository is run unless
that was asked for at a pinned commit, and a model whose weights are not all there is refused: the
library would fill the gaps with random numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import torch
import xxhash
from torch import nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from specialize.errors import ConfigurationError, InputError, TeacherError, first_line
from specialize.io.gguf_file import is_gguf, read_gguf
from specialize.models.gguf import gguf_config, quantization
from specialize.models.weights import read_weights
from specialize.tokens import Tokenizer, load_tokenizer

_FILES = [
    "*.json", "*.jinja", "*.safetensors", "*.model", "*.tiktoken", "merges.txt", "vocab.bpe",
]  # fmt: skip
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with its tokenizer.

    Attributes:
        dtype: of its weights, and what they were stored as if that was less.
    """

    name: str
    revision: str
    model: PreTrainedModel
    tokenizer: Tokenizer
    dtype: str


def load_model(
    path_or_id: str,
    *,
    revision: str | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    trust_remote_code: bool = False,
) -> Loaded:
    """Read model and tokenizer; ``revision`` of the result names the exact weights.

    Args:
        trust_remote_code: run the code that comes with the model, as the user's own program would
            run. A repository's needs the commit as ``revision``; a directory's is part of its
            digest.

    Raises:
        ConfigurationError: an unknown dtype, or code to be trusted at no fixed commit.
        InputError: the directory is missing or damaged.
        TeacherError: the hub does not give it, or its weights do not fill the model.
    """
    if dtype not in _DTYPES:
        raise ConfigurationError(f"dtype {dtype!r} is none of {', '.join(_DTYPES)}")
    path, name = Path(path_or_id), path_or_id
    if is_gguf(path_or_id) and not path.is_dir():
        return _load_gguf(path, dtype, device)
    if trust_remote_code and not path.is_dir() and not _COMMIT.fullmatch(revision or ""):
        raise ConfigurationError(
            f"trust_remote_code runs whatever {path_or_id} holds, and revision {revision!r} can "
            f"change; give the full commit (40 hexadecimal digits) that you have read"
        )
    if path.is_dir():
        name, found = path.resolve().name, f"xxh3:{_weights_digest(path)}"
    else:
        path = _download(path_or_id, revision, [*_FILES, "*.py"] if trust_remote_code else _FILES)
        found = path.name  # a snapshot's folder is named after its commit
    config = _read_config(path, trust_remote_code)
    weights = read_weights(path, config, dtype=_DTYPES[dtype], trust_remote_code=trust_remote_code)
    return Loaded(name, found, _whole(name, weights, device), load_tokenizer(path), dtype)


def _load_gguf(path: Path, dtype: str, device: str) -> Loaded:
    file, tokenizer = read_gguf(path), load_tokenizer(path)
    weights = read_weights(path, gguf_config(path), dtype=_DTYPES[dtype])
    stored = quantization(file)
    shown = dtype if stored == "F32" else f"{dtype}, from {stored}"
    model = _whole(path.name, weights, device)
    return Loaded(path.name, f"xxh3:{_digest([path])}", model, tokenizer, shown)


def _whole(name: str, weights: tuple[PreTrainedModel, list[str]], device: str) -> PreTrainedModel:
    model, missing = weights
    if missing:
        raise TeacherError(
            f"teacher {name} lacks {len(missing)} of its weights, the first is {missing[0]}; "
            f"its files are incomplete"
        )
    return nn.Module.to(model, torch.device(device))  # the model's own ``to`` has lost its types


def _download(repository: str, revision: str | None, patterns: Sequence[str]) -> Path:
    if repository.startswith((".", "/", "~")) or repository.count("/") > 1:
        raise InputError(f"no teacher at {repository}: there is no such directory")
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repository, revision=revision, allow_patterns=[*patterns]
            )
        )
    except (OSError, ValueError) as error:
        raise TeacherError(
            f"teacher {repository} is no local directory, and the hub does not give it: "
            f"{first_line(error)}; "
            f"name a local directory, or check the name and the connection"
        ) from error


def _weights_digest(path: Path) -> str:
    """xxh3-128 of everything that decides the numbers, in hexadecimal."""
    return _digest([path / "config.json", *path.glob("*.safetensors"), *path.glob("*.py")])


def _digest(files: Sequence[Path]) -> str:
    digest = xxhash.xxh3_128()
    for file in sorted(files):
        if file.is_file():
            with file.open("rb") as content:
                while block := content.read(1 << 24):
                    digest.update(block)
    return digest.hexdigest()


def _read_config(path: Path, trust_remote_code: bool) -> PreTrainedConfig:
    try:
        # given either way: left open, the library would ask at the terminal
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            path, local_files_only=True, trust_remote_code=trust_remote_code
        )
        return config
    except (OSError, ValueError) as error:
        raise InputError(f"{path} holds no model that can be read: {first_line(error)}") from error
