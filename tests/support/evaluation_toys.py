"""Toys for evaluation: sums as questions, tiny random models that answer nonsense, a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from specialize import datasets
from specialize.config.recipe import Dataset, Evaluation, EvaluationSet, Objective, Recipe
from specialize.records import Example
from specialize.students import checkpoints

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-=?.,:;!'\"()<>&$%*/"
SIZE = len(LETTERS) + 5


def sums(name: str, split: str, count: int, *, first: int = 0) -> list[Example]:
    """Questions with different numbers in every split."""
    return [
        Example(
            id=f"{name}/{split}/{i:03d}",
            question=f"What is {first + i} + {i % 7}?",
            answer=str(first + i + i % 7),
            rationale=f"{first + i} + {i % 7} = {first + i + i % 7}.",
        )
        for i in range(count)
    ]


def write_world(folder: Path, *, count: int = 6) -> Recipe:
    """Three sets on disk, a student without skill, and the recipe that names them."""
    roles = {"near": "in-distribution", "far": "out-of-distribution", "wide": "general"}
    first = 1000
    for name in roles:
        for split in ("validation", "test"):
            path = folder / "data" / f"{name}-{split}.jsonl"
            path.parent.mkdir(exist_ok=True, parents=True)
            datasets.write_jsonl(path, sums(name, split, count, first=first))
            first += 1000
    datasets.write_jsonl(folder / "data" / "train.jsonl", sums("near", "train", 9))
    write_model(tiny_t5(seed=0), folder / "student")
    sets = tuple(
        EvaluationSet(
            set="jsonl",
            name=name,
            role=role,
            protocol="files",
            path=str(folder / "data" / f"{name}-{{split}}.jsonl"),
        )
        for name, role in roles.items()
    )
    return Recipe(
        student=str(folder / "student"),
        train_on=Dataset(set="jsonl", path=str(folder / "data" / "train.jsonl")),
        objectives=(Objective(name="answer", format="zero-shot-answer", target="answer"),),
        evaluation=Evaluation(sets=sets, max_new_tokens=7, num_fewshot=2),
    )


def random_prompts(count: int, seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(2, SIZE, size=rng.integers(1, 20)).tolist() for _ in range(count)]


def tiny_t5(*, seed: int, gated: bool = False, layers: int = 1) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=SIZE,
        d_model=16,
        d_kv=8,
        d_ff=24,
        num_layers=layers,
        feed_forward_proj="gated-gelu" if gated else "relu",
        tie_word_embeddings=gated,
        num_heads=2,
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
    )
    return _lively(T5ForConditionalGeneration(config))


def tiny_gpt2(*, seed: int, context: int = 512) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=SIZE,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=context,
        bos_token_id=1,
        eos_token_id=1,
        pad_token_id=0,
    )
    return _lively(GPT2LMHeadModel(config))


def tiny_bart(*, seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    sides = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in
             (("layers", 1), ("attention_heads", 2), ("ffn_dim", 24))}  # fmt: skip
    ids = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 1}
    config = BartConfig(
        vocab_size=SIZE, d_model=16, forced_eos_token_id=None, **sides, **ids
    )  # fmt: skip
    return _lively(BartForConditionalGeneration(config))


# of causal toys of any kind
DIMENSIONS = {
    "vocab_size": SIZE, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip


def tiny_causal(kind: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(4)
    return _lively(kind(config))


def _lively(model: PreTrainedModel) -> PreTrainedModel:
    """Weights so large that the answers differ, and end, from prompt to prompt."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.6)
    return model.eval()


def write_model(model: PreTrainedModel, folder: Path) -> Path:
    """A model with a tokenizer of letters, as directory."""
    model.save_pretrained(folder)
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2, "▁": 3}
    vocabulary |= {letter: 4 + i for i, letter in enumerate(LETTERS)}
    pieces = [(piece, -float(i)) for i, piece in enumerate(vocabulary)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    return folder


def write_checkpoint(run: Path, step: int) -> checkpoints.Checkpoint:
    """A complete checkpoint of a random student."""
    with checkpoints.writing(run, step) as folder:
        write_model(tiny_t5(seed=step), folder)
    return checkpoints.complete(run)[-1]
