"""Rows of parquet files as arrays, a few in memory at once; parts of a file without the rest.

part_rows(parts, columns, committed)  ->  (3, rows of the part number 3), (5, ...), ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from specialize.errors import InputError
from specialize.imports.source_files import Part, SourceFile, open_parquet

Numbers = NDArray[np.integer] | NDArray[np.floating]
Row = dict[str, pa.Scalar]
_READ = 8  # records of a parquet file that are in memory at once


class PartRows(NamedTuple):
    """The rows of a part, and its number among all parts."""

    number: int
    part: Part
    rows: list[Row]


def part_rows(
    parts: Sequence[Part], columns: Sequence[str], skip: frozenset[int]
) -> Iterator[PartRows]:
    """The rows of every part that is not in ``skip``; groups of rows that no part needs are
    passed over.

    Raises:
        InputError: a column is missing, or a file is damaged.
    """
    numbered = [(number, part) for number, part in enumerate(parts) if number not in skip]
    for file, mine in groupby(numbered, key=lambda pair: pair[1].file):
        wanted = list(mine)
        rows = _rows(file, columns, [part for _, part in wanted])
        for number, part in wanted:
            yield PartRows(number, part, [next(rows) for _ in range(part.last - part.first)])


def parquet_rows(file: SourceFile, columns: Sequence[str]) -> Iterator[Row]:
    """All rows of a file.

    Raises:
        InputError: a column is missing, or it is no parquet file.
    """
    return _rows(file, columns, [Part(file, 0, open_parquet(file).metadata.num_rows)])


def _rows(file: SourceFile, columns: Sequence[str], parts: Sequence[Part]) -> Iterator[Row]:
    """The rows of rising parts of one file."""
    opened = open_parquet(file)
    places = {column: _place(opened.schema_arrow, column, file) for column in columns}
    wanted = np.zeros(opened.metadata.num_rows, np.bool_)
    for part in parts:
        wanted[part.first : part.last] = True
    at = 0
    for group in range(opened.metadata.num_row_groups):
        size = opened.metadata.row_group(group).num_rows
        left = wanted[at : at + size]
        if left.any():
            try:
                yield from _of_group(opened, group, places, left)
            except (OSError, pa.ArrowException) as error:
                raise InputError(
                    f"{file} is damaged in its group {group} of rows: {error}"
                ) from None
        at += size


def _of_group(
    opened: parquet.ParquetFile, group: int, places: dict[str, list[str]], left: NDArray[np.bool_]
) -> Iterator[Row]:
    at, last = 0, int(np.flatnonzero(left)[-1])
    for batch in opened.iter_batches(_READ, row_groups=[group], columns=list(places)):
        for i in np.flatnonzero(left[at : at + len(batch)]).tolist():
            row = {}
            for column, (outer, *inner) in places.items():
                value = batch.column(outer)[i]
                for part in inner:
                    value = value[part]
                row[column] = value
            yield row
        at += len(batch)
        if at > last:
            return


def _place(schema: pa.Schema, column: str, file: SourceFile) -> list[str]:
    """The column itself, or the way to it through columns that hold others."""
    if column in schema.names:
        return [column]
    outer, *parts = column.split(".")
    kind = schema.field(outer).type if outer in schema.names else None
    for part in parts:
        inside = kind if kind is not None and pa.types.is_struct(kind) else pa.struct([])
        kind = inside.field(part).type if inside.get_field_index(part) >= 0 else None
    if kind is None or not parts:
        names = ", ".join(schema.names)
        raise InputError(f"{file} has no column {column!r} but {names}")
    return [outer, *parts]


def nested_array(value: pa.Scalar) -> Numbers:
    """A list, or a list of lists, as an array; empty where these are not equally long."""
    values = value.values
    if values is None:
        return np.zeros(0)
    if not pa.types.is_list(values.type) and not pa.types.is_large_list(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    lengths = np.unique(values.value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        return np.zeros((0, 0))
    flat = values.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(values), -1)


def padded_array(value: pa.Scalar) -> Numbers:
    """A list, or a list of lists, as an array; the ends of shorter lists are -1 or not a number."""
    whole, values = nested_array(value), value.values
    if whole.size or values is None or not len(values) or not pa.types.is_list(values.type):
        return whole
    lengths = values.value_lengths().to_numpy(zero_copy_only=False)
    flat = values.flatten().to_numpy(zero_copy_only=False)
    fill = np.nan if flat.dtype.kind == "f" else -1
    padded = np.full((len(values), int(lengths.max())), fill, np.result_type(flat, np.int8))
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    return padded
