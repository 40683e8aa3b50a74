"""Writes a student that is a causal model with some of its layers, to be healed by training.

    python scripts/build/prune_layers.py MODEL OUT --layers 0,1,14,29
    python scripts/build/prune_layers.py MODEL OUT --keep 10
    python scripts/build/prune_layers.py MODEL OUT --drop 10 --texts train.jsonl

Embeddings, output projection, tokenizer and chat template are the model's own. ``--keep`` takes the
first, the last and others at even distances, whatever they do. ``--drop`` takes out neighbours, as
Gromov et al. do (arXiv:2403.17887), but tries every place and keeps the one without which the given
texts have the most probability.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import click
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from specialize import datasets
from specialize.errors import ConfigurationError
from specialize.io.files import apply_umask
from specialize.students.student import copy_tokenizer, load_model, without_bars
from specialize.tokens import load_tokenizer


def evenly(count: int, keep: int) -> list[int]:
    """``keep`` of ``count`` layers at even distances, the first and the last among them.

    Raises:
        ConfigurationError: fewer than 2, or more than there are.
    """
    if not 2 <= keep <= count:
        raise ConfigurationError(f"cannot keep {keep} of {count} layers; name 2 to {count}")
    return [round(i * (count - 1) / (keep - 1)) for i in range(keep)]


@torch.inference_mode()
def without_neighbours(model: PreTrainedModel, drop: int, texts: Sequence[Tensor]) -> list[int]:
    """All layers but ``drop`` in a row, neither the first nor the last among them.

    Args:
        texts: ids, (T,) each; of all places, the one is taken that leaves them the fewest nats.

    Raises:
        ConfigurationError: no such place.
    """
    _, count = stack_of(model)
    if not 1 <= drop <= count - 2:
        raise ConfigurationError(f"cannot drop {drop} of {count} layers; name 1 to {count - 2}")
    nats = {}
    for first in range(1, count - drop):
        left = [layer for layer in range(count) if not first <= layer < first + drop]
        student = pruned(model, left).eval()
        nats[tuple(left)] = sum(_nats(student, ids) for ids in texts)
        each = nats[tuple(left)] / sum(len(ids) - 1 for ids in texts)
        click.echo(f"without {first} to {first + drop - 1}: {each:.3f} nats a token", err=True)
    return list(min(nats, key=nats.__getitem__))


def _nats(model: PreTrainedModel, ids: Tensor) -> float:
    """Of all tokens of a text but the first."""
    log_p = model(ids[None, :-1], use_cache=False).logits[0].float().log_softmax(-1)
    return -float(log_p.gather(-1, ids[1:, None]).sum())


def pruned(model: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """A new model with the given layers of ``model``, in this order.

    Raises:
        ConfigurationError: a layer that is not there, or a model without one stack of layers.
    """
    stack, count = stack_of(model)
    for layer in layers:
        if not 0 <= layer < count:
            raise ConfigurationError(f"layer {layer} is not there: name some of 0 to {count - 1}")
    config = deepcopy(model.config)
    config.num_hidden_layers = len(layers)
    for key, value in model.config.to_dict().items():
        if "layer" in key and isinstance(value, list) and len(value) == count:
            # one value for each layer, such as sliding or full attention
            config.update({key: [value[layer] for layer in layers]})
    student = AutoModelForCausalLM.from_config(config, dtype=model.dtype)
    place = {layer: at for at, layer in enumerate(layers)}
    weights = {}
    for name, weight in model.state_dict().items():
        found = re.fullmatch(rf"{re.escape(stack)}\.(\d+)\.(.*)", name)
        if found is None:
            weights[name] = weight
        elif int(found[1]) in place:
            weights[f"{stack}.{place[int(found[1])]}.{found[2]}"] = weight
    student.load_state_dict(weights)
    student.generation_config = model.generation_config
    return student


def stack_of(model: PreTrainedModel) -> tuple[str, int]:
    """The name of the model's list of layers, and how many there are.

    Raises:
        ConfigurationError: an encoder-decoder, or several lists or none of that length.
    """
    count = model.config.num_hidden_layers
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    if model.config.is_encoder_decoder or len(found) != 1:
        raise ConfigurationError(
            f"{type(model).__name__} has {len(found)} lists of {count} layers; only a causal "
            f"model with one can be pruned"
        )
    return found[0], count


@click.command()
@click.argument("model")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--layers", default=None, metavar="A,B,...", help="Layers that are kept, from 0.")
@click.option("--keep", default=None, type=int, help="How many are kept.  [default: a third]")
@click.option("--drop", default=None, type=int, help="How many neighbours are taken out.")
@click.option("--texts", default=None, metavar="JSONL", help="Of these solutions, 4 decide where.")
def main(
    model: str, out: Path, layers: str | None, keep: int | None, drop: int | None, texts: str | None
) -> None:
    """Write a student with some layers of MODEL into OUT."""
    if (out / "config.json").is_file():
        click.echo(f"{out} is there already", err=True)
        return
    if sum(option is not None for option in (layers, keep, drop)) > 1:
        raise click.UsageError("give one of --layers, --keep and --drop")
    if (drop is None) != (texts is None):
        raise click.UsageError("--drop and --texts go together")
    if layers is not None and not re.fullmatch(r"\d+(,\d+)*", layers):
        raise click.UsageError("give --layers as numbers separated by commas")
    whole, tokenizer = load_model(model), load_tokenizer(model)
    _, count = stack_of(whole)
    if layers is not None:
        chosen = [int(n) for n in layers.split(",")]
    elif drop is not None and texts is not None:
        given = _solutions(texts)
        chosen = without_neighbours(whole, drop, [torch.tensor(tokenizer.encode(t)) for t in given])
    else:
        chosen = evenly(count, keep or count // 3)
    student = pruned(whole, chosen)
    out.mkdir(parents=True, exist_ok=True)
    with without_bars():
        student.save_pretrained(out)
    copy_tokenizer(model, tokenizer, out)
    apply_umask(out)
    size = sum(weight.numel() for weight in student.parameters())
    named = ", ".join(map(str, chosen))
    click.echo(f"layers {named} of {count}: {size / 1e6:.1f} million weights in {out}", err=True)


def _solutions(path: str) -> list[str]:
    """Four questions with their solutions.

    Raises:
        ConfigurationError: there is none.
    """
    found = [f"{e.question}\n{e.rationale}" for e in datasets.load("jsonl", path) if e.rationale]
    if not found:
        raise ConfigurationError(f"{path} has no example with a rationale")
    return found[:4]


if __name__ == "__main__":
    main()
