"""SVAMP: varied arithmetic word problems; ids are the published ones, svamp/chal-1.

``Body`` "Each pack costs 76 dollars" and ``Question`` "How much ...?" become one question.
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
from specialize.datasets.records import example, join_question
from specialize.datasets.spec import Published, SetSpec
from specialize.errors import InputError
from specialize.records import Example


def _read(path: Path, split: str | None) -> list[Example]:
    path = sole_file(path, split, "SVAMP.json", "svamp")
    expected = "SVAMP as one JSON list"
    records = json_objects(json_document(path, expected), path, expected)
    return [_example(record, text_field(record, "ID", where), where) for where, record in records]


def _example(record: Record, published: str, where: str) -> Example:
    question = join_question(
        text_field(record, "Body", where), text_field(record, "Question", where)
    )
    return example(f"svamp/{published}", question, number_field(record, "Answer", where), where)


def _row(row: Row) -> Example:
    published = text_field(row.record, "ID", row.where)
    if not published.rpartition("-")[2].isdecimal():
        raise InputError(f"{row.where}: ID {published!r} is not of the form chal-1")
    return _example(row.record, published, row.where)


def _number(found: Example) -> int:
    return int(found.id.rpartition("-")[2])


SVAMP = SetSpec(
    "svamp",
    "number",
    _read,
    licence="MIT",
    source="Patel et al. 2021, doi:10.18653/v1/2021.naacl-main.168",
    from_hub=HubSource("ChilleD/SVAMP", ("train", "test"), _row, order=_number).load,
    pinned=Published(
        "SVAMP",
        validation=500,
        total=1000,
        all_ids="8c767e605feb66c4967d3515a957453a7fd2d6664ff03d07abdf3353ddef5639",
        drawn_ids="470a05d7f01b979afff4e49c055b54125d0e652a35bdb4cf7d0b686ae0870764",
    ),
)
