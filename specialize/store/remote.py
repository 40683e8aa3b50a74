"""A store in a bucket: the commit protocol where nothing can be renamed or appended to.

    shards/00003.texts.jsonl, shards/00003.safetensors     objects, in any state
    lines/00003.json                                       the manifest's line: now the shard exists
    ...
    vocabulary.safetensors, manifest.jsonl, summary.json   at the end: all lines, in order
    lines/ is removed

A shard exists if and only if its line names the hashes of its objects. Once ``summary.json`` is
there, lines are those of ``manifest.jsonl``, and the bucket has the files of a local store, byte
for byte; before, they are the objects in ``lines/``, each written once, on the condition that there
is none. Everything else works on a directory here, the working directory of the address: small
files are brought into it when the store is opened, those of shards when they are opened, each
checked by the hash in its line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from specialize.errors import ConfigurationError, LockedError, StoreError
from specialize.io.files import remove, write_atomically
from specialize.objects.address import address_of, directory_of
from specialize.objects.bucket import Bucket
from specialize.objects.cache import keep, note_use
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
    FileMark,
    ShardRecord,
    arrays_path,
    parse_line,
    texts_path,
)

LINES = "lines"
_sound: set[tuple[str, int, int, FileMark]] = set()  # files here that had the hash they should have
_read_anew: set[Path] = set()  # stores whose files here are not to be relied on
_written_here: set[Path] = set()  # by this process, whose files are ahead of any listing


# ---- reading -----------------------------------------------------------------------------------


def here(place: str | Path, also: Sequence[str] = ()) -> Path:
    """The directory of the store at ``place``; of an address, with its small files brought up to
    date, and those of ``also``.

    Raises:
        ConfigurationError: no such bucket, no access, or an address that cannot be used.
        StorageError: the bucket does not answer.
    """
    root = directory_of(place)
    bucket = bucket_of(root)
    if bucket is not None and root not in _written_here:
        _bring_small_files(root, bucket, also)
    return root


def bucket_of(root: Path) -> Bucket | None:
    """The objects that ``root`` is the working directory of; None: it is a local directory."""
    address = address_of(directory_of(root))
    return None if address is None else Bucket(address)


def listed(root: Path) -> Mapping[str, int] | None:
    """The names and sizes of a store's objects; None for a local one."""
    bucket = bucket_of(root)
    return None if bucket is None else bucket.sizes()


def sizes(root: Path) -> Callable[[Path], int | None]:
    """What tells the size of a store's file, here or in its bucket; None where there is none."""
    bucket = bucket_of(root)
    if bucket is None:
        return _size_here
    there = bucket.sizes(SHARDS)

    def size_there(path: Path) -> int | None:
        name = path.relative_to(root).as_posix()
        # a listing may lag behind, an object may not
        return there[name] if name in there else bucket.size(name)

    return size_there


def _size_here(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None


def folder_names(path: Path) -> list[str]:
    """The directories in ``path``, here or in its bucket; none where it is missing."""
    bucket = bucket_of(path)
    if bucket is not None:
        return sorted({name.partition("/")[0] for name in bucket.sizes() if "/" in name})
    return sorted(inside.name for inside in path.iterdir()) if path.is_dir() else []


def bring(path: Path, mark: FileMark) -> None:
    """Make sure that the file of a shard is here and is the one of ``mark``; fetch it if not.

    Raises:
        StoreError: the object is missing or damaged; nothing is kept of it.
        StorageError, DiskFullError: the bucket does not answer; no room here.
    """
    address = address_of(path)
    if address is None:
        return
    if path.parents[1] not in _read_anew and _is_sound(path, mark):
        note_use(path)
        return
    folder, _, name = address.rpartition("/")
    content = Bucket(folder).get(name)
    if content is None:
        raise StoreError(f"{address} is missing; dump this shard again")
    mark.check(path, content)
    keep(path, content)


@contextmanager
def afresh(root: Path) -> Iterator[None]:
    """In this block the shards of the store at ``root`` are read from its bucket, not from here."""
    _read_anew.add(root)
    try:
        yield
    finally:
        _read_anew.discard(root)


def _is_sound(path: Path, mark: FileMark) -> bool:
    """Whether the file here is the one of ``mark``, which is looked at once."""
    try:
        about = path.stat()
        state = (str(path), about.st_ino, about.st_mtime_ns, mark)
        if state not in _sound:
            if mark.problem(path.read_bytes()) is not None:
                return False
            _sound.add(state)
    except FileNotFoundError:
        return False
    return True


def _bring_small_files(root: Path, bucket: Bucket, also: Sequence[str]) -> None:
    """Make the files in ``root``, its shards aside, those of the bucket."""
    found = {name: bucket.get(name) for name in (STORE, SUMMARY)}
    if found[STORE] is None:
        bucket.sizes(STORE)  # it refuses where there is no bucket
    else:
        if found[SUMMARY] is None:
            found[MANIFEST] = b"".join(record.line() for record in _committed(bucket)) or None
            found[SUMMARY] = bucket.get(SUMMARY)  # it may have been finished meanwhile
        names = [VOCABULARY, QUARANTINE, *also, *([] if found[SUMMARY] is None else [MANIFEST])]
        found |= dict.fromkeys(names) | bucket.get_all(names)
    if found[SUMMARY] is None and (root / SUMMARY).exists():
        remove(root / SUMMARY)
    for name, content in sorted(found.items(), key=lambda item: item[0] == SUMMARY):
        file = root / name
        if content is None and file.exists():
            remove(file)
        elif content is not None and not (file.is_file() and file.read_bytes() == content):
            write_atomically(file, content)


def _committed(bucket: Bucket) -> list[ShardRecord]:
    """The shards whose lines are in ``lines/``; what is no whole line commits nothing."""
    records = []
    for name, content in sorted(bucket.get_all(sorted(bucket.sizes(LINES))).items()):
        try:
            record = parse_line(content)
        except ValueError:
            continue
        if name == _line_name(record.shard):
            records.append(record)
    return records


def _line_name(shard: int) -> str:
    return f"{LINES}/{shard:05d}.json"


# ---- writing -----------------------------------------------------------------------------------


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
        lines = {_line_name(record.shard): record.line() for record in records}
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
        lines = {_line_name(record.shard) for record in records}
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
        there = self._bucket.get(_line_name(record.shard))
        if there is not None:
            self._refuse_other(record, there)

    def _put_line(self, record: ShardRecord) -> None:
        if (self._root / QUARANTINE).is_file():
            self._bucket.put(QUARANTINE, (self._root / QUARANTINE).read_bytes())
        name = _line_name(record.shard)
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
        _written_here.add(root)
        try:
            yield writer
        finally:
            _written_here.discard(root)
