"""Low-rank adapters in a student (LoRA, Hu et al. 2022, arXiv:2106.09685), by ``peft``.

A checkpoint holds the merged weights as ``model.safetensors``, which every stage and every library
loads like any other model, and the adapters alone as ``lora.safetensors``, from which training
goes on: taking the merged weights apart again would not give the same bits.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from specialize.config.training import Lora
from specialize.errors import ConfigurationError, StoreError

FILE = "lora.safetensors"
_MARK = ".lora_"


def add_adapters(model: nn.Module, lora: Lora, *, seed: int) -> None:
    """Put adapters into ``model``, in place; nothing but them is trained from here on.

    Raises:
        ConfigurationError: ``peft`` is not installed, or no module has such a name.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigurationError(
            "lora needs the package peft; pip install 'specialize[lora]', or leave lora out"
        ) from error
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft says int and divides
        lora_dropout=lora.dropout,
        target_modules=list(lora.modules) or None,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            inject_adapter_in_model(config, model)
        except ValueError as error:
            raise ConfigurationError(
                f"lora.modules {list(lora.modules)}: {str(error).splitlines()[0]}"
            ) from error


def has_adapters(module: nn.Module) -> bool:
    return any(_MARK in name for name, _ in module.named_parameters())


def save_adapters(model: nn.Module, folder: Path) -> None:
    """Write the adapters alone."""
    adapters = {k: v.contiguous() for k, v in model.state_dict().items() if _MARK in k}
    save_file(adapters, folder / FILE)


def load_adapters(model: nn.Module, folder: Path) -> None:
    """Read what ``save_adapters`` wrote into the adapters of ``model``.

    Raises:
        StoreError: the file is missing, or its adapters are not those of ``model``.
    """
    wanted = {name for name in model.state_dict() if _MARK in name}
    try:
        adapters = load_file(folder / FILE)
    except OSError as error:
        raise StoreError(f"{folder} has no {FILE}; it was not trained with lora") from error
    if set(adapters) != wanted:
        raise StoreError(f"{folder / FILE} holds other adapters than the recipe's lora names")
    model.load_state_dict(adapters, strict=False)


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights that a model without adapters needs to answer the same; ``model`` stays."""
    with torch.no_grad():
        state = {
            name.replace(".base_layer.", "."): value
            for name, value in model.state_dict().items()
            if _MARK not in name
        }
        for name, module in model.named_modules():
            if hasattr(module, "get_delta_weight"):
                weight = module.base_layer.weight
                state[f"{name}.weight"] = weight + module.get_delta_weight("default")
    return state
