"""One writer at a time where there are no locks: an object that its holder renews.

    lease.json   {"host": "node7", "pid": 4711, "renewed": 12, "token": "9f…"}

Whoever finds one watches it: where it changes, its holder is alive, and the finder leaves; where it
does not for ``PATIENCE`` seconds, its holder is gone and it is taken over. No clocks are compared.
A holder that was taken over (suspended, cut off) is told at its next ``check``. Nothing is lost by
two writers of one store, whose shards have the same bytes; they would do the same work.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from specialize.errors import LockedError, StorageError
from specialize.objects.bucket import Bucket

LEASE = "lease.json"
RENEWAL, PATIENCE = 10.0, 45.0  # seconds; a guess: four renewals may fail before a holder is gone
_LOOK = 1.0  # seconds between two looks at another's lease


class Lease:
    """The right to write below an address; ``held`` makes one."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._token = uuid.uuid4().hex
        self._renewed = 0
        self._over = threading.Event()
        self._taken_by: str | None = None

    def check(self) -> None:
        """Refuse to go on where another writer has taken over.

        Raises:
            LockedError: names it.
        """
        if self._taken_by is not None:
            raise LockedError(
                f"{self._bucket.address} is being written by {self._taken_by}, which took over "
                f"while this process gave no sign; wait for it, or write elsewhere"
            )

    def acquire(self) -> None:
        """Take the lease, where need be from a holder that gives no sign.

        Raises:
            LockedError: its holder is alive.
        """
        while not self._bucket.put_new(LEASE, self._content()):
            before = self._bucket.get(LEASE)
            if before is None:
                continue
            if before == self._content():
                return  # the answer to the first attempt was lost
            if not _died_here(before):
                self._watch(before)
            self._bucket.remove([LEASE])

    def _watch(self, before: bytes) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            time.sleep(_LOOK)
            now = self._bucket.get(LEASE)
            if now is None:
                return
            if now != before:
                raise LockedError(
                    f"{self._bucket.address} is being written by {_holder(now)}; wait for it, or "
                    f"write elsewhere"
                )

    def renew(self) -> None:
        """Show at intervals that this process is alive, until ``release``."""
        while not self._over.wait(RENEWAL):
            with suppress(StorageError):  # the next time may do
                there = self._bucket.get(LEASE)
                if there is not None and self._token.encode() not in there:
                    self._taken_by = _holder(there)
                    return
                self._renewed += 1
                self._bucket.put(LEASE, self._content())

    def end(self) -> None:
        """Show nothing any more."""
        self._over.set()

    def release(self) -> None:
        """Let others write, where the lease is still this one."""
        there = self._bucket.get(LEASE)
        if there is not None and self._token.encode() in there:
            self._bucket.remove([LEASE])

    def _content(self) -> bytes:
        about = {"host": socket.gethostname(), "pid": os.getpid()}
        whole = {**about, "renewed": self._renewed, "token": self._token}
        return json.dumps(whole, sort_keys=True).encode() + b"\n"


@contextmanager
def held(bucket: Bucket) -> Iterator[Lease]:
    """Hold the lease of ``bucket``.

    Raises:
        LockedError: another writer has it, and is alive.
    """
    lease = Lease(bucket)
    lease.acquire()
    thread = threading.Thread(target=lease.renew, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        lease.end()
        thread.join()
        with suppress(StorageError):  # it is stale soon
            lease.release()


def _died_here(content: bytes) -> bool:
    """Whether the holder was a process of this machine that is gone."""
    try:
        about = json.loads(content)
        if about["host"] != socket.gethostname():
            return False
        os.kill(about["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False
    return False


def _holder(content: bytes) -> str:
    try:
        about = json.loads(content)
        return f"process {about['pid']} on {about['host']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another process"
