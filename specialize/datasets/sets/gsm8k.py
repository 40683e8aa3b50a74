r"""GSM8K: grade-school mathematics with worked solutions; ids gsm8k/train/00017.

``answer`` "48/2 = <<48/2=24>>24 clips.\n#### 72" is rationale "48/2 = 24 clips." and answer "72".
"""

from __future__ import annotations

import re
from pathlib import Path

from specialize.datasets.hub import HubSource, Row
from specialize.datasets.layouts import file_of_split
from specialize.datasets.reading import Record, json_lines, text_field
from specialize.datasets.records import example
from specialize.datasets.spec import Published, SetSpec
from specialize.errors import InputError
from specialize.records import Example

_SPLITS = ("train", "test")
_CALCULATION = re.compile(r"<<[^<>\n]*>>")


def _read(path: Path, split: str | None) -> list[Example]:
    """One of its files, or their directory with the split named."""
    expected = "GSM8K as JSON lines with the fields question and answer"
    path, split = file_of_split(path, split, _SPLITS, "gsm8k")
    return [
        _example(record, f"gsm8k/{split}/{at:05d}", where)
        for at, (where, record) in enumerate(json_lines(path, expected))
    ]


def _example(record: Record, id_: str, where: str) -> Example:
    solution = text_field(record, "answer", where)
    steps, marker, answer = solution.rpartition("####")
    if not marker or not answer.strip():
        raise InputError(f"{where}: 'answer' has no line '#### <answer>': {solution[-60:]!a}")
    rationale = _CALCULATION.sub("", steps).strip()
    return example(id_, text_field(record, "question", where), answer.strip(), where, rationale)


def _row(row: Row) -> Example:
    return _example(row.record, f"gsm8k/{row.split}/{row.at:05d}", row.where)


GSM8K = SetSpec(
    "gsm8k",
    "number",
    _read,
    licence="MIT",
    source="Cobbe et al. 2021, arXiv:2110.14168",
    from_hub=HubSource("openai/gsm8k", _SPLITS, _row, ("main",), choose_split=True).load,
    pinned=Published(
        "GSM8K test",
        validation=500,
        total=1319,
        all_ids="4df7e113aa0db8477fac566f9786f0abe3c4d4c7850c130028a67130b1930f2a",
        drawn_ids="8f5a41cd7f7eef9c08ce46b24f67db627d57479d50b0bd7bb3d22d00dd0e93d6",
    ),
)
