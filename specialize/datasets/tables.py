"""Records of a user's own files: JSON lines, a JSON list, CSV, TSV, parquet, a ``datasets`` folder.

    records_of(Path("mine.csv"))     ("mine.csv, line 2", {"question": "2 + 3?", "answer": "5"}) ...

``.gz`` files are unpacked on the way. Other compressions and formats are refused by their name,
with the command that turns them into one of these.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from specialize.datasets.reading import (
    Record,
    json_document,
    json_lines,
    json_objects,
    read_text,
)
from specialize.errors import ConfigurationError, InputError

EXPECTED = "examples with the fields question and answer"
MAX_CELL = 10_000_000  # characters of a cell of CSV
_UNPACK = {
    ".zst": "zstd -d", ".xz": "unxz", ".bz2": "bunzip2", ".zip": "unzip", ".lz4": "unlz4",
    ".7z": "7z x", ".tar": "tar -xf", ".tgz": "tar -xzf",
}  # fmt: skip
_CONVERT = (".xlsx", ".xls", ".ods", ".pkl", ".pickle", ".npz", ".feather", ".orc", ".yaml", ".yml")


def records_of(
    path: Path, faults: list[str] | None = None, *, expected: str = EXPECTED
) -> Iterator[tuple[str, Record]]:
    """The records of a file or saved dataset, each with its place.

    Args:
        path: the file, or the directory that ``Dataset.save_to_disk`` wrote.
        faults: takes what is wrong with single lines of JSON, which are then passed over.
        expected: what the file should hold, for the error where there is none.

    Raises:
        InputError: the file is missing, damaged, empty, or of a format that is not read.
    """
    if (path / "state.json").is_file():
        return _saved_records(path, expected)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    form = (
        suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    )
    if form in _UNPACK:
        raise InputError(f"{path} is packed; unpack it first: {_UNPACK[form]} {path.name}")
    if form in _CONVERT:
        raise InputError(f"{path} is not read; save its table as .jsonl, .csv or .parquet")
    if form == ".json":
        return _json_records(path, expected)
    if form in _READERS:
        return _READERS[form](path, expected)
    return json_lines(path, f"{expected}, as JSON lines", faults)


def file_of(path: Path, split: str | None) -> Path:
    """The file, or saved dataset, that ``path`` means: itself, or a split of the directory.

    Raises:
        ConfigurationError: a directory without a split, or a split of a single file.
    """
    if not path.is_dir() or (path / "state.json").is_file():
        if split is not None:
            raise ConfigurationError(f"{path} holds one set without splits; drop split: {split}")
        return path
    if split is None:
        raise ConfigurationError(f"{path} is a directory; name a file or a split in it")
    names = [f"{split}{form}{packed}" for form in _FORMS for packed in ("", ".gz")]
    found = [path / name for name in (split, *names) if (path / name).exists()]
    return found[0] if found else path / f"{split}.jsonl"


def _json_records(path: Path, expected: str) -> Iterator[tuple[str, Record]]:
    """A JSON list, or JSON lines under the name of one."""
    if read_text(path, expected).lstrip()[:1] == "[":
        yield from json_objects(json_document(path, expected), path, expected)
    else:
        yield from json_lines(path, f"{expected}, as JSON lines or one JSON list")


def _csv_records(path: Path, delimiter: str, expected: str) -> Iterator[tuple[str, Record]]:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(read_text(path, expected)), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise InputError(f"{path} is empty; expected: {expected}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(f"{where}, has {len(row)} cells for {len(header)} columns")
            yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}, is not CSV ({error})") from None


def _comma_records(path: Path, expected: str) -> Iterator[tuple[str, Record]]:
    return _csv_records(path, ",", expected)


def _tab_records(path: Path, expected: str) -> Iterator[tuple[str, Record]]:
    return _csv_records(path, "\t", expected)


def _parquet_records(path: Path, expected: str) -> Iterator[tuple[str, Record]]:
    if not path.is_file():
        raise InputError(f"no file {path}; expected there: {expected}")
    try:
        with parquet.ParquetFile(path) as file:
            rows, size = file.metadata.num_rows, path.stat().st_size
            if rows > size:
                raise InputError(
                    f"{path} says that it has {rows:,} rows in {size:,} bytes, so they are all "
                    f"alike; each example needs a text of its own"
                )
        yield from _rows(parquet.read_table(path), path, expected)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not parquet ({str(error).splitlines()[0]})") from None


def _saved_records(path: Path, expected: str) -> Iterator[tuple[str, Record]]:
    """What ``Dataset.save_to_disk`` wrote: Arrow streams that ``state.json`` names."""
    state = json_document(path / "state.json", "the state of a saved dataset")
    files = state.get("_data_files") if isinstance(state, Mapping) else None
    names = [file.get("filename") for file in files or () if isinstance(file, Mapping)]
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise InputError(f"{path / 'state.json'} names no file of rows beside it")
    try:
        tables = [pa.ipc.open_stream(path / str(name)).read_all() for name in names]
        yield from _rows(pa.concat_tables(tables), path, expected)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is damaged ({str(error).splitlines()[0]})") from None


def _rows(table: pa.Table, path: Path, expected: str) -> Iterator[tuple[str, Record]]:
    if not table.num_rows:
        raise InputError(f"{path} is empty; expected: {expected}")
    at = 0
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            yield f"{path}, row {at}", row
            at += 1


_READERS: Mapping[str, Callable[[Path, str], Iterator[tuple[str, Record]]]] = {
    ".csv": _comma_records,
    ".tsv": _tab_records,
    ".parquet": _parquet_records,
}
_FORMS = (".jsonl", ".json", *_READERS)
