"""How far projected targets are from the truth, where the truth is known.

    python scripts/experiments/fidelity.py DATA_DIR [--json FILE] [--every N] [--share S]
    python scripts/experiments/fidelity.py --bundled [--json FILE]

A teacher whose distributions are known exactly scores texts. Its rows are cut to the k best tokens
and the written one, as a store keeps them, and projected to the student's vocabulary. The truth for
a student token comes from expanding what the teacher may write (``fidelity_oracle.py``).

With DATA_DIR the teacher is n-grams over GPT-2's tokens, fitted on the GSM8K training solutions and
sharpened until its five best tokens hold 92 % of the mass; the texts are GSM8K test solutions, the
student T5's tokenizer. With ``--bundled`` both are the bundled ones, and the neural teacher writes
about its own world, flattened to the same mass.

Printed per policy, k and token class: share of soft rows, mean total variation (tail mass counts as
missed), and the nats that the truth itself would be charged.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from fidelity_oracle import class_of, continuations, positions, text_of, truth
from neural_teacher import NeuralTeacher
from ngram_teacher import NgramTeacher
from numpy.typing import NDArray

from align import Projection, Projector, SparseDistributions, one_hot, ragged
from specialize.formats import by_name
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.teacher.local.load import load_model
from specialize.tokens import Tokenizer, load_tokenizer

TOP_MASS = 0.92
SIZES = (5, 20)
RESOLVED = 0.8  # rows of which the expansion settled less are left out

After = Callable[[Sequence[int]], tuple[NDArray[np.int32], NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Truth:
    """The true distribution of one student token, and the share of the mass it rests on."""

    row: int
    mass: Mapping[int, float]
    resolved: float
    token_class: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the table."""

    policy: str
    k: int
    token_class: str
    rows: int
    soft_share: float
    tv: float
    kl: float


@dataclass(frozen=True, slots=True)
class Study:
    """Two tokenizers, the texts that are measured, in both, and what the teacher says after the
    tokens of each. ``store`` are the texts of the store, in both, from which words are learnt."""

    source: Tokenizer
    target: Tokenizer
    written: Sequence[list[int]]
    tokens: Sequence[list[int]]
    after: Sequence[After]
    store: tuple[Sequence[list[int]], Sequence[list[int]]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Distance of projected targets from the truth.")
    parser.add_argument("data", type=Path, nargs="?", help="folder with gsm8k/ and tokenizers/")
    parser.add_argument("--bundled", action="store_true", help="study the bundled models instead")
    parser.add_argument("--json", type=Path, help="also write the table here, as JSON")
    parser.add_argument("--every", type=int, default=12, help="use every Nth text of the store")
    parser.add_argument("--share", type=float, default=0.2, help="share of positions looked at")
    options = parser.parse_args()
    if options.bundled == (options.data is not None):
        parser.error("name the data's folder, or --bundled")
    study, held = (
        bundled_study(options.every)
        if options.bundled
        else gsm8k_study(options.data, options.every)
    )
    known = truths(study, options.share)
    resolved = float(np.mean([item.resolved for item in known]))
    print(f"{len(known)} rows, {resolved:.3f} of their mass settled; top-5 mass {held:.3f}")
    measures = [line for k in SIZES for line in measure(study, known, k)]
    print_table(measures)
    if options.json:
        table = [asdict(line) for line in measures]
        report = {"top_mass": held, "resolved": resolved, "table": table}
        options.json.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


def gsm8k_study(data: Path, every: int) -> tuple[Study, float]:
    """The n-gram teacher, and the mass that its best five tokens hold."""
    gpt2, t5 = (load_tokenizer(data / "tokenizers" / name) for name in ("gpt2", "t5"))
    train = gpt2.encode_batch(solutions(data / "gsm8k" / "train.jsonl"), eos=True)
    teacher = NgramTeacher(train)
    texts = solutions(data / "gsm8k" / "test.jsonl")
    store = gpt2.encode_batch(texts, eos=True), t5.encode_batch(texts, eos=True)
    written = store[0][::every]
    held = temper(teacher.set_power, [teacher.after] * 12, written[:12])
    return Study(gpt2, t5, written, store[1][::every], [teacher.after] * len(written), store), held


def bundled_study(every: int) -> tuple[Study, float]:
    """The bundled teacher, answering questions of its world, and the mass of its best five."""
    loaded, target = load_model(str(MODELS / "teacher")), load_tokenizer(MODELS / "student")
    examples = world.examples(world.FAMILIES[0], "test", 40 * every)
    form = by_name("zero-shot-cot")
    prompts = loaded.tokenizer.encode_batch([form.prompt(example) for example in examples])
    texts = [form.target(example.rationale or "", example.answer) for example in examples]
    store = loaded.tokenizer.encode_batch(texts, eos=True), target.encode_batch(texts, eos=True)
    written = store[0][::every]
    teachers = [NeuralTeacher(loaded, prompt) for prompt in prompts[::every]]

    def set_power(power: float) -> None:
        for teacher in teachers:
            teacher.power = power

    afters: list[After] = [teacher.after for teacher in teachers]
    held = temper(set_power, afters[:12], written[:12])
    return Study(loaded.tokenizer, target, written, store[1][::every], afters, store), held


def temper(
    set_power: Callable[[float], None], after: Sequence[After], texts: Sequence[Sequence[int]]
) -> float:
    """Set the power at which the five best tokens hold TOP_MASS on average; what they hold then."""
    low, high, held = 0.05, 8.0, 0.0
    for _ in range(12):
        power = (low + high) / 2
        set_power(power)
        top = [
            follow(text[:at])[1][: SIZES[0]].sum()
            for follow, text in zip(after, texts, strict=True)
            for at in range(len(text))
        ]
        held = float(np.mean(top))
        low, high = (power, high) if held < TOP_MASS else (low, power)
    return held


def solutions(path: Path) -> list[str]:
    """The worked solutions of a GSM8K file, calculator marks taken out, the answer in words."""
    found = []
    for line in path.read_text().splitlines():
        body, answer = re.sub(r"<<.*?>>", "", json.loads(line)["answer"]).split("\n#### ")
        found.append(f"{body.strip()}\nThe answer is {answer.strip()}")
    return found


def truths(study: Study, share: float) -> list[Truth]:
    """The truth at a random share of the positions that the folded text shows."""
    generator = np.random.default_rng(0)
    source_pieces = study.source.pieces(range(study.source.size))
    eos, target_eos = study.source.eos or 0, study.target.eos or 0
    todo = []
    start = 0
    for written, tokens, after in zip(study.written, study.tokens, study.after, strict=True):
        pieces = study.target.pieces(tokens[:-1])
        found = positions(study.source.pieces(written[:-1]), pieces, written[:-1], tokens[:-1])
        for i, position in enumerate(found):
            if position is not None and generator.random() < share:
                follows, lost = continuations(after, source_pieces, eos, position)
                todo.append((start + i, position, class_of(pieces[i], position), follows, lost))
        start += len(tokens)
    texts = sorted({text_of(position, c) for _, position, _, follows, _ in todo for c in follows})
    encoded = study.target.encode_batch([text.decode(errors="replace") for text in texts])
    answers = dict(zip(texts, encoded, strict=True))
    known = []
    for row, position, name, follows, lost in todo:
        mass, total = truth(position, follows, answers, target_eos)
        if total and total / (total + lost) >= RESOLVED:
            known.append(Truth(row, mass, total / (total + lost), name))
    return known


def rows_of(study: Study, k: int) -> SparseDistributions:
    """The teacher's rows as a store keeps them: the k best tokens and the written one."""
    sizes, ids, mass, rest = [0], [], [], []
    for written, after in zip(study.written, study.after, strict=True):
        for at, token in enumerate(written):
            best, probability = after(written[:at])
            kept = dict(zip(best[:k].tolist(), probability[:k].tolist(), strict=True))
            if token not in kept:
                kept[token] = max(float(probability[best == token].sum()), 1e-8)
            ids += kept.keys()
            mass += kept.values()
            sizes.append(len(kept))
            rest.append(max(0.0, 1 - sum(kept.values())))
    with np.errstate(divide="ignore"):
        return SparseDistributions(
            np.cumsum(sizes).astype(np.int64),
            np.array(ids, np.int32),
            np.log(np.array(mass)).astype(np.float32),
            np.log(np.array(rest)).astype(np.float32),
        )


def measure(study: Study, known: Sequence[Truth], k: int) -> list[Measure]:
    """Every policy at one k, all classes and each of them."""
    source, target = study.source.vocabulary(), study.target.vocabulary()
    shard = ragged(study.written), rows_of(study, k), ragged(study.tokens)
    hard = one_hot(np.concatenate([np.array(tokens) for tokens in study.tokens]))
    encode = study.target.encode_batch
    whole, kept = (
        Projector(source, target, encode=encode),
        Projector(source, target, encode=encode, keep=k),
    )
    for projector in (whole, kept):
        projector.observe(ragged(study.store[0]), ragged(study.store[1]))
    projectors = {
        "one-to-one": Projector(source, target, policy="one-to-one"),
        "nearest": Projector(source, target, policy="nearest"),
        "chunk": Projector(source, target, policy="chunk"),
        "prefix, by bytes alone": Projector(source, target),
        "prefix, no words learnt": Projector(source, target, encode=encode),
        "prefix": whole,
        f"prefix, cut to {k}": kept,
    }
    by_policy = {"one-hot": (hard, np.zeros(len(hard), np.bool_))} | {
        name: _rows(projector.project(*shard)) for name, projector in projectors.items()
    }
    lines = []
    for name in ("all", *sorted({item.token_class for item in known})):
        chosen = [item for item in known if name in ("all", item.token_class)]
        for policy, (rows, soft) in by_policy.items():
            figures = np.array([_compare(rows, item) for item in chosen]).mean(axis=0)
            share = float(np.mean([soft[item.row] for item in chosen]))
            lines.append(Measure(policy, k, name, len(chosen), share, *figures.tolist()))
        best = [1 - sum(sorted(item.mass.values())[-k:]) for item in chosen]
        lines.append(
            Measure(f"best {k} of the truth", k, name, len(chosen), 1.0, float(np.mean(best)), 0.0)
        )
    return lines


def _rows(projection: Projection) -> tuple[SparseDistributions, NDArray[np.bool_]]:
    return projection.distributions, projection.is_soft


def _compare(rows: SparseDistributions, item: Truth) -> tuple[float, float]:
    """Total variation, and the loss in nats of a student that is the truth, over its entropy."""
    row = rows[item.row : item.row + 1]
    tail = float(np.exp(row.tail[0]))
    mine = dict(
        zip(row.ids.tolist(), np.exp(row.logprobs.astype(np.float64)).tolist(), strict=True)
    )
    apart = sum(
        abs(mine.get(v, 0.0) - item.mass.get(v, 0.0)) for v in mine.keys() | item.mass.keys()
    )
    rest = max(1 - sum(item.mass.get(v, 0.0) for v in mine), 0.0)
    events = [(p, item.mass.get(v, 0.0)) for v, p in mine.items()] + [(tail, rest)]
    nats = sum(p * np.log(p / max(q, 1e-6)) for p, q in events if p > 0)
    return (apart + tail) / 2, float(nats)


def print_table(measures: Sequence[Measure]) -> None:
    print(f"{'k':>2}  {'class':12} {'policy':24} {'rows':>5} {'soft':>6} {'tv':>6} {'nats':>6}")
    for line in measures:
        print(
            f"{line.k:2}  {line.token_class:12} {line.policy:24} {line.rows:5} "
            f"{line.soft_share:6.1%} {line.tv:6.3f} {line.kl:6.3f}"
        )


if __name__ == "__main__":
    main()
