"""MultiArith: word problems of two steps; ids are positions, multiarith/00000.

``lSolutions`` [39.0] is answer "39". On the hub the set has no published ids and two splits, so ids
differ from the file's: multiarith/train/00000.
"""

from __future__ import annotations

from pathlib import Path

from specialize.datasets.hub import HubSource, Row
from specialize.datasets.layouts import sole_file
from specialize.datasets.reading import (
    Record,
    json_document,
    json_objects,
    number_field,
    text_field,
)
from specialize.datasets.records import example
from specialize.datasets.spec import Published, SetSpec
from specialize.errors import InputError
from specialize.records import Example


def _read(path: Path, split: str | None) -> list[Example]:
    path = sole_file(path, split, "MultiArith.json", "multiarith")
    expected = "MultiArith as one JSON list"
    records = json_objects(json_document(path, expected), path, expected)
    return [
        _example(record, f"multiarith/{at:05d}", where)
        for at, (where, record) in enumerate(records)
    ]


def _example(record: Record, id_: str, where: str) -> Example:
    solutions = record.get("lSolutions")
    if not isinstance(solutions, list) or len(solutions) != 1:
        raise InputError(
            f"{where}: 'lSolutions' must be a list of one number, got {solutions!r:.60}"
        )
    answer = number_field({"lSolutions": solutions[0]}, "lSolutions", where)
    return example(id_, text_field(record, "sQuestion", where), answer, where)


def _row(row: Row) -> Example:
    question = text_field(row.record, "question", row.where)
    answer = number_field(row.record, "final_ans", row.where)
    return example(f"multiarith/{row.split}/{row.at:05d}", question, answer, row.where)


MULTIARITH = SetSpec(
    "multiarith",
    "number",
    _read,
    licence="none stated",
    source="Roy and Roth 2015, doi:10.18653/v1/D15-1202",
    from_hub=HubSource("ChilleD/MultiArith", ("train", "test"), _row).load,
    pinned=Published(
        "MultiArith",
        validation=200,
        total=600,
        all_ids="b8587bd5b3e283abeb51c9818e07a480786ad0b00a3f001a51114b5921cbe3c6",
        drawn_ids="08511e1e74df6372f56fd097388decfca7e883099f58a40bacb92ff176d97e24",
    ),
)
