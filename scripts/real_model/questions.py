"""Writes the questions of ``scripts/real_model.sh`` as JSON lines: what a model of 135 million
weights is scored on, what it can sometimes answer itself, and what is kept for the end.

    python scripts/real_model/questions.py OUT [--data DATA_DIR]

    train.jsonl                task "rationales": GSM8K's training problems with their solutions
                               task "problems": of SVAMP     task "sums": "What is 17 + 5?"
    short.{validation,test}.jsonl     other problems and sums
    other.{validation,test}.jsonl     of MultiArith, a set that nothing is trained on
    held_out.jsonl             GSM8K's test problems with their solutions

Without DATA_DIR the bundled world's word problems take the place of the published sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from specialize import datasets
from specialize.quickstart import world
from specialize.records import Example


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of questions: with solutions, of each short kind, in each evaluation split."""

    rationales: int
    short: int
    examples: int
    held_out: int


@dataclass(frozen=True, slots=True)
class Sources:
    """The problems that there are, in the order in which they are taken."""

    solved: Sequence[Example]
    held_out: Sequence[Example]
    problems: Sequence[Example]
    others: Sequence[Example]


def published(data: Path) -> Sources:
    """Of the files in ``data``: GSM8K, SVAMP, MultiArith."""
    return Sources(
        datasets.load("gsm8k", str(data / "gsm8k" / "train.jsonl")),
        datasets.load("gsm8k", str(data / "gsm8k" / "test.jsonl")),
        datasets.load("svamp", str(data / "svamp" / "SVAMP.json")),
        datasets.load("multiarith", str(data / "multiarith" / "MultiArith.json")),
    )


def bundled(sizes: Sizes) -> Sources:
    """The same parts from the bundled world; problems of one step are the short ones."""
    return Sources(
        world.examples("shop", "train", sizes.rationales),
        world.examples("shop", "test", sizes.held_out),
        world.examples("shop_step", "train", sizes.short + 2 * sizes.examples),
        world.examples("farm_step", "train", 2 * sizes.examples),
    )


def sums(count: int) -> list[Example]:
    """Different sums of two numbers below 20, in a fixed disorder."""
    pairs = np.random.default_rng(0).permutation(18 * 18)[:count].tolist()
    numbers = [(2 + pair // 18, 2 + pair % 18) for pair in pairs]
    return [Example(f"sums/{a}+{b}", f"What is {a} + {b}?", str(a + b)) for a, b in numbers]


def write(out: Path, sources: Sources, sizes: Sizes) -> None:
    """Every file; the splits of a kind follow one another, so that no question is in two."""
    short, examples = sizes.short, sizes.examples
    kinds = {"problems": sources.problems, "sums": sums(short + 2 * examples)}
    train = _part("rationales", sources.solved[: sizes.rationales], solved=True)
    for task, found in kinds.items():
        train += _part(task, found[:short])
    datasets.write_jsonl(out / "train.jsonl", train)
    for number, split in enumerate(("validation", "test")):
        at = slice(short + number * examples, short + (number + 1) * examples)
        both = [e for task, found in kinds.items() for e in _part(task, found[at])]
        datasets.write_jsonl(out / f"short.{split}.jsonl", both)
        others = sources.others[number * examples : (number + 1) * examples]
        datasets.write_jsonl(out / f"other.{split}.jsonl", _part("", others))
    held_out = _part("rationales", sources.held_out[: sizes.held_out], solved=True)
    datasets.write_jsonl(out / "held_out.jsonl", held_out)


def _part(task: str, found: Sequence[Example], *, solved: bool = False) -> list[Example]:
    """As a task of its own; solutions are kept where they are to be scored."""
    return [replace(e, task=task, rationale=e.rationale if solved else "") for e in found]


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--data", default=None, type=click.Path(exists=True, path_type=Path))
@click.option("--rationales", default=240, show_default=True)
@click.option("--short", default=120, show_default=True, help="Of problems, and of sums.")
@click.option("--examples", default=30, show_default=True, help="Of each kind and split.")
@click.option("--held-out", default=60, show_default=True)
def main(
    out: Path, data: Path | None, rationales: int, short: int, examples: int, held_out: int
) -> None:
    sizes = Sizes(rationales, short, examples, held_out)
    write(out, published(data) if data is not None else bundled(sizes), sizes)


if __name__ == "__main__":
    main()
