"""A tiny student, a tiny world and rows over it, made in a test in well under a second."""

from __future__ import annotations

import json
import multiprocessing
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from align.sparse import SparseDistributions, concatenate, one_hot
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_recipe
from specialize.records import Example, Response
from specialize.rows import Row, RowSet
from specialize.store import Sample, StoreDescription, StoreWriter, own_logprobs, stored_rows
from specialize.students.random_init import build_student
from specialize.tokens import Tokenizer, load_tokenizer

TEXT = "Q : A Let's think step by the answer is has plus apples How many so The ? = + ."
WORDS = TEXT.split()
PAD, EOS, UNK = 0, 1, 2


def write_tokenizer(folder: Path, extra: tuple[str, ...] = ()) -> Tokenizer:
    """Words, digits and the marker of a blank; whatever else there is becomes ``<unk>``."""
    singles = [*"0123456789", *"abcdefghijklmnopqrstuvwxyz", *"?=+.:"]
    pieces = [f"▁{word}" for word in WORDS] + ["▁", *singles, *extra]
    scores = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0)]
    scores += [(piece, -2.0 - 0.01 * i) for i, piece in enumerate(dict.fromkeys(pieces))]
    backend = Backend(models.Unigram(scores, unk_id=UNK))
    backend.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    backend.add_special_tokens(["<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    roles = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return load_tokenizer(folder)


def t5_config(vocabulary: int, dropout: float = 0.1) -> dict[str, object]:
    """Two layers of 16 on either side; the logits are padded beyond the tokenizer."""
    return {
        "model_type": "t5", "vocab_size": vocabulary + 5, "d_model": 16, "d_kv": 8, "d_ff": 32,
        "num_layers": 2, "num_heads": 2, "dropout_rate": dropout, "pad_token_id": PAD,
        "eos_token_id": EOS, "decoder_start_token_id": PAD, "tie_word_embeddings": False,
        "feed_forward_proj": "gated-gelu",
    }  # fmt: skip


def gpt2_config(vocabulary: int, dropout: float = 0.1) -> dict[str, object]:
    return {
        "model_type": "gpt2", "vocab_size": vocabulary, "n_embd": 16, "n_layer": 2, "n_head": 2,
        "n_positions": 128, "attn_pdrop": dropout, "resid_pdrop": dropout, "embd_pdrop": dropout,
        "bos_token_id": EOS, "eos_token_id": EOS, "pad_token_id": PAD,
    }  # fmt: skip


def forkserver() -> ForkServerContext:
    """Processes that are forked from one that has imported everything once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.preloaded"])
    return context


def examples(count: int, *, name: str = "toy", seed: int = 0) -> list[Example]:
    """Sums of two small numbers, all different."""
    rng = np.random.default_rng(seed)
    found = []
    for i, pair in enumerate(rng.permutation(10_000)[:count].tolist()):
        a, b = divmod(pair, 100)
        found.append(
            Example(
                id=f"{name}/{i:05d}",
                question=f"a has {a} apples. b has {b} apples. How many?",
                answer=str(a + b),
                rationale=f"{a} + {b} = {a + b}.",
            )
        )
    return found


def write_examples(path: Path, found: list[Example]) -> Path:
    """Our own lines of examples."""
    lines = [
        json.dumps(
            {"id": e.id, "question": e.question, "answer": e.answer, "rationale": e.rationale}
        )
        for e in found
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def soft_rows(ids: np.ndarray, vocabulary: int, seed: int) -> SparseDistributions:
    """One to three entries on every token but the last, with the token itself on top."""
    rng = np.random.default_rng(seed)
    parts = []
    for token in ids[:-1].tolist():
        others = rng.permutation(np.setdiff1d(np.arange(3, vocabulary), [token]))
        entries = np.array([token, *others[: rng.integers(0, 3)]])
        shares = np.sort(rng.dirichlet(np.ones(len(entries) + 1)))[::-1].astype(np.float32)
        parts.append(
            SparseDistributions(
                np.array([0, len(entries)]),
                entries.astype(np.int32),
                np.log(shares[:-1]),
                np.log(shares[-1:]),
            )
        )
    return concatenate([*parts, one_hot(ids[-1:])])


def write_targets(
    path: Path, found: list[Example], tokenizer: Tokenizer, *, samples: int = 2, wrong: int = 5
) -> None:
    """A finished store of targets; every ``wrong``-th response is not correct."""
    description = StoreDescription(
        kind="targets", teacher="toy", tokenizer=tokenizer.name, fingerprint=tokenizer.fingerprint,
        vocabulary_size=tokenizer.size, k=3,
    )  # fmt: skip
    kept = []
    for number, (example, turn) in enumerate((e, i) for e in found for i in range(samples)):
        text = f"{example.rationale} The answer is {example.answer}"
        response = Response(
            example.id, turn, example.question, text, example.answer, number % wrong != wrong - 1
        )
        ids = np.array(tokenizer.encode(text, eos=True))
        rows = soft_rows(ids, tokenizer.size, number)
        kept.append(Sample(response, ids, own_logprobs(ids, rows), stored_rows(rows, 3)))
    with StoreWriter(path, description, shard_samples=8) as writer:
        for shard, start in enumerate(range(0, len(kept), 8)):
            writer.write(shard, kept[start : start + 8])
        pieces = tokenizer.pieces(range(tokenizer.size))
        writer.finish(dict(enumerate(pieces)), {})


def random_rows(count: int, *, objectives: int = 2, vocabulary: int = 40, seed: int = 0) -> RowSet:
    """Rows of unequal lengths, soft and hard ones, of ``objectives`` formats."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        objective = i * objectives // count
        prompt = rng.integers(3, vocabulary, rng.integers(2, 14)).astype(np.int32)
        target = rng.integers(3, vocabulary, rng.integers(1, 10)).astype(np.int32)
        target[-1] = EOS
        soft = soft_rows(target, vocabulary, i) if objective % 2 == 0 else one_hot(target)
        rows.append(Row((f"toy/{i % 7:05d}", i // 7), objective, prompt, target, soft))
    names = tuple(f"objective-{i}" for i in range(objectives))
    formats = tuple(
        "zero-shot-cot" if i % 2 == 0 else "zero-shot-answer" for i in range(objectives)
    )
    return RowSet(names, formats, tuple(rows), {})


def toy_recipe(folder: Path, **changes: dict[str, object]) -> Recipe:
    """A recipe over files that ``write_world`` made in ``folder``; sections can be changed."""
    values: dict[str, object] = {
        "name": "toy",
        "student": str(folder / "student"),
        "train_on": {"set": "jsonl", "path": str(folder / "train.jsonl")},
        "teachers": {"toy": {}},
        "objectives": [
            {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "toy"},
            {"name": "answer", "format": "zero-shot-answer", "target": "answer", "weight": 0.5},
        ],
        "optimization": {
            "steps": 8, "batch_rows": 3, "accumulation": 2, "learning_rate": 1e-3,
            "warmup_steps": 2,
        },
        "training": {"checkpoint_every": 3},
        "evaluation": {
            "sets": [
                {"set": "jsonl", "name": "toy", "role": "in-distribution", "protocol": "files",
                 "path": str(folder / "{split}.jsonl")}
            ]
        },
    }  # fmt: skip
    for name, change in changes.items():
        old = values.get(name)
        values[name] = {**old, **change} if isinstance(old, dict) else change
    return build_recipe(values)


def write_world(folder: Path, *, kind: str = "t5", count: int = 20) -> Tokenizer:
    """Student, training set, held-out sets and ``run/targets/toy`` in ``folder``."""
    tokenizer = write_tokenizer(folder / "tokenizer")
    config = t5_config(tokenizer.size) if kind == "t5" else gpt2_config(tokenizer.size)
    build_student(config, folder / "tokenizer", tokenizer, folder / "student", seed=3)
    found = examples(count + 6)
    write_examples(folder / "train.jsonl", found[:count])
    write_examples(folder / "validation.jsonl", examples(3, name="held", seed=5))
    write_examples(folder / "test.jsonl", examples(3, name="test", seed=6))
    write_targets(folder / "run" / "targets" / "toy", found[:count], tokenizer)
    return tokenizer
