"""What ``specialize align`` costs as a user runs it: read, encode, align, project, write.

    python scripts/bench/bench_align_stage.py DATA_DIR --cache FOLDER [--before FOLDER]
        [--k 5 64] [--copies 1 12] [--threads 1 2] [--repeats 3] [--profile] [--json FILE]

The store holds the 7,473 GSM8K training solutions, every second one followed by the next, in
GPT-2's tokens, with the rows of an n-gram teacher (``specialize/pairs/ngrams.py``); the
student has T5's vocabulary. ``--copies 12`` is a store twelve times as large: the same samples
under other keys. Stores are made once and kept in ``--cache``.

Every run is a fresh process of the command line. With ``--before``, another checkout of the
project, both versions take turns, and the ratio of the rows a second of processor time is reported
(median over the turns). Kernels and modules are compiled in a run of each version that does not
count, and kept, as they are where the package is installed.

The numbers of ``--threads`` take turns too: ``wall_ratio`` is how many times as fast a run was as
that of the same turn with the first number, in wall time. ``cores`` is the processor time a second
of wall time; where one thread had much less than 1, others were at work and ``wall_ratio`` says
little.

``--profile`` runs the stage once more under cProfile and prints where its time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from align.sparse import from_padded
from specialize.records import Response
from specialize.store import Sample, Store, StoreDescription, StoreWriter
from specialize.tokens import Tokenizer, load_tokenizer

ROOT = Path(__file__).resolve().parents[2]
SHARES = (0.70, 0.28, 0.02)  # of trigrams, bigrams and unigrams
SHARD_SAMPLES = 512
START = -1


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the stage; processor time is that of all threads, user and system."""

    version: str
    k: int
    copies: int
    threads: int
    positions: int
    processor_s: float
    wall_s: float

    @property
    def rate(self) -> float:
        """Rows a second of processor time."""
        return self.positions / self.processor_s


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of the align stage, start to end.")
    parser.add_argument("data", type=Path, help="folder with gsm8k/ and tokenizers/")
    parser.add_argument(
        "--cache", type=Path, required=True, help="stores and kernels are kept here"
    )
    parser.add_argument("--before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--k", type=int, nargs="+", default=[5], help="entries a position")
    parser.add_argument("--copies", type=int, nargs="+", default=[1], help="sizes of the store")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3, help="turns of each version")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    parser.add_argument("--json", type=Path, help="also write the figures here, as JSON")
    options = parser.parse_args()
    versions = {"now": ROOT} | ({"before": options.before.resolve()} if options.before else {})
    report: list[dict[str, object]] = []
    for k in options.k:
        for copies in options.copies:
            store = cached_store(options.cache, options.data, k, copies)
            student = options.data / "tokenizers" / "t5"
            if options.profile:
                profile(store, student, k)
                continue
            for name, folder in versions.items():
                run_stage(name, folder, store, student, (k, copies, options.threads[0]))
            turns = [
                [
                    {
                        name: run_stage(name, folder, store, student, (k, copies, threads))
                        for name, folder in versions.items()
                    }
                    for threads in options.threads
                ]
                for _ in range(options.repeats)
            ]
            for runs in zip(*turns, strict=True):
                report.append(summarized(runs, [turn[0] for turn in turns]))
                print(json.dumps(report[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


def summarized(
    turns: Sequence[Mapping[str, Run]], alone: Sequence[Mapping[str, Run]]
) -> dict[str, object]:
    """Medians over the turns, and of the turns' ratios; ``alone`` are the runs with the first
    number of threads in the same turns."""
    first = turns[0]["now"]
    found: dict[str, object] = {
        "k": first.k, "copies": first.copies, "threads": first.threads,
        "positions": first.positions,
        "runs": [asdict(run) for turn in turns for run in turn.values()],
    }  # fmt: skip
    for name in turns[0]:
        found[f"{name}_rows_per_processor_s"] = round(
            statistics.median(t[name].rate for t in turns)
        )
        found[f"{name}_wall_s"] = round(statistics.median(t[name].wall_s for t in turns), 2)
        cores = [turn[name].processor_s / turn[name].wall_s for turn in turns]
        found[f"{name}_cores"] = round(statistics.median(cores), 2)
        walls = [one[name].wall_s / t[name].wall_s for one, t in zip(alone, turns, strict=True)]
        found[f"{name}_wall_ratio"] = round(statistics.median(walls), 2)
    if "before" in turns[0]:
        ratios = [turn["now"].rate / turn["before"].rate for turn in turns]
        found["processor_ratio"] = round(statistics.median(ratios), 2)
    return found


def run_stage(
    version: str, folder: Path, store: Path, student: Path, setting: tuple[int, int, int]
) -> Run:
    """One run of ``specialize align`` in a fresh process with the code of ``folder``."""
    k, copies, threads = setting
    out = store.parent / f"targets-{version}"
    shutil.rmtree(out, ignore_errors=True)
    command = [
        sys.executable, "-m", "specialize", "align", str(store), str(out),
        "--student", str(student), "--top-k", str(k), "--threads", str(threads), "--json",
    ]  # fmt: skip
    environment = {
        **{name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": str(folder),
        "NUMBA_CACHE_DIR": str(store.parent / f"kernels-{version}"),
    }
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    told = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {told!r}")
    positions = int(json.loads(told)["positions"])
    shutil.rmtree(out)
    return Run(version, k, copies, threads, positions, usage.ru_utime + usage.ru_stime, wall)


def profile(store: Path, student: Path, k: int) -> None:
    """Print the functions that take most of the stage's time, by their own and with callees."""
    from specialize.targets.stage import write_targets

    out = store.parent / "targets-profile"
    for measured in (False, True):  # the first run loads kernels
        shutil.rmtree(out, ignore_errors=True)
        profiler = cProfile.Profile(time.process_time)
        if measured:
            profiler.enable()
        write_targets(store, out, student=str(student), top_k=k, threads=1)
        profiler.disable()
    shutil.rmtree(out)
    for order in ("cumulative", "tottime"):
        pstats.Stats(profiler).strip_dirs().sort_stats(order).print_stats(30)


# ---- the store -----------------------------------------------------------------------------------


def cached_store(cache: Path, data: Path, k: int, copies: int) -> Path:
    """The store of ``k`` entries a position, ``copies`` times; made where it is not there yet."""
    path = cache / f"k{k}x{copies}"
    if (path / "summary.json").exists():
        return path
    print(f"making {path}", file=sys.stderr)
    if copies > 1:
        repeat_store(cached_store(cache, data, k, 1), path, copies)
    else:
        write_store(path, data, k)
    return path


def write_store(path: Path, data: Path, k: int) -> None:
    """The solutions with the teacher's rows."""
    tokenizer = load_tokenizer(data / "tokenizers" / "gpt2")
    texts = solutions(data / "gsm8k" / "train.jsonl")
    tokens = tokenizer.encode_batch(texts, eos=True)
    teacher = TopTeacher(tokens, k)
    samples = [
        sample(i, text, ids, teacher)
        for i, (text, ids) in enumerate(zip(texts, tokens, strict=True))
    ]
    with StoreWriter(path, description(tokenizer, k), shard_samples=SHARD_SAMPLES) as writer:
        for shard, first in enumerate(range(0, len(samples), SHARD_SAMPLES)):
            if shard not in writer.committed:
                writer.write(shard, samples[first : first + SHARD_SAMPLES])
        if not writer.finished:
            writer.finish(tokenizer.vocabulary(), {})


def repeat_store(source: Path, path: Path, copies: int) -> None:
    """The samples of ``source``, ``copies`` times, under keys of their own."""
    store = Store.open(source)
    with StoreWriter(path, store.description, shard_samples=SHARD_SAMPLES) as writer:
        shard = 0
        for copy in range(copies):
            for samples in store.shards():
                renamed = [renamed_sample(one, copy) for one in samples]
                if shard not in writer.committed:
                    writer.write(shard, renamed)
                shard += 1
        writer.finish(store.align_vocabulary(), {})


def renamed_sample(one: Sample, copy: int) -> Sample:
    example = f"{one.response.example_id}/{copy}"
    return replace(one, response=replace(one.response, example_id=example))


def description(tokenizer: Tokenizer, k: int) -> StoreDescription:
    return StoreDescription(
        kind="responses", teacher="n-grams", tokenizer=tokenizer.name,
        fingerprint=tokenizer.fingerprint, vocabulary_size=tokenizer.size, k=k, temperature=None,
    )  # fmt: skip


def solutions(path: Path) -> list[str]:
    """Worked solutions with their answer's line, without calculator annotations; every second one
    is followed by the next."""
    texts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        worked, answer = re.sub(r"<<.*?>>", "", json.loads(line)["answer"]).split("#### ")
        texts.append(f"{worked.strip()}\nThe answer is {answer.strip()}")
    return [
        f"{text}\n\n{texts[(i + 1) % len(texts)]}" if i % 2 else text
        for i, text in enumerate(texts)
    ]


class TopTeacher:
    """An n-gram teacher's ``k`` most probable tokens, without a pass over the vocabulary.

    p(c | a, b) mixes trigram, bigram and unigram counts; all but the ``k`` most frequent tokens
    are weighed only where a trigram or bigram knows them.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], k: int) -> None:
        self._k = k
        self._counts: list[dict[tuple[int, ...], dict[int, int]]] = [{}, {}, {}]
        for sequence in sequences:
            padded = [START, START, *sequence]
            for at in range(2, len(padded)):
                for order, counts in enumerate(self._counts):
                    after = counts.setdefault(tuple(padded[at - 2 + order : at]), {})
                    after[padded[at]] = after.get(padded[at], 0) + 1
        self._total = sum(self._counts[2][()].values())
        self._common = sorted(self._counts[2][()].items(), key=lambda item: -item[1])[:k]
        self._rows: dict[tuple[int, ...], tuple[NDArray[np.int64], NDArray[np.float64], float]] = {}

    def row(self, context: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
        """Ids and probabilities, falling, and the mass of all others."""
        if context not in self._rows:
            mass = sorted(self._mass(context).items(), key=lambda item: (-item[1], item[0]))
            best = mass[: self._k]
            ids, values = np.array([i for i, _ in best]), np.array([p for _, p in best])
            self._rows[context] = ids, values, max(1.0 - float(values.sum()), 1e-6)
        return self._rows[context]

    def _mass(self, context: tuple[int, ...]) -> dict[int, float]:
        mass: dict[int, float] = {}
        for order, share in enumerate(SHARES):
            counts = self._counts[order][context[order:]]
            total = self._total if order == 2 else sum(counts.values())
            for token, count in self._common if order == 2 else counts.items():
                mass[token] = mass.get(token, 0.0) + share * count / total
        return mass

    def probability(self, context: tuple[int, ...], token: int) -> float:
        """Of one token; every token of the texts has some."""
        found = 0.0
        for order, share in enumerate(SHARES):
            counts = self._counts[order][context[order:]]
            total = self._total if order == 2 else sum(counts.values())
            found += share * counts.get(token, 0) / total
        return found


def sample(number: int, text: str, tokens: Sequence[int], teacher: TopTeacher) -> Sample:
    """The teacher's rows of one text."""
    padded = [START, START, *tokens]
    contexts = [tuple(padded[at : at + 2]) for at in range(len(tokens))]
    rows = [teacher.row(context) for context in contexts]
    k = max(len(ids) for ids, _, _ in rows)
    ids, logprobs = np.zeros((len(rows), k), np.int64), np.full((len(rows), k), -np.inf)
    for at, (row, mass, _) in enumerate(rows):
        ids[at, : len(row)], logprobs[at, : len(row)] = row, np.log(mass)
    own = [teacher.probability(c, t) for c, t in zip(contexts, tokens, strict=True)]
    response = Response(f"gsm8k/train/{number:05d}", 0, f"Q: {number}\nA:", text)
    entries = from_padded(ids, logprobs, np.log([rest for _, _, rest in rows]))
    return Sample(response, np.array(tokens), np.log(own), entries)


if __name__ == "__main__":
    main()
