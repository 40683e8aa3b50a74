"""A finished store in a second place, without its bytes a second time.

Shards never change once they are written, so that both places may hold the same files (hard links);
they are copied where the file system has no such thing, or is another one. The small files that say
what a store is are copied.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from specialize.io.fault_injection import before_file_operation
from specialize.io.files import disk_full_named, make_directory, sync_directory
from specialize.store.layout import MANIFEST, SHARDS, STORE, SUMMARY, VOCABULARY
from specialize.store.reader import Store


def link_store(source: Path, target: Path) -> None:
    """Make ``target`` the same store as the finished one at ``source``.

    Raises:
        StoreError: there is no finished store at ``source``.
        DiskFullError: the shards had to be copied and do not fit.
    """
    Store.open(source)
    partial = target.with_name(f"{target.name}.partial")
    if partial.exists():  # of a call that was killed
        shutil.rmtree(partial)
    make_directory(partial / SHARDS)
    for file in sorted((source / SHARDS).iterdir()):
        link_file(file, partial / SHARDS / file.name)
    for name in (VOCABULARY, MANIFEST, STORE, SUMMARY):
        if (source / name).exists():
            with disk_full_named(partial / name, (source / name).stat().st_size):
                shutil.copyfile(source / name, partial / name)
    sync_directory(partial / SHARDS)
    sync_directory(partial)
    os.rename(partial, target)
    sync_directory(target.parent)


def link_file(file: Path, place: Path) -> None:
    """``file`` at ``place`` too, which does not exist; its name is not yet durable.

    Raises:
        DiskFullError: it had to be copied and does not fit.
    """
    before_file_operation()
    try:
        os.link(file, place, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        with disk_full_named(place, file.stat().st_size), place.open("xb") as copy:
            with file.open("rb") as content:
                shutil.copyfileobj(content, copy)
            copy.flush()
            os.fsync(copy.fileno())
