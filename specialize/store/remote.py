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
checked by the hash in its line. Here is what reads; ``remote_writer`` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from specialize.errors import StoreError
from specialize.io.files import remove, write_atomically
from specialize.io.progress import progress
from specialize.objects.address import address_of, directory_of
from specialize.objects.bucket import AT_ONCE, Bucket
from specialize.objects.cache import keep, limit, note_use
from specialize.store.layout import (
    MANIFEST,
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
written_here: set[Path] = set()  # by this process, whose files are ahead of any listing


def here(place: str | Path, also: Sequence[str] = ()) -> Path:
    """The directory of the store at ``place``; of an address, with its small files brought up to
    date, and those of ``also``.

    Raises:
        ConfigurationError: no such bucket, no access, or an address that cannot be used.
        StorageError: the bucket does not answer.
    """
    root = directory_of(place)
    bucket = bucket_of(root)
    if bucket is not None and root not in written_here:
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


def bring_all(root: Path, records: Sequence[ShardRecord]) -> bool:
    """Fetch what is not here of the shards of ``records``, many at once, if all fit in the cache.

    Whoever reads rows in random order would wait for them one by one.

    Returns:
        Whether all are here; nothing is fetched where they do not fit.

    Raises:
        StoreError: an object is missing or damaged.
    """
    if bucket_of(root) is None:
        return True
    files = [(arrays_path(root, record.shard), record.arrays) for record in records]
    files += [(texts_path(root, record.shard), record.texts) for record in records]
    if sum(mark.bytes for _, mark in files) > limit():
        return False
    with (
        progress(f"fetch {root.name}", len(files)) as advance,
        ThreadPoolExecutor(AT_ONCE, thread_name_prefix="bring") as threads,
    ):
        for _ in threads.map(lambda file: bring(*file), files):
            advance(1)
    return True


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
        if name == line_name(record.shard):
            records.append(record)
    return records


def line_name(shard: int) -> str:
    """Of the object whose being there commits the shard."""
    return f"{LINES}/{shard:05d}.json"
