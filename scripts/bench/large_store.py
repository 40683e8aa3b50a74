"""A store of 100 million positions, and rows of up to 3 million responses: time and memory.

    python scripts/bench/large_store.py [--cache FOLDER] [--only open verify training rows]
        [--positions 100000000] [--responses 30000 300000 3000000] [--steps 50] [--json FILE]

Targets for the bundled student with five entries a token, 26 bytes a position: the bundled world's
solutions, three in a response (one where rows are counted), 40 responses to a question, under new
keys again and again. A store is written once and kept in ``--cache``; without one it is removed.
Every figure is of a fresh process with at most 256 files open (``ulimit -n 256``), in seconds of
the processor, all threads, beside those of the clock where something else may be waited for.

open      ``Store.open``; the first row of every shard
verify    ``verify``, beside reading the same files, both from the disk (Linux) and from memory,
          and beside hashing them (xxh3)
training  steps on it and on a store of eight of its shards, in turn; the run is then continued
rows      finding all rows of a recipe without demonstrations, planning them, and finding them
          again (``many_rows.py`` has those of prompts that are all different)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import xxhash

from align.ragged import Ragged, pointers
from align.sparse import SparseDistributions
from specialize import datasets
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_recipe
from specialize.datasets.recipe_sets import training_examples
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.records import Response
from specialize.rows import build_rows, plan_steps
from specialize.store import Shard, Store, StoreDescription, StoreWriter, committing, verify
from specialize.tokens import load_tokenizer

PER_SHARD, SAMPLES, ENTRIES = 480, 40, 5
KINDS = 8  # shards of different texts; further ones repeat them
SMALL = KINDS  # shards of the store beside which training is held
FILES = 256
SIZES = {"open": "large", "verify": "large", "training": "large"}
Figures = dict[str, object]


# ---- stores ------------------------------------------------------------------------------------


@cache
def solutions() -> tuple[str, ...]:
    examples = world.examples(world.FAMILIES[0], "train", 4000)
    return tuple(f"{e.rationale}\nThe answer is {e.answer}" for e in examples)


def shard_of_texts(kind: int, each: int) -> Shard:
    """Responses of ``each`` solutions, with rows that are drawn: the token itself comes first."""
    tokenizer, rng = load_tokenizer(MODELS / "student"), np.random.default_rng(kind)
    drawn = rng.integers(0, len(solutions()), (PER_SHARD, each))
    texts = ["\n".join(solutions()[i] for i in some) for some in drawn.tolist()]
    tokens = tokenizer.encode_ragged(texts, eos=True)
    count = len(tokens.ids)
    steps = 1 + np.arange(ENTRIES) * rng.integers(1, 40, (count, 1))
    ids = (tokens.ids[:, None] + steps - 1) % tokenizer.size
    shares = np.sort(rng.dirichlet((8, 1, 1, 0.5, 0.5, 0.5), count), axis=1)[:, ::-1]
    logprobs = np.log(np.maximum(shares, 1e-4)).astype(np.float32)
    rows = SparseDistributions(
        np.arange(0, ENTRIES * count + 1, ENTRIES),
        ids.ravel().astype(np.int32),
        np.ascontiguousarray(logprobs[:, :ENTRIES]).ravel(),
        np.log1p(-np.exp(logprobs[:, :ENTRIES]).sum(1).clip(max=1 - 1e-4)).astype(np.float32),
    )
    responses = [Response("", 0, "", text, answer="0", correct=True) for text in texts]
    return Shard(
        responses,
        Ragged(pointers(tokens.lengths), tokens.ids),
        np.ascontiguousarray(logprobs[:, 0]),
        rows,
        np.zeros((count, 0), np.float32),
    )


def example_id(number: int) -> str:
    return f"{world.FAMILIES[0]}/train/{number:07d}"


def write_store(path: Path, shards: int, each: int) -> Figures:
    """A finished store at ``path``, written here where it is not there yet."""
    if (path / "summary.json").exists():
        return {}
    began, tokenizer = time.process_time(), load_tokenizer(MODELS / "student")
    about = StoreDescription(
        kind="targets", teacher="drawn", tokenizer=tokenizer.name,
        fingerprint=tokenizer.fingerprint, vocabulary_size=tokenizer.size, k=ENTRIES,
    )  # fmt: skip
    kinds = [shard_of_texts(kind, each) for kind in range(KINDS)]
    asked = [example.question for example in world.examples(world.FAMILIES[0], "train", 4000)]
    with (
        StoreWriter(path, about, shard_samples=PER_SHARD) as writer,
        committing(writer) as commit,
    ):
        for number in range(shards):
            if number in writer.committed:
                continue
            made, first = kinds[number % KINDS], number * PER_SHARD
            responses = []
            for place, response in enumerate(made.responses, first):
                question, sample = divmod(place, SAMPLES)
                key = {"example_id": example_id(question), "sample": sample}
                responses.append(replace(response, prompt=asked[question % len(asked)], **key))
            commit(number, replace(made, responses=responses), {})
    with StoreWriter(path, about, shard_samples=PER_SHARD) as writer:
        writer.finish(tokenizer.vocabulary(), {})
        positions = writer.positions
    seconds = time.process_time() - began
    return {"positions": positions, "cpu_s": round(seconds, 1)}


def write_examples(path: Path, responses: int) -> None:
    if path.exists():
        return
    examples = world.examples(world.FAMILIES[0], "train", 4000)
    count = -(-responses // SAMPLES)
    made = [replace(examples[i % len(examples)], id=example_id(i)) for i in range(count)]
    datasets.write_jsonl(path, made)


def shards_of(positions: int, each: int) -> int:
    """How many shards of ``each`` solutions a response have at least ``positions``."""
    sizes = [len(shard_of_texts(kind, each).tokens.ids) for kind in range(KINDS)]
    whole, rest = divmod(positions, sum(sizes))
    return KINDS * whole + int(np.searchsorted(np.cumsum(sizes), rest)) + 1


# ---- what is measured, each in a process of its own ----------------------------------------------


class Clock:
    """Seconds of the processor and of the wall since the last look."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> tuple[float, float]:
        return time.process_time(), time.perf_counter()

    def lap(self) -> list[float]:
        before, self._before = self._before, self._now()
        return [round(now - then, 3) for now, then in zip(self._before, before, strict=True)]


def memory() -> dict[str, float]:
    """Resident megabytes: of this process alone, and of files that are mapped."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {
        name: round(int(found[key].split()[0]) / 1000, 1)
        for name, key in (("anonymous", "RssAnon"), ("files", "RssFile"), ("peak", "VmHWM"))
    }


def measure_open(path: Path) -> Figures:
    clock = Clock()
    store = Store.open(path)
    opened = clock.lap()
    for position in range(len(store.records)):
        store.sample_at(position, 0)
    return {
        "shards": len(store.records), "positions": store.positions, "open_cpu_wall_s": opened,
        "first_rows_cpu_wall_s": clock.lap(), "mb": memory(),
    }  # fmt: skip


def forget(files: Sequence[Path]) -> None:
    """Drop what Linux keeps of the files' content, so that the disk is read again."""
    if sys.platform != "linux":
        return
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)  # what is not written yet is not dropped
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def measure_verify(path: Path) -> Figures:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in files) / 1e6
    forget(files)
    clock = Clock()
    for file in files:
        file.read_bytes()
    read_from_disk = clock.lap()
    forget(files)
    clock.lap()
    verify(path)
    verified_from_disk = clock.lap()
    for file in files:
        file.read_bytes()
    read = clock.lap()
    for file in files:
        xxhash.xxh3_128_digest(file.read_bytes())
    hashed = clock.lap()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = verify(path)
    verified = clock.lap()
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    forked = own.ru_utime + own.ru_stime - before.ru_utime - before.ru_stime
    verified[0] = round(verified[0] + forked, 3)
    each = {"read": read, "read_and_hash": hashed, "verify": verified}
    return {
        "ok": found.ok, "mb": round(size, 1), "resident_mb": memory(),
        "read_from_disk_wall_s": read_from_disk[1],
        "verify_from_disk_wall_s": verified_from_disk[1],
        **{f"{name}_cpu_wall_s": seconds for name, seconds in each.items()},
        **{f"{name}_mb_per_cpu_s": round(size / max(cpu, 1e-3)) for name, (cpu, _) in each.items()},
    }  # fmt: skip


def recipe_of(examples: Path, steps: int, formats: Sequence[str]) -> Recipe:
    objectives = [
        {"name": name, "format": name, "num_fewshot": 1,
         **({"target": "distribution", "teacher": "drawn"} if name.endswith("cot")
            else {"target": "answer"})}
        for name in formats
    ]  # fmt: skip
    return build_recipe(
        {
            "student": str(MODELS / "student"),
            "train_on": {"set": "jsonl", "path": str(examples)},
            "teachers": {"drawn": {}}, "objectives": objectives,
            "optimization": {"steps": steps, "batch_rows": 8, "accumulation": 1},
            "training": {"checkpoint_every": 10_000},
        }
    )  # fmt: skip


def measure_training(run: Path, examples: Path, steps: int) -> Figures:
    """Train to ``steps``; the first call begins, a later one goes on from what is there."""
    from specialize.train import metrics, train

    recipe = recipe_of(examples, steps, ("zero-shot-cot", "zero-shot-answer"))
    before, append = memory(), metrics.append
    moments: list[tuple[float, float, int]] = []
    clock = Clock()

    def noted(path: Path, line: dict[str, object]) -> None:
        append(path, line)
        tokens = sum(o["tokens"] for o in line["objectives"].values())
        moments.append((time.process_time(), time.perf_counter(), tokens))

    metrics.append = noted
    began = time.process_time(), time.perf_counter()
    train(recipe, run)
    clock.lap()
    warm = moments[len(moments) // 10 :]
    a_step = [(later[0] - one[0]) / later[2] for one, later in pairwise(warm)]
    return {
        "steps": len(moments),
        "to_first_step_cpu_wall_s": [round(moments[0][i] - began[i], 2) for i in range(2)],
        "cpu_us_a_token": round(1e6 * median(a_step), 3) if a_step else None,
        "mb_before": before, "mb": memory(),
    }  # fmt: skip


def measure_rows(path: Path, examples: Path, folder: Path) -> Figures:
    recipe = recipe_of(examples, 1000, ("zero-shot-cot", "zero-shot-answer"))
    tokenizer, asked = load_tokenizer(MODELS / "student"), training_examples(recipe).examples
    store, before, clock = Store.open(path), memory(), Clock()
    rows = build_rows(
        recipe, asked, {"drawn": store}, tokenizer, encoder_decoder=True, folder=folder
    )
    found = clock.lap()
    plan = plan_steps(rows, recipe.training, recipe.optimization, recipe.seed)
    parts = plan.micro_batches(0)
    planned = clock.lap()
    read = [rows.rows[row] for part in parts for row in part.tolist()]
    return {
        "responses": len(store), "rows": len(rows), "read": len(read),
        "find_cpu_wall_s": found, "plan_cpu_wall_s": planned,
        "us_a_response": round(1e6 * (found[0] + planned[0]) / len(store), 2),
        "mb_before": before, "mb": memory(),
    }  # fmt: skip


# ---- all of it -----------------------------------------------------------------------------------


class Bench:
    """The measurements, on stores in ``cache``."""

    def __init__(self, cache: Path, given: argparse.Namespace) -> None:
        self.cache, self.given = cache, given
        self.report: dict[str, object] = {}

    def call(self, name: str, *arguments: object) -> Figures:
        """``measure_NAME`` of a process of its own, which may open few files."""
        command = [sys.executable, __file__, "--one", name, *map(str, arguments)]

        def few() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))

        told = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=few, env={**os.environ, "SPECIALIZE_BENCH": "1"},
        ).stdout  # fmt: skip
        found: Figures = json.loads(told)
        return found

    def note(self, name: str, figures: object) -> None:
        self.report[name] = figures
        print(name, json.dumps(figures), flush=True)

    def large(self) -> Path:
        path = self.cache / "large"
        if not (path / "summary.json").exists():
            self.note("write", write_store(path, shards_of(self.given.positions, 3), 3))
        return path

    def open(self) -> None:
        self.note("open", self.call("open", self.large()))

    def verify(self) -> None:
        self.note("verify", self.call("verify", self.large()))

    def training(self) -> None:
        """Small and large in turn, so that both meet the same machine."""
        stores = {"small": self.cache / "small", "large": self.large()}
        write_store(stores["small"], SMALL, 3)
        runs: dict[str, Path] = {}
        for name, path in stores.items():
            count = len(Store.open(path).records) * PER_SHARD
            write_examples(self.cache / f"{name}.jsonl", count)
            runs[name] = Path(tempfile.mkdtemp(dir=self.cache, prefix=f"run-{name}-"))
            (runs[name] / "targets").mkdir()
            (runs[name] / "targets" / "drawn").symlink_to(path.resolve())
        found: dict[str, list[Figures]] = {name: [] for name in stores}
        for turn in range(1, self.given.turns + 1):
            for name in stores:
                figures = self.call(
                    "training", runs[name], self.cache / f"{name}.jsonl", turn * self.given.steps
                )
                found[name].append(figures)
                self.note(f"training {name} {turn}", figures)
        speeds = {n: median(float(str(f["cpu_us_a_token"])) for f in found[n]) for n in found}
        last = {name: found[name][-1]["mb"] for name in found}
        self.note("training", {
            "speed_of_small": round(speeds["small"] / speeds["large"], 3),
            "mb_beside_the_model": {
                key: round(last["large"][key] - last["small"][key], 1) for key in last["large"]
            },
            "continued_cpu_wall_s": found["large"][-1]["to_first_step_cpu_wall_s"],
        })  # fmt: skip

    def rows(self) -> None:
        for count in self.given.responses:
            path, examples = self.cache / f"rows-{count}", self.cache / f"rows-{count}.jsonl"
            write_store(path, -(-count // PER_SHARD), 1)
            write_examples(examples, count)
            folder = Path(tempfile.mkdtemp(dir=self.cache, prefix="found-"))
            for name in ("first", "continued"):
                self.note(f"rows {count} {name}", self.call("rows", path, examples, folder))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of large stores.")
    parser.add_argument("--cache", type=Path, help="stores are kept here")
    parser.add_argument("--only", nargs="+", default=["open", "verify", "training", "rows"])
    parser.add_argument("--positions", type=int, default=100_000_000)
    parser.add_argument("--responses", type=int, nargs="+", default=[30_000, 300_000, 3_000_000])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--turns", type=int, default=3, help="of training, in turn")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--one", nargs="+", help="measure in this process")
    given = parser.parse_args()
    if given.one:
        name, *arguments = given.one
        values = [int(a) if a.isdecimal() else Path(a) for a in arguments]
        print(json.dumps(MEASURES[name](*values)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        cache = given.cache or Path(temporary)
        cache.mkdir(parents=True, exist_ok=True)
        bench = Bench(cache, given)
        for name in given.only:
            getattr(bench, name)()
    if given.json:
        given.json.write_text(json.dumps(bench.report, indent=1, sort_keys=True) + "\n")


MEASURES: dict[str, Callable[..., Figures]] = {
    "open": measure_open,
    "verify": measure_verify,
    "training": measure_training,
    "rows": measure_rows,
}

if __name__ == "__main__":
    main()
