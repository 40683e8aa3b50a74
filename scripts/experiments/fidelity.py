"""How far projected targets are from the truth, where the truth is known.

    python scripts/experiments/fidelity.py DATA_DIR [--teacher NAME] [--student NAME] [--json FILE]
        [--every N] [--share S] [--k 5 20]
    python scripts/experiments/fidelity.py --bundled [--json FILE]

A teacher whose distributions are known exactly scores texts. Its rows are cut to the k best tokens
and the written one, and projected to the student's vocabulary. The truth for a student token comes
from expanding what the teacher may write (``specialize/pairs/oracle.py``).

With DATA_DIR the teacher is n-grams over the tokens of one of its tokenizers (GPT-2's), fitted on
the GSM8K training solutions and sharpened until its five best tokens hold 92 % of the mass; the
texts are GSM8K test solutions, the student another of its tokenizers (T5's). With ``--bundled``
both are the bundled ones, and the neural teacher writes about its own world, flattened to the same
mass.

Printed per policy, k and token class: share of soft rows, mean total variation (tail mass counts as
missed), and the nats that the truth itself would be charged.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from neural_teacher import NeuralTeacher
from numpy.typing import NDArray

from align import Projection, Projector, SparseDistributions, one_hot, ragged
from specialize.formats import by_name
from specialize.pairs.fidelity import Study, Truth, compare_row, known_rows, truths
from specialize.pairs.ngrams import After, NgramTeacher, temper
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.teacher.local.load import load_model
from specialize.tokens import load_tokenizer

TOP_MASS = 0.92
SIZES = (5, 20)
Texts = tuple[Sequence[list[int]], Sequence[list[int]]]  # of the store, in both vocabularies


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Distance of projected targets from the truth.")
    parser.add_argument("data", type=Path, nargs="?", help="folder with gsm8k/ and tokenizers/")
    parser.add_argument("--teacher", default="gpt2", help="of DATA/tokenizers")
    parser.add_argument("--student", default="t5", help="of DATA/tokenizers")
    parser.add_argument("--bundled", action="store_true", help="study the bundled models instead")
    parser.add_argument("--json", type=Path, help="also write the table here, as JSON")
    parser.add_argument("--every", type=int, default=12, help="use every Nth text of the store")
    parser.add_argument("--share", type=float, default=0.2, help="share of positions looked at")
    parser.add_argument("--k", type=int, nargs="+", default=SIZES, help="entries of a row")
    options = parser.parse_args()
    if options.bundled == (options.data is not None):
        parser.error("name the data's folder, or --bundled")
    names = options.teacher, options.student
    study, store, held = (
        bundled_study(options.every)
        if options.bundled
        else gsm8k_study(options.data, options.every, *names)
    )
    known = truths(study, options.share)
    resolved = float(np.mean([item.resolved for item in known]))
    print(f"{len(known)} rows, {resolved:.3f} of their mass settled; top-5 mass {held:.3f}")
    measures = [line for k in options.k for line in measure(study, store, known, k)]
    print_table(measures)
    if options.json:
        table = [asdict(line) for line in measures]
        report = {"top_mass": held, "resolved": resolved, "table": table}
        options.json.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


def gsm8k_study(
    data: Path, every: int, source_name: str = "gpt2", target_name: str = "t5"
) -> tuple[Study, Texts, float]:
    """The n-gram teacher, the store's texts, and the mass that its best five tokens hold."""
    source, target = (load_tokenizer(tokenizer_path(data, n)) for n in (source_name, target_name))
    teacher = NgramTeacher(source.encode_batch(solutions(data / "gsm8k/train.jsonl"), eos=True))
    texts = solutions(data / "gsm8k" / "test.jsonl")
    store = source.encode_batch(texts, eos=True), target.encode_batch(texts, eos=True)
    written = store[0][::every]
    held = temper(teacher.set_power, [teacher.after] * 12, written[:12], TOP_MASS)
    afters = [teacher.after] * len(written)
    return Study(source.vocabulary(), target, written, store[1][::every], afters), store, held


def tokenizer_path(data: Path, name: str) -> Path:
    """The folder of one of DATA's tokenizers, or the one file in it where that is no folder's."""
    folder = data / "tokenizers" / name
    single = [*folder.glob("*.tiktoken"), *folder.glob("20B_tokenizer.json")]
    return single[0] if single else folder


def bundled_study(every: int) -> tuple[Study, Texts, float]:
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
    held = temper(set_power, afters[:12], written[:12], TOP_MASS)
    source = loaded.tokenizer.vocabulary()
    return Study(source, target, written, store[1][::every], afters), store, held


def solutions(path: Path) -> list[str]:
    """The worked solutions of a GSM8K file, calculator marks taken out, the answer in words."""
    found = []
    for line in path.read_text().splitlines():
        body, answer = re.sub(r"<<.*?>>", "", json.loads(line)["answer"]).split("\n#### ")
        found.append(f"{body.strip()}\nThe answer is {answer.strip()}")
    return found


def measure(study: Study, store: Texts, known: Sequence[Truth], k: int) -> list[Measure]:
    """Every policy at one k, all classes and each of them; words are learnt from ``store``."""
    source, target = study.source, study.target.vocabulary()
    shard = ragged(study.written), known_rows(study.written, study.after, k), ragged(study.tokens)
    hard = one_hot(np.concatenate([np.array(tokens) for tokens in study.tokens]))
    encode = study.target.encode_batch
    whole, kept = (
        Projector(source, target, encode=encode),
        Projector(source, target, encode=encode, keep=k),
    )
    for projector in (whole, kept):
        projector.observe(ragged(store[0]), ragged(store[1]))
    projectors = {
        "one-to-one": Projector(source, target, policy="one-to-one"),
        "nearest": Projector(source, target, policy="nearest"),
        "chunk": Projector(source, target, policy="chunk"),
        "byte-prefix": Projector(source, target, policy="byte-prefix"),
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
            figures = np.array([compare_row(rows, item) for item in chosen]).mean(axis=0)
            share = float(np.mean([soft[item.row] for item in chosen]))
            lines.append(Measure(policy, k, name, len(chosen), share, *figures.tolist()))
        best = [1 - sum(sorted(item.mass.values())[-k:]) for item in chosen]
        lines.append(
            Measure(f"best {k} of the truth", k, name, len(chosen), 1.0, float(np.mean(best)), 0.0)
        )
    return lines


def _rows(projection: Projection) -> tuple[SparseDistributions, NDArray[np.bool_]]:
    return projection.distributions, projection.is_soft


def print_table(measures: Sequence[Measure]) -> None:
    print(f"{'k':>2}  {'class':12} {'policy':24} {'rows':>5} {'soft':>6} {'tv':>6} {'nats':>6}")
    for line in measures:
        print(
            f"{line.k:2}  {line.token_class:12} {line.policy:24} {line.rows:5} "
            f"{line.soft_share:6.1%} {line.tv:6.3f} {line.kl:6.3f}"
        )


if __name__ == "__main__":
    main()
