"""Public sets of log-probabilities as columns of parquet or JSON lines -> a store of responses.

    input_ids [T]   token_ids [T - 1][K]   top_values [T - 1][K]      arcee-ai/LLama-405B-Logits

A layout says which column is what, and what the values are: logits (their softmax over the K stored
is taken, unless a column holds the logarithm of the whole sum), log-probabilities, probabilities,
or weights in proportion to them (``layouts``, with those of sets that are known). Records are read
one at a time, so that a set larger than memory can be imported. Pickled files (``.pkl``,
``.pt``) are refused: reading one may run code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from specialize.answers import Kind
from specialize.datasets.reading import json_lines, text_field
from specialize.errors import InputError
from specialize.imports.finish import finish_of
from specialize.imports.layouts import Layout, Values
from specialize.imports.parquet_rows import Numbers, Row, padded_array, parquet_rows, part_rows
from specialize.imports.placed_rows import Run, runs
from specialize.imports.replies import Import, Kept, Shards, in_groups, write_kept
from specialize.imports.row_arrays import scored_rows
from specialize.imports.source_files import SHARD_RECORDS, SourceFile, files_of, parts_of
from specialize.records import Example
from specialize.store.sealed import Json
from specialize.teacher.served.wire import BadReplyError
from specialize.tokens import load_tokenizer

_EXPECTED = "JSON lines with columns of ids and log-probabilities"


class Columns(NamedTuple):
    """A record's columns of numbers, (T,), (R,) or (R, K), and its prompt where it has one."""

    numbers: Mapping[str, Numbers]
    prompt: str | None


def import_columns(
    source: Path | str,
    out: Path,
    *,
    layout: Layout,
    tokenizer: str,
    teacher: str,
    top_k: int = 5,
    temperature: float | None = None,
    examples: Sequence[Example] = (),
    kind: Kind = "number",
    restart: bool = False,
) -> dict[str, Json]:
    """Write every record of ``source`` whose rows hold into the store ``out``.

    Args:
        source: a parquet file, a file of JSON lines, a directory of either, or
            ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]``.
        tokenizer: the teacher's, a directory or hub id.
        top_k: entries a position; 1 where only the tokens' own values are there.
        temperature, examples, kind: as in ``vllm_json.import_json``.

    Raises:
        InputError: no such files or columns, or rows that are not those of the tokens.
        NothingPassedError: no record is left.
    """
    files = files_of(source)
    loaded = load_tokenizer(tokenizer)
    k = top_k if layout.ids is not None else 1
    made = Import(teacher, loaded, k, loaded.size, examples, kind, temperature)

    def read(done: frozenset[int]) -> Shards:
        if any(file.suffix != ".parquet" for file in files):
            return in_groups(_records(files, layout, made), SHARD_RECORDS)
        return _parts(files, layout, made, done)

    settings: dict[str, Json] = {"format": "columns", **asdict(layout)}
    return write_kept(
        out, files, read, made, settings=settings, restart=restart, shard_samples=SHARD_RECORDS
    )


def _parts(
    files: Sequence[SourceFile], layout: Layout, made: Import, done: frozenset[int]
) -> Shards:
    for number, part, rows in part_rows(parts_of(files), layout.all_columns, done):
        yield (
            number,
            [
                one
                for at, row in enumerate(rows, part.first)
                for one in kept(f"{part.file.stem}/{at:06d}", _columns(row, layout), layout, made)
            ],
        )


def _records(files: Sequence[SourceFile], layout: Layout, made: Import) -> Iterator[Kept]:
    for file in files:
        for number, record in enumerate(records(file, layout)):
            yield from kept(f"{file.stem}/{number:06d}", record, layout, made)


def records(file: SourceFile, layout: Layout) -> Iterator[Columns]:
    """The columns of each record of a file.

    Raises:
        InputError: a column is missing, or the file is not what its name says.
    """
    text = layout.prompt
    if not isinstance(file, Path) or file.suffix == ".parquet":
        for row in parquet_rows(file, layout.all_columns):
            yield _columns(row, layout)
        return
    for where, record in json_lines(file, _EXPECTED):
        found = {name: _inside(record, name, where) for name in layout.all_columns}
        prompt = None if text is None else text_field({text: found[text]}, text, where)
        yield Columns({name: _array(found[name]) for name in layout.columns}, prompt)


def _columns(row: Row, layout: Layout) -> Columns:
    text = layout.prompt
    prompt = None if text is None else str(row[text].as_py() or "")
    return Columns({name: padded_array(row[name]) for name in layout.columns}, prompt)


def _inside(record: Mapping[str, object], name: str, where: str) -> object:
    """The value under ``name``, or under its parts, one inside the other."""
    if name in record:
        return record[name]
    value: object = record
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise InputError(f"{where} has no column {name!r} but {', '.join(record)}")
        value = value[part]
    return value


def _array(value: object) -> Numbers:
    """A JSON list, or a list of equally long lists, as an array."""
    try:
        return np.array(value if isinstance(value, list) else [], np.float64)
    except (TypeError, ValueError):
        return np.zeros((0, 0))


def whole_numbers(values: NDArray[np.generic]) -> NDArray[np.int64]:
    """Ids as whole numbers; what is none, or larger than any id, becomes -1, which is no id."""
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    numbers = values.astype(np.float64)
    return np.where(np.abs(numbers) < 1 << 31, numbers, -1).astype(np.int64)


def kept(name: str, record: Columns, layout: Layout, made: Import) -> Iterator[Kept]:
    """The texts of a record, or the record with the reason why it has none."""
    tokens = whole_numbers(record.numbers[layout.tokens]).ravel()
    values = record.numbers[layout.values]
    segments = None
    if layout.segments is not None:
        segments = whole_numbers(record.numbers[layout.segments]).ravel()
    found = runs(len(tokens), len(values), layout.beside, segments)
    if isinstance(found, str):
        yield Kept(name, "", found)
        return
    each = list(found)
    if not each:
        yield Kept(name, "", "no row of a token")
    for number, run in enumerate(each):
        own = name if len(each) == 1 else f"{name}/{number:04d}"
        yield _text(own, tokens, record, run, layout, made)


def _text(
    name: str, tokens: NDArray[np.int64], record: Columns, run: Run, layout: Layout, made: Import
) -> Kept:
    written = tokens[run.first : run.end]
    numbers, prompt = record.numbers, record.prompt
    if prompt is None:
        prompt = made.tokenizer.decode(tokens[run.begin : run.first].tolist())
    try:
        values = numbers[layout.values][run.rows].reshape(len(written), -1)
        ids = written[:, None]
        if layout.ids is not None:
            ids = whole_numbers(numbers[layout.ids][run.rows]).reshape(len(written), -1)
        unused = (ids == -1) & np.isnan(values)  # behind the end of a shorter list
        values = np.where(unused, 0 if layout.kind in ("probs", "weights") else -np.inf, values)
        normalizer = None
        if layout.normalizer is not None:
            normalizer = numbers[layout.normalizer].ravel()[run.rows].astype(np.float64)
        scored = scored_rows(
            written, ids, as_logprobs(values, layout.kind, normalizer), tokenizer=made.tokenizer,
            k=made.top_k, width=made.width,
            finish=finish_of(None, written.tolist(), made.tokenizer.ends),
        )  # fmt: skip
    except BadReplyError as error:
        return Kept(name, prompt, str(error))
    except ValueError:
        return Kept(name, prompt, "entries are not those of the tokens")
    return Kept(name, prompt, scored)


def as_logprobs(
    values: Numbers, kind: Values, normalizer: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """(R, K) nats from what a set has.

    Logits without a normalizer, and weights, are taken to be all that there is: no tail.
    """
    nats: NDArray[np.float64] = np.asarray(values, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind in ("probs", "weights"):
            if (nats < 0).any():
                raise BadReplyError("a probability below 0")
            nats = np.log(nats)
        if kind == "logits" and normalizer is not None:
            nats = nats - normalizer[:, None]
        elif kind in ("logits", "weights"):
            nats = nats - np.logaddexp.reduce(nats, axis=1, keepdims=True)
    return nats
