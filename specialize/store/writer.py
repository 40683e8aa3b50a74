"""Writing a store: shard after shard, each committed whole or not at all.

    texts, arrays:  temporary name -> fsync -> read back -> rename;  fsync of the directory
    then one line appended to the manifest, fsynced: from here on the shard exists

A writer that was killed is started again with the same description: what was committed stays, what
was not is written again, and the finished store has the same bytes as one that was never killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from align.vocabulary import Vocabulary
from specialize.errors import ConfigurationError, StoreError
from specialize.io.files import (
    append_line,
    remove,
    sync_directory,
    write_atomically,
    write_unsynced,
)
from specialize.io.lock import writer_lock
from specialize.objects.address import directory_of
from specialize.store.description import StoreDescription, description_file
from specialize.store.layout import (
    MANIFEST,
    SHARDS,
    STORE,
    SUMMARY,
    VOCABULARY,
    FileMark,
    ShardRecord,
    arrays_path,
    mark,
    texts_path,
)
from specialize.store.linking import link_file
from specialize.store.recovery import open_for_writing
from specialize.store.remote import afresh
from specialize.store.remote_writer import RemoteWriter, writing
from specialize.store.sealed import Json
from specialize.store.shard import Sample, Shard, shard_of
from specialize.store.shard_file import EncodedShard, ShardFile, encode_shard
from specialize.store.summary import Summary, total_counts
from specialize.store.vocabulary import encode_vocabulary, from_mapping


class StoreWriter:
    """The one writer of a store; use it in a ``with`` block, which holds the lock.

    Args:
        path: the store's directory, or its address in object storage; made if missing, continued
            if it holds a store of the same description, refused otherwise.
        description: what the store is.
        shard_samples: samples planned for a shard; part of what must agree on resume.
        restart: throw away what is there and begin anew.
        begun_as: a description that a store to be continued may have instead; see ``describe``.

    Attributes:
        committed: numbers of the shards that exist.
        redone: shards that were committed but are damaged or missing, to be written again.
        finished: the store has its summary; nothing can be added.
    """

    def __init__(
        self,
        path: str | Path,
        description: StoreDescription,
        *,
        shard_samples: int,
        restart: bool = False,
        begun_as: StoreDescription | None = None,
    ) -> None:
        if shard_samples < 1:
            raise ConfigurationError(f"a shard needs at least 1 sample, got {shard_samples}")
        self.path = directory_of(path)
        self.description = description
        self.shard_samples = shard_samples
        self.redone: tuple[int, ...] = ()
        self.finished = False
        self._restart, self._begun_as = restart, begun_as
        self._stack = ExitStack()
        self._remote: RemoteWriter | None = None
        self._records: dict[int, ShardRecord] = {}
        self._keys: set[tuple[str, int]] = set()
        self._used = np.zeros(max(description.vocabulary_size, 1), np.bool_)  # ids in shards
        self._noted: set[int] = set()  # shards whose ids are in it
        self._active = False

    def __enter__(self) -> StoreWriter:
        """Take the lock, then create the store or find out what it already has.

        Raises:
            LockedError: another process writes here.
            ConfigurationError: another store, or something that is no store, is here.
            StoreError: the manifest is damaged.
        """
        with ExitStack() as stack:
            stack.enter_context(writer_lock(self.path))
            self._remote = stack.enter_context(writing(self.path, restart=self._restart))
            with afresh(self.path):
                state = open_for_writing(
                    self.path, self.description, self.shard_samples,
                    restart=self._restart, begun_as=self._begun_as,
                )  # fmt: skip
            if self._remote is not None:
                self._remote.agree(state.records, finished=state.finished)
            self._records = {record.shard: record for record in state.records}
            self._keys = set(state.keys)
            self.redone, self.finished = state.redone, state.finished
            self._stack = stack.pop_all()
        self._active = True
        return self

    def __exit__(self, *error: object) -> None:
        self._active = False
        self._stack.close()

    @property
    def committed(self) -> frozenset[int]:
        """The numbers of the shards that are written."""
        return frozenset(self._records)

    @property
    def positions(self) -> int:
        """How many positions all committed shards have."""
        return sum(record.positions for record in self._records.values())

    @property
    def counts(self) -> dict[str, int]:
        """What was counted so far, over all committed shards."""
        return total_counts([*self._records.values()])

    def write(
        self,
        number: int,
        samples: Shard | Sequence[Sample] | EncodedShard,
        *,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Commit shard ``number``; when this returns, it survives a crash.

        Args:
            samples: any number, also none; keys must be new to the store. What ``encode_shard``
                made of them, with the counts, may come from another process.
            counts: what happened to planned samples that are not here, by reason.

        Raises:
            ValueError: a sample that breaks a rule of the store; says which, where and how.
            DiskFullError: no room; what was committed is intact.
        """
        self._check_writable()
        if number < 0 or number in self._records:
            raise ValueError(f"shard {number} of {self.path} is already committed, or no number")
        if isinstance(samples, EncodedShard):
            encoded = samples
        else:
            shard = samples if isinstance(samples, Shard) else shard_of(samples)
            encoded = encode_shard(number, shard, self.description, counts or {})
        keys, record = self._new_keys(encoded.keys), encoded.record
        if self._remote is not None:
            self._remote.commit(record, encoded.texts, encoded.arrays)
        else:
            _write_files(self.path, encoded)
        append_line(self.path / MANIFEST, record.line())
        self._records[number] = record
        self._keys |= keys
        self._note(number, (encoded.ids,))

    def publish(self, vocabulary: Vocabulary) -> None:
        """Let others read the shards while the store is written.

        Args:
            vocabulary: every piece of the teacher; those in use take its place at the end.

        Raises:
            DiskFullError: no room.
        """
        self._check_writable()
        every = np.arange(len(vocabulary))
        write_atomically(self.path / VOCABULARY, encode_vocabulary(vocabulary, every))
        if self._remote is not None:
            self._remote.publish(VOCABULARY)

    def describe(self, description: StoreDescription) -> None:
        """Say what the store is, where that was not known when it was begun.

        Args:
            description: goes into the store when it is finished.
        """
        self._check_writable()
        self.description = description

    def adopt(self, store: Path, record: ShardRecord) -> None:
        """Commit the shard of ``record`` that is in ``store``, of the same description.

        Its files are checked and linked, not written again; when this returns, the shard is here
        whatever becomes of ``store``.

        Raises:
            StoreError: the shard is damaged there.
            ValueError: one of its keys is here already.
            DiskFullError: the files had to be copied and do not fit.
        """
        self._check_writable()
        with afresh(store):
            number, file = record.shard, ShardFile(store, record, self.description)
            file.checked_texts()
        keys = self._new_keys(file.keys())
        if self._remote is not None:
            self._remote.adopt(store, record)
        else:
            for path in (texts_path, arrays_path):
                link_file(path(store, number), path(self.path, number))
            sync_directory(self.path / SHARDS)
        append_line(self.path / MANIFEST, record.line())
        self._records[number] = record
        self._keys |= keys
        self._note(number, file.stored_ids())

    def finish(
        self,
        vocabulary: Vocabulary | Mapping[int, bytes] | None,
        summary: Mapping[str, Json],
    ) -> None:
        """Close the store: the manifest in order, the vocabulary, the summary; again is harmless.

        Args:
            vocabulary: of the stored ids; only the pieces in use are kept. A mapping from id to
                bytes says nothing of special tokens; None stores no vocabulary.
            summary: anything worth telling, as JSON.

        Raises:
            ValueError: an id in use has no piece.
        """
        self._check_active()
        records = [self._records[shard] for shard in sorted(self._records)]
        files = {
            STORE: description_file(self.description, self.shard_samples),
            MANIFEST: b"".join(record.line() for record in records),
        }
        if vocabulary is not None:
            used = self.ids_in_use()
            if not isinstance(vocabulary, Vocabulary):
                vocabulary = from_mapping(vocabulary, used)
            files[VOCABULARY] = encode_vocabulary(vocabulary, used)
        closing = Summary(
            store=mark(files[STORE]),
            manifest=mark(files[MANIFEST]),
            vocabulary=mark(files[VOCABULARY]) if vocabulary is not None else None,
            shards=len(records),
            samples=sum(record.samples for record in records),
            positions=sum(record.positions for record in records),
            counts=total_counts(records),
            summary=summary,
        )
        self._replace_all(files, closing.content())
        if self._remote is not None:
            self._remote.seal([*files], records)
        self.finished = True

    def _replace_all(self, files: Mapping[str, bytes], summary: bytes) -> None:
        """Write what differs; the summary goes first and comes back last."""
        changed = {name: files[name] for name in files if not self._holds(name, files[name])}
        stale = {VOCABULARY} - files.keys() if (self.path / VOCABULARY).exists() else set()
        if not changed and not stale and self._holds(SUMMARY, summary):
            return
        for name in (SUMMARY, *stale):
            if (self.path / name).exists():
                remove(self.path / name)
        for name, content in changed.items():
            write_atomically(self.path / name, content)
        write_atomically(self.path / SUMMARY, summary)

    def _holds(self, name: str, content: bytes) -> bool:
        path = self.path / name
        return path.is_file() and not path.is_symlink() and path.read_bytes() == content

    def ids_in_use(self) -> NDArray[np.int64]:
        """Every id in a committed shard, sorted.

        Shards that this writer wrote are not read for it; those that it found are, once.
        """
        for number in self._records.keys() - self._noted:
            file = ShardFile(self.path, self._records[number], self.description)
            self._note(number, file.stored_ids())
        return np.flatnonzero(self._used)

    def _note(self, number: int, stored: Iterable[NDArray[np.integer]]) -> None:
        """Note the ids of shard ``number``."""
        for ids in stored:
            self._used[ids] = True
        self._noted.add(number)

    def _check_active(self) -> None:
        if not self._active:
            raise StoreError(f"{self.path} is not open for writing; use the writer in a with block")

    def _check_writable(self) -> None:
        self._check_active()
        if self.finished:
            raise StoreError(f"{self.path} is finished; nothing can be added to it")

    def _new_keys(self, found: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        keys: set[tuple[str, int]] = set()
        for key in found:
            if key in keys or key in self._keys:
                raise ValueError(f"sample {key[1]} of {key[0]!r} is already in {self.path}")
            keys.add(key)
        return keys


def _write_files(root: Path, encoded: EncodedShard) -> None:
    """The two files of a shard, synced."""
    record = encoded.record
    write_unsynced(texts_path(root, record.shard), encoded.texts)
    write_unsynced(
        arrays_path(root, record.shard),
        encoded.arrays,
        check=lambda path: _read_back(path, record.arrays),
    )
    sync_directory(root / SHARDS)


def _read_back(path: Path, expected: FileMark) -> None:
    problem = expected.problem(path.read_bytes())
    if problem is not None:
        raise StoreError(f"{path} {problem}: the disk did not keep what was written")
