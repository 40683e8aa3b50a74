"""What ``pipeline.py`` runs: examples, models and a recipe, at any size.

    bundled  the bundled world's problems, any number of fresh ones; its teacher samples solutions,
             its student learns them
    world    the same problems and vocabularies; a teacher scores given solutions
    gsm8k    GSM8K's problems and solutions; a teacher with GPT-2's 50,257 ids scores them, a T5 of
             32,128 learns them
    trace    texts of any length, made of GSM8K's solutions, in the bundled vocabularies; a causal
             student, which writes as much

The models of the last three are random, one layer of 16 to 32 numbers: what is measured is
everything else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from specialize import datasets
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_recipe
from specialize.quickstart.run import MODELS
from specialize.records import Example
from specialize.students.random_init import build_student
from specialize.tokens import Tokenizer, load_tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "build"))
import quickstart_world  # a script beside this one, which is no package

World = Literal["bundled", "world", "gsm8k", "trace"]
SHARE = 4  # training questions for each question of an evaluation set
BATCH_ROWS = {"bundled": 8, "world": 32, "gsm8k": 8, "trace": 1}
ANSWER_TOKENS = {"bundled": 96, "world": 16, "gsm8k": 16}


ROLES = ("teacher", "student")
T5 = {
    "model_type": "t5", "d_model": 32, "d_ff": 64, "d_kv": 16, "num_heads": 2, "num_layers": 1,
    "num_decoder_layers": 1, "vocab_size": 32_128, "decoder_start_token_id": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inputs:
    """One pass of all stages.

    Attributes:
        rows: training questions, each with one response.
        k: entries of a position. tokens: of a text of ``trace``.
        data: folder with ``gsm8k/`` and ``tokenizers/``; not needed for the bundled problems.
    """

    world: World
    rows: int
    k: int = 5
    tokens: int = 512
    data: str | None = None

    def write(self, folder: Path) -> Recipe:
        """Examples and models in ``folder``, and the recipe of a run over them."""
        asked = 1 if self.world == "trace" else max(1, self.rows // SHARE)
        counts = {"train.train": self.rows, "asked.validation": asked, "other.validation": asked,
                  "asked.test": 1, "other.test": 1}  # fmt: skip
        for name, count in counts.items():
            examples = self._examples(*name.split("."), count)
            datasets.write_jsonl(folder / f"{name}.jsonl", examples)
        teacher, student = self._models(folder)
        return build_recipe(self._recipe(folder, teacher, student))

    def _examples(self, name: str, split: str, count: int) -> list[Example]:
        if self.world in ("bundled", "world"):
            family = "farm" if name == "other" else "shop"
            return quickstart_world.examples(family, split, count)
        file = "train" if split == "train" else "test"
        solved = datasets.load("gsm8k", f"{self.data}/gsm8k/{file}.jsonl")
        if self.world == "trace":  # questions of one length: no attention needs a mask
            asked = replace(solved[0], id=f"{name}/{split}")
            return list(self._traces(solved, count)) if split == "train" else [asked]
        first = {"asked.test": -1, "other.test": -2, "other.validation": 600}
        start = first.get(f"{name}.{split}", 0) % len(solved)
        return [replace(one, id=f"{name}/{one.id}") for one in solved[start : start + count]]

    def _traces(self, solved: list[Example], count: int) -> Iterator[Example]:
        """Solutions, one after another, cut at ``tokens`` tokens of the teacher's."""
        tokenizer, at = load_tokenizer(MODELS / "teacher"), 0
        for number in range(count):
            text, ids = "", list[int]()
            while len(ids) < self.tokens:
                some = solved[at : at + max(1, self.tokens // 100)]
                at = (at + len(some)) % (len(solved) - 400)
                text += "\n".join(_plain(one.rationale) for one in some) + "\n"
                ids = tokenizer.encode(text)
            cut = tokenizer.decode(ids[: self.tokens - 16]).rstrip()
            yield Example(f"trace/{number}", f"Sum {number}?", "7", rationale=cut)

    def _tokenizer(self, name: str) -> Tokenizer:
        return load_tokenizer(MODELS / name if name in ROLES else f"{self.data}/tokenizers/{name}")

    def _models(self, folder: Path) -> tuple[Path, Path]:
        """Directories of the teacher and the student."""
        if self.world == "bundled":
            return MODELS / "teacher", MODELS / "student"
        names = ("gpt2", "t5") if self.world == "gsm8k" else ROLES
        for name, role in zip(names, ROLES, strict=True):
            source = folder / f"{name}-tokenizer"
            self._tokenizer(name).save(source)
            tokenizer = load_tokenizer(source)
            config = T5 if name == "t5" else _llama(tokenizer, self.tokens)
            build_student(config, source, tokenizer, folder / role, seed=0)
        return folder / "teacher", folder / "student"

    def _recipe(self, folder: Path, teacher: Path, student: Path) -> dict[str, object]:
        given = self.world != "bundled"
        wrote = {"mode": "score"} if given else {"temperature": 0.7, "max_new_tokens": 96}
        objectives = [{"name": "text", "format": "zero-shot-cot", "target": "distribution",
                       "teacher": "big", "keep": "all"}]  # fmt: skip
        if self.world != "trace":
            objectives.append({"name": "answer", "format": "zero-shot-answer", "target": "answer"})
        batch = BATCH_ROWS[self.world]
        least = 1 if self.world == "trace" else 2  # checkpoints, beside the student before
        steps = max(least, self.rows * len(objectives) // batch)
        sets = [
            {"set": "jsonl", "name": name, "role": role, "protocol": "files", "kind": "number",
             "path": str(folder / f"{name}.{{split}}.jsonl")}
            for name, role in (("asked", "in-distribution"), ("other", "out-of-distribution"))
        ]  # fmt: skip
        return {
            "student": str(student),
            "train_on": {"set": "jsonl", "path": str(folder / "train.train.jsonl")},
            "teachers": {"big": {"model": str(teacher), "top_logprobs": self.k, **wrote}},
            "alignment": {"top_k": self.k},
            "objectives": objectives,
            "training": {"checkpoint_every": steps // least, "dropout": 0.0,
                         "max_target_tokens": 4 * self.tokens},
            "optimization": {"steps": steps, "batch_rows": batch, "accumulation": 1,
                             "warmup_steps": 1},
            "evaluation": {"sets": sets, "formats": ["zero-shot-cot"],
                           "max_new_tokens": ANSWER_TOKENS.get(self.world, self.tokens)},
        }  # fmt: skip


def _plain(rationale: str) -> str:
    """A solution without the calculator's annotations."""
    return re.sub(r"<<.*?>>", "", rationale).strip()


def _llama(tokenizer: Tokenizer, tokens: int) -> dict[str, object]:
    end = tokenizer.eos
    return {
        "model_type": "llama", "vocab_size": tokenizer.size, "hidden_size": 16,
        "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1,
        "max_position_embeddings": 4 * max(tokens, 1024), "bos_token_id": end, "eos_token_id": end,
        "pad_token_id": tokenizer.pad if tokenizer.pad is not None else end,
    }  # fmt: skip
