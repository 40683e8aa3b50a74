"""Draw the tiny world of ``specialize quickstart``, and write the files that come with the package.

    python scripts/build/quickstart_world.py --out specialize/quickstart/data

``examples("shop", "train", 2)`` draws the first two training problems of the family "shop";
``specialize/quickstart/world.py`` says what the sets are. Splits are disjoint by construction: a
hash of the question's text says which split it belongs to.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import quickstart_tasks as tasks
from quickstart_stories import DEPOT, ERRANDS, FARM, SHOP, Story, write_story

from specialize import datasets
from specialize.quickstart.world import FAMILIES, GENERAL, Split
from specialize.records import Example

# What the bundled student was also taught: facts, and problems of a single step.
BASICS = ("arithmetic_fact", "shop_step", "farm_step", "depot_step")

_STORIES = {"shop": SHOP, "farm": FARM, "depot": DEPOT, "errands": ERRANDS}
_TASKS = {
    "sort_words": tasks.sort_words,
    "evaluate_boolean": tasks.evaluate_boolean,
    "count_objects": tasks.count_objects,
    "reverse_list": tasks.reverse_list,
    "compare_numbers": tasks.compare_numbers,
    "arithmetic_fact": tasks.arithmetic_fact,
}
_TENTHS: dict[str, Split] = {"0": "validation", "1": "test"}  # every other tenth is "train"
_PATIENCE = 2000  # draws in a row that may fail before the set counts as exhausted


def examples(name: str, split: Split, count: int, *, seed: int = 0) -> list[Example]:
    """Draw ``count`` examples with different questions; the same arguments give the same ones.

    Args:
        name: one of ``FAMILIES``, ``GENERAL`` or ``BASICS``.
        count: a smaller count gives the first of a larger one.
    """
    write = _writer(name)
    rng = np.random.default_rng([seed, _stable_hash(f"{name}/{split}")])
    found: list[Example] = []
    questions: set[str] = set()
    failed = 0
    while len(found) < count:
        story = write(rng)
        if story.question in questions or split_of(story.question) != split:
            failed += 1
            if failed > _PATIENCE:
                raise ValueError(
                    f"{name}/{split} has no more than {len(found)} different questions, "
                    f"asked for {count}"
                )
            continue
        failed = 0
        questions.add(story.question)
        identity = f"{name}/{split}/{len(found):05d}"
        found.append(
            Example(identity, story.question, story.answer, rationale=story.rationale, task=name)
        )
    return found


def split_of(question: str) -> Split:
    """The only split in which a question may occur: eight tenths train, one each of the others."""
    return _TENTHS.get(str(_stable_hash(question) % 10), "train")


def _stable_hash(text: str) -> int:
    """64 bits of the text's BLAKE2b; Python's own hash differs from process to process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _writer(name: str) -> Callable[[np.random.Generator], Story]:
    if name in _STORIES:
        return partial(write_story, _STORIES[name])
    if name in _TASKS:
        return _TASKS[name]
    family = name.removesuffix("_step")
    if name in BASICS:
        return partial(write_story, _STORIES[family], steps=1)
    known = ", ".join((*FAMILIES, *GENERAL, *BASICS))
    raise ValueError(f"the tiny world has no set {name!r}; it has {known}")


def bundled() -> Iterator[tuple[str, Split, int]]:
    """Every file of the package, with its number of examples."""
    yield "shop", "train", 4000
    for name in BASICS[1:]:
        yield name, "train", 800
    for name in (*FAMILIES, *GENERAL, "depot_step"):
        yield name, "validation", 600
        yield name, "test", 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, split, count in bundled():
        plain = out / f"{name}.{split}.jsonl"
        datasets.write_jsonl(plain, examples(name, split, count))
        # no time of writing, so that the same examples make the same bytes
        packed = gzip.compress(plain.read_bytes(), mtime=0)
        plain.with_suffix(".jsonl.gz").write_bytes(packed)
        plain.unlink()


if __name__ == "__main__":
    main()
