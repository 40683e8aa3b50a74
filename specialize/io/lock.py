"""One writer at a time: a lock on a directory that dies with its process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from specialize.errors import LockedError
from specialize.io.files import make_directory, remove, write_atomically

LOCK, OWNER = ".lock", ".owner.json"


@contextlib.contextmanager
def writer_lock(root: Path) -> Iterator[None]:
    """Hold the writer's lock of the directory ``root``; the directory is made if missing.

    ``flock`` releases it when the process ends, however it ends. On a network file system that
    does not honour flock, two machines must not write to one directory.

    Raises:
        LockedError: another process holds it; names the process and its machine.
    """
    make_directory(root)
    with sole_holder(
        root / LOCK,
        lambda: f"{root} is being written by {_owner(root)}; wait for it, or write elsewhere",
    ):
        try:
            owner = {"pid": os.getpid(), "host": socket.gethostname()}
            write_atomically(root / OWNER, json.dumps(owner).encode())
            yield
        finally:
            with contextlib.suppress(OSError):
                remove(root / OWNER)


def is_held(root: Path) -> bool:
    """Whether a process writes in ``root`` now, as far as its lock tells."""
    try:
        handle = os.open(root / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # shared, and for an instant: two that look do not see each other
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK
    finally:
        os.close(handle)
    return False


@contextlib.contextmanager
def sole_holder(path: Path, refusal: Callable[[], str]) -> Iterator[None]:
    """Hold the lock file ``path``, or refuse at once.

    Args:
        path: of the lock; its directory is there.
        refusal: what to say where another process holds it.

    Raises:
        LockedError: another process does.
    """
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(refusal()) from error
    try:
        yield
    finally:
        lock.release()


def _owner(root: Path) -> str:
    try:
        owner = json.loads((root / OWNER).read_bytes())
        return f"process {owner['pid']} on {owner['host']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
