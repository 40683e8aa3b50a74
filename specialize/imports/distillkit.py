"""DistillKit's parquet (arcee-ai/DistillKit, 2026-03) -> a store of responses.

A row of T tokens and its T - 1 distributions, of which number i is that of token i + 1::

    input_ids [T]   compressed_logprobs [T - 1][bytes]   bytepacked_indices [T - 1][bytes]

A packed set, as they are published, has T distributions: texts were cut to as many tokens, so that
the last distribution of each is of a token that is gone. ``attention_mask`` numbers the texts of a
row (distillkit/pack_logits.py), and each is a response of its own. ``distillkit_codec`` reads the
bytes. A row has no question and no example: a whole text is one response, or what follows a
given marker in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.answers import Kind
from specialize.errors import InputError
from specialize.imports.columns import whole_numbers
from specialize.imports.distillkit_codec import CONFIG, Arrays, Codec, LegacyCodec, read_codec
from specialize.imports.finish import finish_of
from specialize.imports.parquet_rows import nested_array, part_rows
from specialize.imports.placed_rows import runs
from specialize.imports.replies import Import, Kept, Shards, write_kept
from specialize.imports.row_arrays import scored_rows
from specialize.imports.source_files import (
    SHARD_RECORDS,
    SourceFile,
    files_of,
    open_parquet,
    parts_of,
)
from specialize.records import Example
from specialize.store.sealed import Json
from specialize.teacher.served.wire import BadReplyError
from specialize.tokens import Tokenizer, load_tokenizer

_SEGMENTS = "attention_mask"


def import_distillkit(
    source: Path | str,
    out: Path,
    *,
    tokenizer: str,
    teacher: str,
    top_k: int = 5,
    config: Path | str | None = None,
    after: str | None = None,
    temperature: float | None = None,
    examples: Sequence[Example] = (),
    kind: Kind = "number",
    restart: bool = False,
) -> dict[str, Json]:
    """Write every text of the parquet files in ``source`` into the store ``out``.

    Args:
        tokenizer: the teacher's, a directory or hub id.
        top_k: entries a position, of those that were kept.
        config: how the bytes read, a file or YAML; None: the file beside the data.
        after: the response is what comes after this text; None: all but the first token.
        temperature, examples: as in ``vllm_json.import_json``.

    Raises:
        InputError: no such files, or a configuration that cannot be read.
        NothingPassedError: no text is left.
    """
    codec = read_codec(config or _beside(source))
    files = [file for file in files_of(source) if file.suffix == ".parquet"]
    if not files:
        raise InputError(f"{source} holds no parquet file; name DistillKit's output directory")
    columns = _columns_of(files, codec)
    loaded = load_tokenizer(tokenizer)
    k, width = min(top_k, codec.k), max(codec.d, loaded.size)
    made = Import(teacher, loaded, k, width, examples, kind, temperature)

    def read(done: frozenset[int]) -> Shards:
        return _parts(files, columns, codec, made, after, done)

    settings: dict[str, Json] = {"format": "distillkit", "after": after, "codec": repr(codec)}
    return write_kept(
        out, files, read, made, settings=settings, restart=restart, shard_samples=SHARD_RECORDS
    )


def _parts(
    files: Sequence[SourceFile], columns: Sequence[str], codec: Codec | LegacyCodec, made: Import,
    after: str | None, done: frozenset[int],
) -> Shards:  # fmt: skip
    for number, part, rows in part_rows(parts_of(files), columns, done):
        arrays = ({name: nested_array(row[name]) for name in columns} for row in rows)
        yield (
            number,
            [
                one
                for at, row in enumerate(arrays, part.first)
                for one in _texts(f"{part.file.stem}/{at:06d}", row, codec, made, after)
            ],
        )


def _beside(source: Path | str) -> Path | str:
    """Where DistillKit leaves the configuration of its data; sets on the hub lack it."""
    if not isinstance(source, Path):
        return f"{source}/{CONFIG}"
    return (source if source.is_dir() else source.parent) / CONFIG


def _columns_of(files: Sequence[SourceFile], codec: Codec | LegacyCodec) -> list[str]:
    """The columns to read, which are the first file's."""
    names = open_parquet(files[0]).schema_arrow.names
    legacy = isinstance(codec, LegacyCodec)
    other = (Codec if legacy else LegacyCodec).columns[0]
    if other in names and codec.columns[0] not in names:
        forms = ("legacy", "present") if legacy else ("present", "legacy")
        raise InputError(
            f"{files[0]} has no column {codec.columns[1]!r} but {', '.join(names)}; the "
            f"configuration is of DistillKit's {forms[0]} form, not its {forms[1]} one"
        )
    return ["input_ids", *codec.columns, *([_SEGMENTS] if _SEGMENTS in names else [])]


def _texts(
    name: str, row: Arrays, codec: Codec | LegacyCodec, made: Import, after: str | None
) -> Iterator[Kept]:
    tokens = whole_numbers(row["input_ids"]).ravel()
    segments = whole_numbers(row[_SEGMENTS]).ravel() if _SEGMENTS in row else None
    try:
        ids, logprobs = codec.rows(row)
    except ValueError as error:
        yield Kept(name, "", str(error))
        return
    found = runs(len(tokens), len(ids), "next", segments)
    if isinstance(found, str):
        yield Kept(name, "", found)
        return
    each = list(found)
    for number, run in enumerate(each):
        own = name if len(each) == 1 else f"{name}/{number:04d}"
        whole = tokens[run.first - 1 : run.end]
        yield _text(own, whole, ids[run.rows], logprobs[run.rows], made, after)


def _text(
    name: str,
    tokens: NDArray[np.int64],
    ids: NDArray[np.int64],
    logprobs: NDArray[np.float64],
    made: Import,
    after: str | None,
) -> Kept:
    """One text; row i foretells token i + 1."""
    tokenizer = made.tokenizer
    first = 1 if after is None else _first_after(tokens.tolist(), after, tokenizer)
    if isinstance(first, str):
        return Kept(name, "", first)
    written = tokens[first:]
    values = np.where(np.isfinite(logprobs), logprobs, -np.inf)[first - 1 :]
    try:
        scored = scored_rows(
            written, ids[first - 1 :], values, tokenizer=tokenizer, k=made.top_k,
            width=made.width, finish=finish_of(None, written.tolist(), tokenizer.ends),
        )  # fmt: skip
    except BadReplyError as error:
        return Kept(name, "", str(error))
    return Kept(name, tokenizer.decode(tokens[:first].tolist()), scored)


def _first_after(tokens: Sequence[int], marker: str, tokenizer: Tokenizer) -> int | str:
    """The first token after ``marker``, or why there is none."""
    pieces = tokenizer.pieces([token for token in tokens if token < tokenizer.size])
    place = b"".join(pieces).find(marker.encode())
    if place < 0 or len(pieces) < len(tokens):
        return "the marker is not in the text"
    ends = np.cumsum([len(piece) for piece in pieces])
    end = place + len(marker.encode())
    first = int(np.searchsorted(ends, end)) + 1
    if ends[first - 1] != end:
        return "the marker ends inside a token"
    return first if first < len(tokens) else "nothing follows the marker"
