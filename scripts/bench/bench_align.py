"""How fast tokens are aligned and distributions projected, against what others run.

    python scripts/bench/bench_align.py DATA_DIR [--json FILE] [--peers FOLDER] [--nemo FILE]
                                  [--only PART ...]

All sides align the same texts, GPT-2's tokens to T5's: the GSM8K training solutions as published,
and documents of 4k, 32k and 128k student tokens made of them. Sides take turns, round by round, one
thread each, and start from ids (or from the byte offsets that they ask for). Slow sides get the
first texts only. The best round of each counts; ratios are ours over theirs.

Peers are found where they are installed: ``--peers`` is a folder with ``trl``, ``spacy-alignments``
and ``editdistance`` (``pip install --no-deps --target FOLDER ...``), ``--nemo`` the file
``nemo_rl/algorithms/x_token/token_aligner.py`` of NeMo-RL. Who is not there is left out and named.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numba import njit

from align import Projector, Ragged, SparseDistributions, align_batch, concatenate, ragged, spans
from align.kernels.threads import over_samples
from align.spans import align_spans, side_of
from specialize.teacher.dump import SHARD_SAMPLES
from specialize.tokens import Tokenizer, load_tokenizer

SIZES = (4_096, 32_768, 131_072)
PARTS = ("peers", "long", "threads", "projection")
SLOW_TEXTS = 60  # given to sides that would take hours for all
K = 5


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts in both tokenizations."""

    texts: Sequence[str]
    source: Sequence[list[int]]
    target: Sequence[list[int]]

    def first(self, count: int) -> Texts:
        return Texts(self.texts[:count], self.source[:count], self.target[:count])

    @property
    def size(self) -> int:
        """Student tokens."""
        return sum(map(len, self.target))


Side = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of alignment and projection.")
    parser.add_argument("data", type=Path, help="folder with gsm8k/ and tokenizers/")
    parser.add_argument("--json", type=Path, help="also write the figures here, as JSON")
    parser.add_argument("--peers", type=Path, help="folder where peers are installed")
    parser.add_argument("--nemo", type=Path, help="NeMo-RL's token_aligner.py")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="measure these")
    options = parser.parse_args()
    if options.peers:
        sys.path.insert(0, str(options.peers))
    source, target = (load_tokenizer(options.data / "tokenizers" / name) for name in ("gpt2", "t5"))
    lines = (options.data / "gsm8k" / "train.jsonl").read_text().splitlines()
    texts = [json.loads(line)["answer"] for line in lines]
    train = encoded(source, target, texts)
    plain = encoded(source, target, [one_line(text) for text in texts])
    figures: dict[str, object] = {}
    if "peers" in options.only:
        peers, missing = find_peers(source, target, options.nemo)
        figures |= compare(source, target, train, plain, peers, options.rounds)
        figures["missing"] = missing
    if "long" in options.only:
        long = {size: document(source, target, texts, size) for size in SIZES}
        figures["long"] = long_documents(source, target, long, options.rounds)
    if "threads" in options.only:
        figures["threads"] = two_threads(source, target, train, options.rounds)
    if "projection" in options.only:
        figures["projection"] = projection(source, target, plain, options.rounds)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


def encoded(source: Tokenizer, target: Tokenizer, texts: Sequence[str]) -> Texts:
    return Texts(texts, source.encode_batch(texts), target.encode_batch(texts))


def one_line(text: str) -> str:
    """A solution without calculator marks and line ends."""
    return re.sub(r"<<.*?>>", "", text).replace("\n", " ")


def document(source: Tokenizer, target: Tokenizer, texts: Sequence[str], size: int) -> Texts:
    """One text of about ``size`` student tokens."""
    tokens, count = 0, 0
    while tokens < size:
        tokens += len(target.encode(one_line(texts[count]))) + 1
        count += 1
    return encoded(source, target, ["\n".join(map(one_line, texts[:count]))])


def best(sides: Mapping[str, Side], rounds: int) -> dict[str, float]:
    """The seconds of each side's best round; sides take turns, so that all see the same machine.

    No garbage is collected meanwhile: that would cost time, and empty the caches before a round.
    """
    seconds = dict.fromkeys(sides, np.inf)
    for side in sides.values():
        side()
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for name, side in sides.items():
            begun = time.perf_counter()
            side()
            seconds[name] = min(seconds[name], time.perf_counter() - begun)
    gc.enable()
    return {name: float(value) for name, value in seconds.items()}


def ours(source: Tokenizer, target: Tokenizer, texts: Texts, *, threads: int = 1) -> Side:
    """Alignment from ids alone."""
    sides = ragged(texts.source), ragged(texts.target)
    vocabularies = source.vocabulary(), target.vocabulary()
    return partial(align_batch, *vocabularies, *sides, threads=threads)


def ours_by_spans(source: Tokenizer, target: Tokenizer, texts: Texts) -> Side:
    """Alignment from where tokens end in the text."""
    mine = ragged([ends(source, text) for text in texts.texts])
    its = ragged([ends(target, text) for text in texts.texts])
    return partial(align_spans, mine, its)


def ends(tokenizer: Tokenizer, text: str) -> list[int]:
    return np.maximum.accumulate(tokenizer.spans(text)[1][:, 1]).tolist()


def find_peers(
    source: Tokenizer, target: Tokenizer, nemo: Path | None
) -> tuple[dict[str, tuple[int, Callable[[Texts], Side]]], list[str]]:
    """Each peer with the number of texts it is given, and the names of those not installed."""
    found: dict[str, tuple[int, Callable[[Texts], Side]]] = {}
    missing = []
    everything = 10**9
    for name, tokenizer in (("T5", target), ("GPT-2", source)):
        # the library's own, which ``encode_batch`` of T5 hardly needs
        library = tokenizer._encodings
        found[f"tokenizer: {name}"] = everything, lambda t, ids=library: partial(ids, t.texts)
    distance = _module("editdistance")
    if distance:
        found["published DTW"] = SLOW_TEXTS, partial(published, source, target, distance.eval)
    gold = _module("trl.experimental.gold.gold_trainer")
    if gold:
        group = gold.ULDLoss._align_by_byte_offsets
        found["TRL GOLD"] = everything, partial(by_offsets, source, target, group)
    spacy = _module("spacy_alignments")
    if spacy:
        found["spacy-alignments"] = everything, partial(by_strings, source, target, spacy)
    if nemo:
        found["NeMo-RL"] = SLOW_TEXTS, partial(by_nemo, source, target, load_nemo(nemo))
    for name in ("published DTW", "TRL GOLD", "spacy-alignments", "NeMo-RL"):
        if name not in found:
            missing.append(name)
    return found, missing


def _module(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def published(
    source: Tokenizer, target: Tokenizer, distance: Callable[[str, str], int], texts: Texts
) -> Side:
    """The published recurrence in plain Python: dense costs, a C edit distance for each cell."""
    pairs = [
        (
            [piece.decode(errors="replace").replace(" ", "") for piece in source.pieces(one)],
            [piece.decode(errors="replace").replace(" ", "") for piece in target.pieces(other)],
        )
        for one, other in zip(texts.source, texts.target, strict=True)
    ]
    return lambda: [_warp(a, b, distance) for a, b in pairs]


def _warp(
    a: Sequence[str], b: Sequence[str], distance: Callable[[str, str], int]
) -> list[tuple[int, int]]:
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    total[0, 0] = 0
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            before = min(total[i, j], total[i, j + 1], total[i + 1, j])
            total[i + 1, j + 1] = distance(one, other) + before
    i, j, links = len(a), len(b), []
    while i and j:
        links.append((i - 1, j - 1))
        steps = (total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
        step = int(np.argmin(steps))
        i, j = i - (step != 2), j - (step != 1)
    return links[::-1]


def by_offsets(
    source: Tokenizer,
    target: Tokenizer,
    group: Callable[[list[tuple[int, int]], list[tuple[int, int]]], object],
    texts: Texts,
) -> Side:
    """Grouping by byte offsets, which are given."""
    pairs = [
        tuple(tokenizer.spans(text)[1].tolist() for tokenizer in (target, source))
        for text in texts.texts
    ]
    return lambda: [group(a, b) for a, b in pairs]


def by_strings(source: Tokenizer, target: Tokenizer, spacy, texts: Texts) -> Side:
    """Alignment by the pieces' strings."""
    pairs = [
        tuple(
            [piece.decode(errors="replace") for piece in tokenizer.pieces(ids)]
            for tokenizer, ids in ((source, one), (target, other))
        )
        for one, other in zip(texts.source, texts.target, strict=True)
    ]
    return lambda: [spacy.get_alignments(a, b) for a, b in pairs]


def load_nemo(path: Path):
    """NeMo-RL's aligner, from its file alone."""
    spec = importlib.util.spec_from_file_location("token_aligner", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["token_aligner"] = module
    spec.loader.exec_module(module)
    return module.TokenAligner(None, None, "")


def by_nemo(source: Tokenizer, target: Tokenizer, aligner, texts: Texts) -> Side:
    pairs = [
        tuple(
            [piece.decode(errors="replace").replace(" ", "Ġ") for piece in tokenizer.pieces(ids)]
            for tokenizer, ids in ((target, other), (source, one))
        )
        for one, other in zip(texts.source, texts.target, strict=True)
    ]
    return lambda: [aligner._align_single(a, b) for a, b in pairs]


def compare(
    source: Tokenizer,
    target: Tokenizer,
    train: Texts,
    plain: Texts,
    peers: Mapping[str, tuple[int, Callable[[Texts], Side]]],
    rounds: int,
) -> dict[str, object]:
    """Student tokens a second of every side on the training solutions as they are published."""
    sides = {"ids": ours(source, target, train), "spans": ours_by_spans(source, target, train)}
    sides["ids, one line"] = ours(source, target, plain)
    sizes = {"ids": train.size, "spans": train.size, "ids, one line": plain.size}
    for name, (count, make) in peers.items():
        part = train.first(count)
        sides[name], sizes[name] = make(part), part.size
    seconds = best(sides, rounds)
    speed = {name: sizes[name] / seconds[name] for name in sides}
    mine = {name: speed[name] for name in ("ids", "spans", "ids, one line")}
    theirs = {name: speed[name] for name in peers}
    return {
        "texts": {"samples": len(train.texts), "student_tokens": train.size},
        "ours": mine,
        "peers": theirs,
        "ratios": {name: mine["ids"] / value for name, value in theirs.items()},
    }


def long_documents(
    source: Tokenizer, target: Tokenizer, long: Mapping[int, Texts], rounds: int
) -> dict[str, dict[str, float]]:
    """Student tokens a second on one text of each length; short ones are aligned several times in
    a row, so that every measurement covers as many tokens."""
    again = {size: max(SIZES) // size for size in long}
    sides: dict[str, Side] = {
        str(size): partial(repeat, ours(source, target, texts), again[size])
        for size, texts in long.items()
    }
    seconds = best(sides, 5 * rounds)
    nanoseconds = {
        size: 1e9 * seconds[str(size)] / (again[size] * texts.size) for size, texts in long.items()
    }
    return {
        str(size): {
            "student_tokens": texts.size,
            "tokens_a_second": 1e9 / nanoseconds[size],
            "nanoseconds_a_token": nanoseconds[size],
        }
        for size, texts in long.items()
    }


def repeat(side: Side, times: int) -> None:
    for _ in range(times):
        side()


def two_threads(
    source: Tokenizer, target: Tokenizer, train: Texts, rounds: int
) -> dict[str, float]:
    """How much faster two workers are than one; many rounds, for both cores must be free."""
    sides = {str(n): ours(source, target, train, threads=n) for n in (1, 2)}
    seconds = best(sides, 10 * rounds)
    ready = (
        side_of(source.vocabulary(), ragged(train.source)),
        side_of(target.vocabulary(), ragged(train.target)),
    )
    tokens = tuple(map(spans.unmarked, ready))
    room = spans.room_for(ready[0].indptr, ready[1].indptr)
    kernel = {
        str(n): partial(over_samples, n, len(train.source), spans.align_range, ready, tokens, room)
        for n in (1, 2)
    }
    alone = best(kernel, 10 * rounds)
    bound = best({str(n): partial(over_samples, n, 8, count_up) for n in (1, 2)}, 10 * rounds)
    return {
        "one": seconds["1"],
        "two": seconds["2"],
        "ratio": seconds["1"] / seconds["2"],
        "kernel_ratio": alone["1"] / alone["2"],
        "machine_ratio": bound["1"] / bound["2"],
    }


@njit(nogil=True)
def count_up(first: int, last: int) -> np.uint64:
    """Work that touches no memory: what two threads of this machine can be worth at most."""
    total = np.uint64(1)
    for step in range((last - first) * 4_000_000):
        total = total * np.uint64(6364136223846793005) + np.uint64(step)
    return total


def projection(source: Tokenizer, target: Tokenizer, train: Texts, rounds: int) -> dict[str, float]:
    """Positions a second of alignment plus projection, rows of a bigram teacher with K entries.

    ``first shard`` is the first ever seen, in which every word is new and the student's tokenizer
    is asked about it; in the others all words are known. ``one sample`` is a shard of that sample
    alone, again and again: a processor foresees every branch and has all in its cache.
    """
    shards = bigram_shards(train, SHARD_SAMPLES)
    positions = sum(len(shard[2].ids) for shard in shards)
    source_tokens, rows, target_tokens = shards[0]
    same = (
        ragged([source_tokens.sample(0)] * SHARD_SAMPLES),
        concatenate([rows[: int(source_tokens.indptr[1])]] * SHARD_SAMPLES),
        ragged([target_tokens.sample(0)] * SHARD_SAMPLES),
    )
    vocabularies = source.vocabulary(), target.vocabulary()
    figures = {"positions": float(positions)}
    for name, learns in (("prefix", True), ("prefix, no words learnt", False)):
        projector = Projector(*vocabularies, encode=target.encode_batch, keep=K)
        begun = time.perf_counter()
        projector.project(*shards[0])
        figures[f"{name}: first shard"] = len(shards[0][2].ids) / (time.perf_counter() - begun)
        if learns:
            begun = time.perf_counter()
            for shard in shards:
                projector.observe(shard[0], shard[2])
            figures[f"{name}: learning words"] = positions / (time.perf_counter() - begun)
        each = {str(k): partial(projector.project, *shard) for k, shard in enumerate(shards)}
        figures[name] = positions / sum(best(each, rounds).values())
        again = partial(projector.project, *same)
        figures[f"{name}: one sample"] = len(same[2].ids) / best({name: again}, rounds)[name]
    return figures


def bigram_shards(texts: Texts, samples: int) -> list[tuple[Ragged, SparseDistributions, Ragged]]:
    """Shards with a row for every source token: the K tokens that most often follow the one before
    it, and the written one."""
    after: dict[int, Counter[int]] = defaultdict(Counter)
    for ids in texts.source:
        for last, token in zip([-1, *ids], ids, strict=False):
            after[last][token] += 1
    top = {last: counts.most_common(K) for last, counts in after.items()}
    total = {last: counts.total() for last, counts in after.items()}
    shards = []
    for start in range(0, len(texts.source), samples):
        sizes, entries, shares, rest = [0], [], [], []
        for ids in texts.source[start : start + samples]:
            for last, token in zip([-1, *ids], ids, strict=False):
                row = dict(top[last]) | {token: after[last][token]}
                entries += row
                shares += [count / total[last] for count in row.values()]
                rest.append(max(0.0, 1 - sum(row.values()) / total[last]))
                sizes.append(len(entries))
        with np.errstate(divide="ignore"):
            rows = SparseDistributions(
                np.array(sizes, np.int64),
                np.array(entries, np.int32),
                np.log(np.array(shares, np.float32)),
                np.log(np.array(rest, np.float32)),
            )
        part = slice(start, start + samples)
        shards.append((ragged(texts.source[part]), rows, ragged(texts.target[part])))
    return shards


def show(figures: dict) -> None:
    print(json.dumps(figures, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
