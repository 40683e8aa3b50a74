"""Writing a store in a bucket: what ``StoreWriter`` does there, under a lease.

    shard's texts and arrays -> its line, if there is none   now the shard exists
    vocabulary, manifest -> summary                          now the store is finished

``remote`` says what each of these objects means to a reader.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from specialize.errors import ConfigurationError, LockedError, StoreError
from specialize.objects.bucket import Bucket
from specialize.objects.lease import LEASE, Lease, held
from specialize.store.layout import (
    JOURNAL,
    MANIFEST,
    OWN_NAMES,
    QUARANTINE,
    SHARDS,
    STORE,
    SUMMARY,
    VOCABULARY,
    ShardRecord,
    arrays_path,
    parse_line,
    texts_path,
)
from specialize.store.remote import LINES, bucket_of, here, line_name, written_here


class RemoteWriter:
    """What a ``StoreWriter`` does to the bucket of its store; ``writing`` makes one.

    Args:
        root: the store's working directory.
        bucket: its objects.
        lease: of this process.
    """

    def __init__(self, root: Path, bucket: Bucket, lease: Lease) -> None:
        self._root, self._bucket, self._lease = root, bucket, lease

    def agree(self, records: Sequence[ShardRecord], *, finished: bool) -> None:
        """Make the bucket what the writer found out that it should be, before it goes on.

        Lines of damaged shards go, and objects without a line; a store that is not finished any
        more has lines again before it loses its summary.

        Raises:
            ConfigurationError: another store was begun there meanwhile.
        """
        content = (self._root / STORE).read_bytes()
        if not self._bucket.put_new(STORE, content) and self._bucket.get(STORE) != content:
            raise ConfigurationError(
                f"{self._bucket.address} was begun with another configuration by another writer; "
                f"write elsewhere"
            )
        there = self._bucket.sizes()
        if finished:
            self._remove(there, LINES)
            return
        lines = {line_name(record.shard): record.line() for record in records}
        if self._bucket.get(SUMMARY) is not None:
            for name, line in lines.items():
                self._bucket.put(name, line)
            self._bucket.remove([SUMMARY])
        kept = {str(path(Path(), r.shard)) for r in records for path in (arrays_path, texts_path)}
        self._remove({name for name in there if name not in lines}, LINES)
        self._remove({name for name in there if name not in kept}, SHARDS)

    def commit(self, record: ShardRecord, texts: bytes, arrays: bytes) -> None:
        """Write a shard, and its line last.

        Raises:
            LockedError: another writer has committed another one of its number.
        """
        self._check_free(record)
        self._bucket.put(str(texts_path(Path(), record.shard)), texts)
        self._bucket.put(str(arrays_path(Path(), record.shard)), arrays)
        self._put_line(record)

    def adopt(self, store: Path, record: ShardRecord) -> None:
        """Commit the shard of the store at ``store``, which was checked; bytes stay in the bucket.

        Raises:
            LockedError: another writer has committed another one of its number.
        """
        self._check_free(record)
        source = bucket_of(store)
        if source is None:
            raise StoreError(f"{store} is not in object storage, and {self._bucket.address} is")
        for path in (texts_path, arrays_path):
            self._bucket.copy(source, str(path(Path(), record.shard)))
        self._put_line(record)

    def publish(self, name: str) -> None:
        """Put a small file before the end, for those that read the store meanwhile.

        Args:
            name: of the file here.

        Raises:
            LockedError: another writer has taken over.
        """
        self._lease.check()
        self._bucket.put(name, (self._root / name).read_bytes())

    def seal(self, names: Sequence[str], records: Iterable[ShardRecord]) -> None:
        """Write the small files that the store ends with, the summary last; lines go.

        Args:
            names: of the files here that make it whole, ``manifest.jsonl`` among them.
            records: of all shards.
        """
        self._lease.check()
        summary, before = (self._root / SUMMARY).read_bytes(), self._bucket.get(SUMMARY)
        if before != summary:
            there = self._bucket.sizes()
            stale = {VOCABULARY} & there.keys() - {*names}
            self._bucket.remove([SUMMARY, *stale] if before is not None else sorted(stale))
            extra = [name for name in (JOURNAL, QUARANTINE) if (self._root / name).is_file()]
            for name in (*extra, *names):
                self._bucket.put(name, (self._root / name).read_bytes())
            self._bucket.put(SUMMARY, summary)
        # those that a listing does not have yet as well
        lines = {line_name(record.shard) for record in records}
        self._bucket.remove(sorted(lines | self._bucket.sizes(LINES).keys()))

    def discard(self) -> None:
        """Remove all objects but the lease, those first that say that there is anything."""
        there = self._bucket.sizes().keys() - {LEASE}
        self._refuse_foreign(there)
        lines = {name for name in there if name.startswith(f"{LINES}/")}
        first = ({SUMMARY}, {MANIFEST}, lines)
        for names in (*first, there.difference(*first, {STORE}), {STORE}):
            self._bucket.remove(sorted(names & there))

    def refuse_foreign(self) -> None:
        """Refuse a folder that is no store and holds what is no part of one."""
        if self._bucket.get(STORE) is None:
            self._refuse_foreign(self._bucket.sizes())

    def _refuse_foreign(self, names: Collection[str]) -> None:
        own = OWN_NAMES | {LINES, LEASE}
        foreign = sorted(name for name in names if name.partition("/")[0] not in own)
        if STORE not in names and foreign:
            raise ConfigurationError(
                f"{self._bucket.address} holds {', '.join(foreign[:3])}, which is no part of a "
                f"store; name a new place"
            )

    def _check_free(self, record: ShardRecord) -> None:
        self._lease.check()
        there = self._bucket.get(line_name(record.shard))
        if there is not None:
            self._refuse_other(record, there)

    def _put_line(self, record: ShardRecord) -> None:
        if (self._root / QUARANTINE).is_file():
            self._bucket.put(QUARANTINE, (self._root / QUARANTINE).read_bytes())
        name = line_name(record.shard)
        if not self._bucket.put_new(name, record.line()):
            self._refuse_other(record, self._bucket.get(name) or b"")
            self._bucket.put(name, record.line())  # over what is no line

    def _refuse_other(self, record: ShardRecord, line: bytes) -> None:
        """Two writers of equal shards may both go on; a line that is none commits nothing."""
        try:
            if parse_line(line) == record:
                return
        except ValueError:
            return
        raise LockedError(
            f"another process has committed another shard {record.shard} to "
            f"{self._bucket.address}; wait for it, then run the same command again"
        )

    def _remove(self, names: Iterable[str], below: str) -> None:
        self._bucket.remove(sorted(name for name in names if name.startswith(f"{below}/")))


@contextmanager
def writing(root: Path, *, restart: bool) -> Iterator[RemoteWriter | None]:
    """Hold the lease of a store in a bucket and bring its small files here; None for a local one.

    Raises:
        LockedError: another process writes it.
        ConfigurationError: there is something else, or no such bucket.
        StorageError: the bucket does not answer.
    """
    bucket = bucket_of(root)
    if bucket is None:
        yield None
        return
    with held(bucket) as lease:
        writer = RemoteWriter(root, bucket, lease)
        writer.refuse_foreign()
        if restart:
            writer.discard()
        here(root)
        written_here.add(root)
        try:
            yield writer
        finally:
            written_here.discard(root)
