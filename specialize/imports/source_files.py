"""Files of a set, on this machine or on the hub, and which of their records are a shard.

    files_of("hf://datasets/arcee-ai/LLama-405B-Logits")    parts_of(files) -> [Part(file, 0, 12)]

A file on the hub is read where it is, piece by piece, and never kept. Parts follow from the sizes
that a parquet file names at its end, so that a part which was written already need not be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pyarrow.parquet as parquet
from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import HfHubHTTPError

from specialize.errors import InputError, first_line

HUB = "hf://"
SHARD_RECORDS = 64  # records of a shard, at most
_SHARD_BYTES = 32_000_000  # about as many bytes of records are a shard
_ADDRESS = re.compile(
    rf"{HUB}datasets/(?P<name>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?(/(?P<folder>.+?))?/?"
)
_BUFFER = 1 << 20  # bytes of a column that are read at once
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a dataset on the hub, at one revision; ``mark`` is the hash that the hub names."""

    path: str
    mark: str

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix

    @property
    def parent(self) -> PurePosixPath:
        return PurePosixPath(self.path).parent

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    def __str__(self) -> str:
        return f"{HUB}{self.path}"


SourceFile = Path | HubFile


class Part(NamedTuple):
    """Records ``first:last`` of a file, which become one shard."""

    file: SourceFile
    first: int
    last: int


def files_of(source: Path | str) -> list[SourceFile]:
    """The parquet and JSON files of a set, in the order of their numbers; of the hub parquet alone.

    Args:
        source: a file, a directory, or ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]``.

    Raises:
        InputError: there are none, ``source`` is pickled, or the hub cannot be read.
    """
    if isinstance(source, str) and source.startswith(HUB):
        return _in_order(_on_the_hub(source))
    source = Path(source)
    if source.suffix in _PICKLED:
        raise InputError(
            f"{source} is pickled, and reading it may run code; write its columns as parquet where "
            f"it was made"
        )
    if source.is_file():
        return [source]
    local = [p for ending in ("parquet", "jsonl") for p in source.rglob(f"*.{ending}")]
    if not local:
        pickled = next((p for p in sorted(source.rglob("*")) if p.suffix in _PICKLED), None)
        if pickled is not None:
            return files_of(pickled)
        raise InputError(f"{source} holds no parquet and no jsonl file")
    return _in_order(local)


def _in_order(files: Sequence[SourceFile]) -> list[SourceFile]:
    return sorted(files, key=lambda file: (str(file.parent), len(file.name), file.name))


def _on_the_hub(source: str) -> list[HubFile]:
    found = _ADDRESS.fullmatch(source)
    if found is None:
        raise InputError(f"{source} is no dataset; write {HUB}datasets/OWNER/NAME[@REVISION]")
    repository, revision, folder = found["name"], found["revision"], found["folder"]
    try:
        about = HfApi().dataset_info(repository, revision=revision, files_metadata=True)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read from the hub: {first_line(error)}") from None
    files = [
        HubFile(
            f"datasets/{repository}@{about.sha}/{one.rfilename}",
            str(one.lfs.sha256 if one.lfs is not None else one.blob_id),
        )
        for one in about.siblings or ()
        if one.rfilename.endswith(".parquet")
        and (folder is None or f"{one.rfilename}/".startswith(f"{folder}/"))
    ]
    if not files:
        raise InputError(f"{source} holds no parquet file, which alone are read from the hub")
    return files


def open_parquet(file: SourceFile) -> parquet.ParquetFile:
    """The file, read a piece of a column at a time.

    Raises:
        InputError: it is no parquet file.
    """
    try:
        opened = HfFileSystem().open(file.path, "rb") if isinstance(file, HubFile) else file
        return parquet.ParquetFile(
            opened, buffer_size=_BUFFER, pre_buffer=False,
            page_checksum_verification=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is no parquet file: {error}") from None


def parts_of(files: Sequence[SourceFile]) -> list[Part]:
    """The parts of parquet files, one after another.

    Raises:
        InputError: a file is no parquet file.
    """
    parts = []
    for file in files:
        about = open_parquet(file).metadata
        size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        whole = _SHARD_BYTES * about.num_rows // max(size, 1)
        step = min(max(whole, 1), SHARD_RECORDS)
        parts += [
            Part(file, first, min(first + step, about.num_rows))
            for first in range(0, about.num_rows, step)
        ]
    return parts
