"""A user's own data: the formats that are read, those refused by name, and the check of a file."""

from __future__ import annotations

import csv
import gzip
import json
import logging
from pathlib import Path

import datasets as library
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner

from specialize import datasets
from specialize.cli.data import data
from specialize.datasets.check import check_file
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example

RECORDS = [
    {"id": "own/1", "question": "2 + 3?", "answer": "5", "rationale": "2 + 3 = 5."},
    {"id": "own/2", "question": "4 + 4?", "answer": "8", "rationale": ""},
]
EXAMPLES = [Example("own/1", "2 + 3?", "5", "2 + 3 = 5."), Example("own/2", "4 + 4?", "8")]


def lines(records: list[dict[str, object]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def write_as(form: str, path: Path) -> None:
    """``RECORDS`` in one of the formats."""
    match form:
        case "jsonl" | "txt":
            path.write_text(lines(RECORDS))
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines(RECORDS).encode(), mtime=0))
        case "json":
            path.write_text(json.dumps(RECORDS))
        case "json.gz":
            path.write_bytes(gzip.compress(json.dumps(RECORDS).encode(), mtime=0))
        case "csv" | "tsv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, RECORDS[0], delimiter="," if form == "csv" else "\t")
                writer.writeheader()
                writer.writerows(RECORDS)
        case "parquet":
            parquet.write_table(pa.Table.from_pylist(RECORDS), path)
        case "saved":
            library.Dataset.from_list(RECORDS).save_to_disk(path)


FORMS = ["jsonl", "txt", "jsonl.gz", "json", "json.gz", "csv", "tsv", "parquet", "saved"]


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_examples(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"train.{form}"
    write_as(form, path)
    assert datasets.load("jsonl", path) == EXAMPLES
    assert check_file(path).problems == []
    assert check_file(path).answers == {"number": 2}


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "json", "csv", "tsv", "parquet"])
def test_a_split_is_a_file_of_the_directory(tmp_path: Path, form: str) -> None:
    write_as(form, tmp_path / f"test.{form}")
    assert datasets.load("jsonl", tmp_path, split="test") == EXAMPLES


def test_a_saved_dictionary_of_datasets(tmp_path: Path) -> None:
    parts = {"train": RECORDS, "test": RECORDS[:1]}
    library.DatasetDict(
        {split: library.Dataset.from_list(records) for split, records in parts.items()}
    ).save_to_disk(tmp_path / "mine")
    assert datasets.load("jsonl", tmp_path / "mine", split="test") == EXAMPLES[:1]
    with pytest.raises(ConfigurationError, match="is a directory; name a file or a split in it"):
        datasets.load("jsonl", tmp_path / "mine")


def test_ids_choices_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(lines([
        {"question": "2 + 3?", "answer": 5},
        {"question": "2 / 4?", "answer": 0.5, "id": 7, "task": None},
        {"question": "Which?", "answer": "red", "choices": ["red", "blue"], "context": "A text."},
    ]))  # fmt: skip
    first, second, third = datasets.load("jsonl", path)
    assert first == Example("mine/00000", "2 + 3?", "5")
    assert second == Example("7", "2 / 4?", "0.5")
    assert third == Example(
        "mine/00002", "Which?", "red", choices=("red", "blue"), context="A text."
    )
    table = tmp_path / "mine.csv"
    table.write_text('question,answer,choices\nWhich?,red,"[""red"", ""blue""]"\nWho?,me,\n')
    assert [e.choices for e in datasets.load("jsonl", table)] == [("red", "blue"), ()]


def test_fields_that_are_not_read_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(lines([{**RECORDS[0], "source": "x", "level": 3}, RECORDS[1]]))
    with caplog.at_level(logging.WARNING):
        assert datasets.load("jsonl", path) == EXAMPLES
    assert caplog.messages == [f"{path}: fields that are not read: level, source"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl.zst", b"", r"is packed; unpack it first: zstd -d a\.jsonl\.zst"),
        ("a.zip", b"PK", "unpack it first: unzip"),
        ("a.xlsx", b"PK", r"is not read; save its table as \.jsonl, \.csv or \.parquet"),
        ("a.jsonl.gz", b"not packed", "Not a gzipped file"),
        ("a.jsonl.gz", gzip.compress(lines(RECORDS).encode(), mtime=0)[:-9], "a.jsonl.gz"),
        ("a.parquet", b"PAR1", "is not parquet"),
        ("a.csv", b"question,answer\nonly one cell\n", "line 2, has 1 cells for 2 columns"),
        ("a.csv", b'question,answer\n"a,b\n', "is not CSV"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"frage,antwort\na,b\n", "no 'question'; unknown field antwort, frage"),
        ("a.json", b"[]", "holds an empty list"),
        ("a.json", b"[3]", "record 0, is int, not an object"),
        ("a.jsonl", b'{"question": ["a"], "answer": "b"}', "'question' must be text"),
    ],
)
def test_what_is_not_read_says_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.load("jsonl", path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_published_sets_may_be_packed(tmp_path: Path) -> None:
    path = tmp_path / "MultiArith.json.gz"
    path.write_bytes(
        gzip.compress(json.dumps([{"sQuestion": "2?", "lSolutions": [2]}]).encode(), mtime=0)
    )
    assert datasets.load("multiarith", path) == [Example("multiarith/00000", "2?", "2")]


def test_a_check_names_what_is_wrong_by_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(
        lines([RECORDS[0]])
        + '{"question": "broken\n'
        + lines([
            {"question": "No answer?"},
            {"id": "own/1", "question": "Yes?", "answer": "yes", "source": "x"},
            {"question": "2 + 3?", "answer": "five of them"},
            {"question": "Which?", "answer": "red", "choices": ["red"]},
        ])
    )  # fmt: skip
    found = check_file(path)
    assert found.records == 5
    assert found.answers == {"number": 1, "boolean": 1, "text": 1, "choice": 1}
    assert found.fields["source"] == 1
    assert found.repeated == 1
    assert found.first == EXAMPLES[0]
    (broken, missing, twice) = found.problems
    assert broken.startswith(f"{path}, line 2, is not JSON")
    assert missing == f"{path}, line 3: no 'answer'"
    assert twice == f"{path}, line 4: the id 'own/1' is there already"


def test_problems_of_one_kind_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(lines([{"prompt": "2 + 3?", "completion": "5"}] * 30 + [{"question": "Why?"}]))
    assert check_file(path).lines()[-3:] == [
        "problems: 31",
        f"  {path}, line 1: no 'question'; unknown field completion, prompt: rename what holds it"
        " (and 29 more like it)",
        f"  {path}, line 31: no 'answer'",
    ]


def test_a_file_in_place_of_a_set(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(lines(RECORDS))
    done = CliRunner().invoke(data, [str(path)])
    assert done.exit_code == 2
    assert f"{path} is a file, not a set: specialize data check {path}" in done.output


def test_the_command_prints_the_check(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(lines([{**RECORDS[0], "source": "x\x1b[31m"}, RECORDS[1]]))
    done = CliRunner().invoke(data, ["check", str(path)])
    assert done.exit_code == 0
    printed = done.output.splitlines()
    assert printed[0] == f"{path}: 2 records, 2 of them examples"
    assert "source 1 (not read)" in printed[1]
    assert printed[2] == "answers: number 2"
    assert "first question: 2 + 3?" in printed
    assert printed[-1] == "problems: 0"
    path.write_text('{"question": "a\n')
    with pytest.raises(InputError, match="line 1, is not JSON"):
        CliRunner().invoke(data, ["check", str(path)], catch_exceptions=False)
    assert CliRunner().invoke(data, ["check"]).exit_code == 2


def test_the_kind_of_a_users_own_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text("KIND = 'choice'\ndef read(path, split):\n    return []\n")
    monkeypatch.setattr("specialize.datasets.load_file", lambda *_: _Own)
    assert datasets.kind_of(str(path)) == "choice"
    assert datasets.kind_of("jsonl") == "number"
    with pytest.raises(ConfigurationError, match="unknown set 'mine'; known: gsm8k"):
        datasets.kind_of("mine")


class _Own:
    KIND = "choice"


@pytest.mark.parametrize("spec", datasets.SETS.values(), ids=lambda spec: spec.name)
def test_every_set_says_where_it_comes_from(spec: datasets.SetSpec) -> None:
    assert spec.licence
    assert spec.source
    assert spec.version >= 1
    assert datasets.kind_of(spec.name) == spec.kind
