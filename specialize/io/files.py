"""File operations that leave a file whole, or as it was.

A new file is written under a temporary name, synced, and renamed; a line is appended in one write
and synced. A full disk becomes one error that says how much room is missing. Everything that
changes a file goes through here, so that ``fault_injection`` can fail each operation in turn.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from specialize.errors import DiskFullError, InputError
from specialize.io.fault_injection import before_file_operation

_TEMPORARY = ".tmp-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(
    path: Path, content: bytes, *, check: Callable[[Path], None] | None = None
) -> None:
    """Write to a temporary name, fsync, rename over ``path``, fsync the directory.

    A reader sees the old content or the new one; a crash leaves at most a ``.tmp-`` orphan. The
    mode is 0666 less the umask.

    Args:
        path: the file; missing directories above it are made.
        content: all of it.
        check: called with the synced temporary file; what it raises stops the rename.

    Raises:
        DiskFullError: no room; ``path`` is as it was.
    """
    write_unsynced(path, content, check=check)
    sync_directory(path.parent)


def write_unsynced(
    path: Path, content: bytes, *, check: Callable[[Path], None] | None = None
) -> None:
    """``write_atomically`` without the last fsync, for several files in one directory.

    Args:
        path: the file; its directory is made where it is missing.
        content: all of it.
        check: called with the temporary file before it is renamed; what it raises leaves nothing.

    Raises:
        DiskFullError: no room; what was there before is intact.
        OSError: the file cannot be written.
    """
    if not path.parent.exists():
        make_directory(path.parent)
    temporary = path.parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
    try:
        with disk_full_named(path, len(content)):
            _write_new(temporary, content)
        if check is not None:
            check(temporary)
        before_file_operation()
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _write_new(path: Path, content: bytes) -> None:
    before_file_operation()
    with path.open("xb", buffering=0) as file:
        _write_all(file.fileno(), content)
        before_file_operation()
        os.fsync(file.fileno())


def _write_all(handle: int, content: bytes) -> None:
    before_file_operation()
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def append_line(path: Path, line: bytes) -> None:
    """Append ``line``, which ends with a newline, and fsync; on failure the file is as it was.

    A crash may leave a torn last line: one without its newline. The name of a new file is made
    durable too: a line that was synced into a file which a power loss forgets would be lost.

    Raises:
        DiskFullError: no room.
    """
    before_file_operation()
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
    try:
        size = os.fstat(handle).st_size
        try:
            with disk_full_named(path, len(line)):
                _write_all(handle, line)
                before_file_operation()
                os.fsync(handle)
                if is_new:
                    sync_directory(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Make renames and new names in ``path`` durable."""
    before_file_operation()
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(path: Path) -> None:
    """Make ``path`` and what is missing above it, durably; nothing if it is there."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    before_file_operation()
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_directory(folder.parent)


def remove(path: Path) -> None:
    """Remove a file or a link, if it is there; never what a link points to."""
    before_file_operation()
    path.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """True for what a crash inside ``write_atomically`` leaves behind."""
    return path.name.startswith(_TEMPORARY)


@contextlib.contextmanager
def disk_full_named(path: Path, needed: int) -> Iterator[None]:
    """Turn the system's refusals for want of room into a ``DiskFullError`` with the figures.

    Raises:
        DiskFullError: the disk or the quota is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        free = shutil.disk_usage(path.parent).free
        raise DiskFullError(
            f"no room for {path}: {needed:,} bytes needed, {free:,} free ({error.strerror}); what "
            f"was finished is intact: make room, then run the same command again"
        ) from error


def apply_umask(folder: Path) -> None:
    """Give the files in ``folder`` the mode 0666 less the umask; safetensors makes them 0600."""
    mask = os.umask(0)
    os.umask(mask)
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            path.chmod(0o666 & ~mask)


def refuse_links_outside(folder: Path) -> None:
    """Refuse a directory of which a part is a link to a place outside it.

    What is written into such a part would land elsewhere, where its sender chose.

    Raises:
        InputError: names the link and where it leads.
    """
    whole = folder.resolve()
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        if path.is_symlink() and not path.resolve().is_relative_to(whole):
            raise InputError(
                f"{path} is a link to {path.resolve()}, outside {folder}; move what it holds into "
                f"the run, or remove the link"
            )
