"""Reading a store: any sample by its key, at the cost of that sample.

    store = Store.open("responses/gpt2")
    store["gsm8k/train/00000", 0].response.text
    store["gsm8k/train/00000", 0].distributions

Sizes are checked when a shard is opened, its hash before its first row is given out; a damaged row
is never returned.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from align.vocabulary import Vocabulary
from specialize.errors import StoreError
from specialize.store.description import StoreDescription, read_description
from specialize.store.layout import (
    MANIFEST,
    SHARDS,
    STORE,
    SUMMARY,
    VOCABULARY,
    Manifest,
    ShardRecord,
    arrays_path,
    parse_manifest,
    read_plain,
    texts_path,
)
from specialize.store.mapped import State
from specialize.store.remote import here, sizes
from specialize.store.sealed import Json
from specialize.store.shard import Sample, Shard, Texts
from specialize.store.shard_file import ShardFile
from specialize.store.summary import Summary, parse_summary, total_counts
from specialize.store.vocabulary import decode_vocabulary

_OPEN_SHARDS = 64  # mapped at a time; each holds a file descriptor
Key = tuple[str, int]


class Store:
    """A store opened for reading; ``Store.open`` makes one.

    Args:
        path: its directory.
        description: whose probabilities it holds, over which vocabulary.
        manifest: of its shards.
        summary: what the writer left at the end; None: the store is unfinished.
    """

    def __init__(
        self, path: Path, description: StoreDescription, manifest: Manifest, summary: Summary | None
    ) -> None:
        self.path = path
        self.description = description
        self._records = manifest.records
        self._summary = summary
        self._open: OrderedDict[int, ShardFile] = OrderedDict()
        self._hashed: set[State] = set()
        self._index: dict[Key, tuple[int, int]] | None = None

    @classmethod
    def open(cls, path: str | Path, *, allow_partial: bool = False) -> Store:
        """The store at ``path``; an unfinished one only with ``allow_partial``.

        Raises:
            StoreError: no store, unfinished, or damaged.
        """
        root = here(path)
        description, _ = read_store_file(root)
        summary = read_summary(root)
        if summary is None and not allow_partial:
            raise StoreError(
                f"{root} is not finished; run the command that writes it again, and it continues"
            )
        manifest = read_manifest(root, summary)
        size = sizes(root)
        for record in manifest.records:
            _check_size(arrays_path(root, record.shard), record.arrays.bytes, size)
            _check_size(texts_path(root, record.shard), record.texts.bytes, size)
        return cls(root, description, manifest, summary)

    @property
    def records(self) -> Sequence[ShardRecord]:
        """The lines of the manifest: numbers, sizes and hashes of the shards."""
        return self._records

    @property
    def is_finished(self) -> bool:
        """Whether its writer has closed it."""
        return self._summary is not None

    def part(self, first: int, last: int) -> Store:
        """The shards at positions ``first`` to ``last`` alone; files that are open are shared."""
        return self._with(self._records[first:last], self._summary)

    def in_order(self) -> Store:
        """Its shards from number 0 on as far as there is no gap; all of a finished one."""
        if self.is_finished:
            return self
        rising = sorted(self._records, key=lambda record: record.shard)
        leading = [record for place, record in enumerate(rising) if record.shard == place]
        return self._with(leading, None)

    def grown(self, later: Store) -> Store:
        """``later``, this store as it was written on; files that are open are shared.

        Raises:
            StoreError: it does not begin with the shards of this one.
        """
        if later._records[: len(self._records)] != self._records:
            raise StoreError(
                f"{self.path} was begun again while it was read; run the same command with "
                f"--restart"
            )
        return self._with(later._records, later._summary)

    def _with(self, records: Sequence[ShardRecord], summary: Summary | None) -> Store:
        other = Store(self.path, self.description, Manifest(tuple(records), 0, 0), summary)
        other._open, other._hashed = self._open, self._hashed
        return other

    def __len__(self) -> int:
        """The number of samples."""
        return sum(record.samples for record in self._records)

    @property
    def positions(self) -> int:
        """The number of positions of all samples."""
        return sum(record.positions for record in self._records)

    @property
    def counts(self) -> dict[str, int]:
        """What the writer counted, over all shards."""
        return total_counts(self._records)

    @property
    def summary(self) -> Mapping[str, Json]:
        """What the writer left at the end; empty while the store is unfinished."""
        return self._summary.summary if self._summary is not None else {}

    @property
    def keys(self) -> Sequence[Key]:
        """(example id, sample) of every sample, in the order of the shards."""
        return list(self._rows())

    @property
    def digest(self) -> str:
        """sha256 over what the store is and which shards it has; equal for equal stores."""
        return hashlib.sha256(read_plain(self.path / STORE) + self._lines()).hexdigest()

    @property
    def beginning(self) -> str:
        """sha256 over what the store is and its first shard: known while it is written."""
        return self.part(0, 1).digest

    @property
    def shards_digest(self) -> str:
        """sha256 over the shards alone; that of a part does not change while others are written."""
        return hashlib.sha256(self._lines()).hexdigest()

    def _lines(self) -> bytes:
        return b"".join(record.line() for record in self._records)

    def __contains__(self, key: object) -> bool:
        return key in self._rows()

    def __getitem__(self, key: Key) -> Sample:
        found = self._rows().get(key)
        if found is None:
            raise KeyError(f"{self.path} has no sample {key[1]} of {key[0]!r}")
        position, row = found
        return self.sample_at(position, row)

    @property
    def shard_sizes(self) -> Sequence[int]:
        """How many samples each shard has."""
        return [record.samples for record in self._records]

    def shard(self, position: int) -> Shard:
        """All samples of the shard at ``position``, from 0."""
        return self._file(position).shard()

    def shard_texts(self, position: int) -> Texts:
        """The samples of the shard at ``position``, from 0, without their rows."""
        return self._file(position).texts()

    def sample_at(self, position: int, row: int) -> Sample:
        """Sample ``row`` of the shard at ``position``, both from 0."""
        return self._file(position).samples(row, row + 1)[0]

    def largest_id(self, position: int) -> int:
        """The largest id of a token or an entry in the shard at ``position``; 0 without any."""
        return max(int(ids.max(initial=0)) for ids in self._file(position).stored_ids())

    def shards(self) -> Iterator[Shard]:
        """One shard after another."""
        return (self.shard(position) for position in range(len(self._records)))

    def texts(self, positions: Sequence[int] | None = None) -> Iterator[Texts]:
        """One shard after another, without the rows; of all, or of those at ``positions``."""
        wanted = range(len(self._records)) if positions is None else positions
        return (self._file(position).texts() for position in wanted)

    def __iter__(self) -> Iterator[Sample]:
        for shard in self.shards():
            yield from shard

    def vocabulary(self) -> dict[int, bytes]:
        """The bytes of every id in use; empty where the writer gave none."""
        pieces, ids = self._vocabulary()
        return {token: pieces.piece(token) for token in ids}

    def align_vocabulary(self) -> Vocabulary:
        """The stored pieces as a vocabulary of ``vocabulary_size`` ids; unused ids are special.

        Raises:
            StoreError: the store has no vocabulary.
        """
        pieces, ids = self._vocabulary()
        if not ids and self.positions:
            raise StoreError(f"{self.path} was written without a vocabulary; give the tokenizer")
        return pieces

    def _vocabulary(self) -> tuple[Vocabulary, list[int]]:
        return read_vocabulary(self.path, self._summary, self.description.vocabulary_size)

    def _rows(self) -> dict[Key, tuple[int, int]]:
        if self._index is None:
            self._index = {
                key: (position, row)
                for position in range(len(self._records))
                for row, key in enumerate(self._file(position).keys())
            }
            if len(self._index) != len(self):
                raise StoreError(f"{self.path}: two samples have one key; run verify on it")
        return self._index

    def _file(self, position: int) -> ShardFile:
        record = self._records[position]
        if record.shard in self._open:
            self._open.move_to_end(record.shard)
            return self._open[record.shard]
        shard = ShardFile(self.path, record, self.description, self._hashed)
        self._open[record.shard] = shard
        if len(self._open) > _OPEN_SHARDS:
            self._open.popitem(last=False)
        return shard


def read_store_file(root: Path) -> tuple[StoreDescription, int]:
    """The description of the store at ``root``, and how many samples a shard was planned for.

    Raises:
        StoreError: no store there, or a damaged description.
    """
    if not root.is_dir():
        raise StoreError(f"no store at {root}: there is no such directory")
    shards = root / SHARDS
    if shards.is_symlink() or (shards.exists() and not shards.is_dir()):
        raise StoreError(f"{shards} is not a plain directory")
    if not (root / STORE).exists():
        inside = sorted(str(found.parent) for found in root.glob(f"*/*/{STORE}"))
        instead = f"; there is one at {', '.join(inside)}" if inside else ""
        raise StoreError(f"no store at {root}: {STORE} is missing{instead}")
    return read_description(read_plain(root / STORE), str(root / STORE))


def read_summary(root: Path) -> Summary | None:
    """The summary of the store at ``root``; None while it is unfinished.

    Raises:
        StoreError: a damaged summary, or one of another description.
    """
    path = root / SUMMARY
    if not path.exists() and not path.is_symlink():
        return None
    summary = parse_summary(read_plain(path), str(path))
    problem = summary.store.problem(read_plain(root / STORE))
    if problem is not None:
        raise StoreError(f"{root / STORE} {problem}: it is not the one of {path}")
    return summary


def read_manifest(root: Path, summary: Summary | None) -> Manifest:
    """The manifest of the store at ``root``, which must be the summary's where there is one.

    Raises:
        StoreError: a damaged manifest, or not the one that was summarized.
    """
    path = root / MANIFEST
    content = read_plain(path) if path.exists() or summary is not None else b""
    manifest = parse_manifest(content, str(path))
    problem = summary.manifest.problem(content) if summary is not None else None
    if problem is not None:
        raise StoreError(f"{path} {problem}; run verify for what is left")
    return manifest


def read_vocabulary(root: Path, summary: Summary | None, size: int) -> tuple[Vocabulary, list[int]]:
    """The stored pieces and their ids; no ids where the writer gave no vocabulary.

    Args:
        root: the store's directory.
        summary: of a finished store; None: the pieces are those that its writer began with.
        size: ids that the tokenizer has.

    Returns:
        The vocabulary of ``size`` ids, and those of them that the store has pieces of, rising.

    Raises:
        StoreError: the store has no vocabulary, or none yet, or a damaged one.
    """
    path = root / VOCABULARY
    if summary is None:
        if not path.exists():
            raise StoreError(f"{root} has no vocabulary before it is finished; wait for that")
        return decode_vocabulary(read_plain(path), path, size)
    if summary.vocabulary is None:
        raise StoreError(f"{root} was written without a vocabulary; give the tokenizer")
    content = read_plain(path)
    problem = summary.vocabulary.problem(content)
    if problem is not None:
        raise StoreError(f"{path} {problem}")
    return decode_vocabulary(content, path, size)


def _check_size(path: Path, size: int, size_of: Callable[[Path], int | None]) -> None:
    found = size_of(path)
    if found is None:
        raise StoreError(f"{path} is missing; dump this shard again")
    if found != size:
        raise StoreError(f"{path} has {found:,} bytes instead of {size:,}; dump this shard again")
