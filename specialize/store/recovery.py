"""Opening a store for writing: create it, or find out what a killed writer left.

Under the lock: the description must agree; a torn last line and files without a line are removed;
a shard whose files are missing or damaged loses its line and is written again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from specialize.errors import ConfigurationError, StoreError
from specialize.io.files import is_temporary, make_directory, remove, write_atomically
from specialize.store.description import (
    StoreDescription,
    description_file,
    differences,
    read_description,
)
from specialize.store.layout import (
    JOURNAL,
    MANIFEST,
    OWN_NAMES,
    PARTS,
    QUARANTINE,
    SHARDS,
    STORE,
    SUMMARY,
    VOCABULARY,
    ShardRecord,
    arrays_path,
    parse_manifest,
    read_plain,
    texts_path,
)
from specialize.store.shard_file import ShardFile


@dataclass(frozen=True, slots=True)
class WriterState:
    """What a writer starts from."""

    records: tuple[ShardRecord, ...]
    keys: tuple[tuple[str, int], ...]
    redone: tuple[int, ...]
    finished: bool


def open_for_writing(
    root: Path,
    description: StoreDescription,
    shard_samples: int,
    *,
    restart: bool,
    begun_as: StoreDescription | None = None,
) -> WriterState:
    """Make the directory at ``root`` a store of ``description`` and list what it holds.

    One that is of ``begun_as`` is continued too.

    Raises:
        ConfigurationError: it holds something else, or a store of another description.
        StoreError: its manifest is damaged in the middle.
    """
    refuse_foreign(root)
    if (root / SHARDS).is_symlink():
        raise ConfigurationError(f"{root / SHARDS} is a link; name a new directory")
    if restart:
        discard(root)
    asked = description_file(description, shard_samples)
    if (root / STORE).exists():
        other = begun_as and description_file(begun_as, shard_samples)
        if read_plain(root / STORE) not in (asked, other):
            _refuse_difference(root, description, shard_samples)
    else:
        _clear(root)  # what a writer left that was killed before it wrote what it is
        write_atomically(root / STORE, asked)
    make_directory(root / SHARDS)
    state = _recover(root, description)
    _remove_orphans(root, {record.shard for record in state.records})
    return state


def discard(root: Path) -> None:
    """Remove the store at ``root``, and the parts of one, under its lock."""
    _clear(root)
    shutil.rmtree(root / PARTS, ignore_errors=True)


def refuse_foreign(root: Path) -> None:
    """Refuse a directory that is no store and holds what is no part of one."""
    if (root / STORE).exists():
        return
    foreign = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.name not in OWN_NAMES and not is_temporary(entry)
    )
    if foreign:
        raise ConfigurationError(
            f"{root} holds {', '.join(foreign[:3])}, which is no part of a store; "
            f"name a new directory"
        )


def _refuse_difference(root: Path, description: StoreDescription, shard_samples: int) -> None:
    stored, planned = read_description(read_plain(root / STORE), str(root / STORE))
    before = {**stored.as_json(), "shard_samples": planned}
    now = {**description.as_json(), "shard_samples": shard_samples}
    raise ConfigurationError(
        f"{root} was begun with another configuration ({'; '.join(differences(before, now))}); "
        f"continue with that one, write elsewhere, or restart to throw it away"
    )


def _clear(root: Path) -> None:
    """Remove all files of a store, the one that says what it is last."""
    for name in (SUMMARY, MANIFEST, VOCABULARY, JOURNAL, QUARANTINE):
        if (root / name).exists():
            remove(root / name)
    _remove_orphans(root, set())
    if (root / STORE).exists():
        remove(root / STORE)


def _remove_orphans(root: Path, committed: set[int]) -> None:
    known = {path(root, shard) for shard in committed for path in (arrays_path, texts_path)}
    folder = root / SHARDS
    found = (
        [path for path in sorted(folder.iterdir()) if path not in known] if folder.exists() else []
    )
    for path in [*found, *(path for path in sorted(root.iterdir()) if is_temporary(path))]:
        remove(path)


def _recover(root: Path, description: StoreDescription) -> WriterState:
    path = root / MANIFEST
    content = read_plain(path) if path.exists() else b""
    manifest = parse_manifest(content, str(path))
    good: list[ShardRecord] = []
    keys: list[tuple[str, int]] = []
    redone: list[int] = []
    for record in manifest.records:
        try:
            shard = ShardFile(root, record, description)
            shard.checked_texts()
            keys += shard.keys()
            good.append(record)
        except StoreError:
            redone.append(record.shard)
    finished = (root / SUMMARY).exists()
    if manifest.torn or redone:
        if finished:
            remove(root / SUMMARY)
            finished = False
        write_atomically(path, b"".join(record.line() for record in good))
    return WriterState(tuple(good), tuple(keys), tuple(redone), finished)
