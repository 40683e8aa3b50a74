"""The tiny world of ``specialize quickstart``: a family of word problems, three more, and tasks.

``examples("shop", "train", 2)`` reads the first two training problems of the in-distribution
family. The other three families differ from it in one thing each: "farm" in phrasing, "depot" in
the range of numbers, "errands" in the number of steps. The general tasks are what a student may
lose while it is specialized. They play the parts of GSM8K, of the sets that Fu et al. 2023
(arXiv:2301.12726) hold out (MultiArith, ASDiv, SVAMP), and of BIG-Bench Hard.

``scripts/build/quickstart_world.py`` wrote the files in ``data/``; no question is in two splits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from specialize import datasets
from specialize.errors import ConfigurationError
from specialize.records import Example

Split = Literal["train", "validation", "test"]

FAMILIES = ("shop", "farm", "depot", "errands")
OUT_OF_DISTRIBUTION = FAMILIES[1:]
GENERAL = (
    "sort_words", "evaluate_boolean", "count_objects", "reverse_list", "compare_numbers",
)  # fmt: skip
DATA = Path(__file__).parent / "data"


def examples(name: str, split: Split, count: int) -> list[Example]:
    """The first ``count`` examples of a set's split.

    Args:
        name: one of ``FAMILIES`` or ``GENERAL``, or "shop_step", "farm_step" or "depot_step":
            problems of a single step.

    Raises:
        ConfigurationError: there is no such file, or it has fewer examples.
    """
    path = DATA / f"{name}.{split}.jsonl.gz"
    if not path.is_file():
        raise ConfigurationError(f"the tiny world has no {name}/{split}")
    found = datasets.load("jsonl", str(path))
    if len(found) < count:
        raise ConfigurationError(f"{name}/{split} has {len(found)} examples, not {count}")
    return found[:count]
