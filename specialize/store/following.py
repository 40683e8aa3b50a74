"""Reading a store while another process writes it: its shards in order, up to the mark of the end.

    follower = Follower("responses/gpt2")
    store = follower.wait_for(1)             # its first shard is committed
    while not store.is_finished:             # summary.json is the mark of the end
        store = follower.wait_for(len(store.records) + 1)

What it gives out is the shards from the first on as far as there is no gap, whatever the order in
which they were committed, so that nothing that is made of them depends on when they were looked at.
A writer that works is waited for however long it takes; of one that is gone the same holds as of
any other store: the command that writes it goes on when it is run again, and so does this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from specialize.errors import StoreError
from specialize.io.lock import is_held
from specialize.io.progress import notice
from specialize.objects.address import directory_of
from specialize.objects.lease import LEASE
from specialize.store.layout import STORE
from specialize.store.reader import Store
from specialize.store.remote import bucket_of

PATIENCE = 600.0  # seconds without a new shard while nobody holds the store's lock
_SHORTEST, _LONGEST = 0.2, 5.0  # seconds between two looks


def _never() -> bool:
    return False


class Follower:
    """Looks at the store at ``path`` until it has what is wanted.

    Args:
        path: the store's directory or address, which may not be there yet.

    Attributes:
        asked_to_stop: called between two looks; True ends the wait.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = directory_of(path)
        self._sign: bytes | None = None  # of life, by the writer of a store in a bucket
        self.asked_to_stop: Callable[[], bool] = _never
        self._store: Store | None = None
        self._told = False

    def wait_for(self, shards: int) -> Store:
        """The store with its first ``shards`` shards, and more where there are; or finished.

        Raises:
            StoreError: its writer has gone, it was begun again, or is damaged.
            KeyboardInterrupt: the process was asked to stop.
        """
        pause, came = _SHORTEST, time.monotonic()
        while True:
            before = self._count()
            self._look()
            if self._store is not None and (self._store.is_finished or self._count() >= shards):
                return self._store
            if self.asked_to_stop():
                raise KeyboardInterrupt(f"stopped while waiting for {self._path}")
            if self._count() > before:
                came = time.monotonic()
            elif time.monotonic() - came > PATIENCE:
                if not self._is_written():
                    raise StoreError(self._gone())
                came = time.monotonic()
            self._tell()
            _sleep(pause)
            pause = min(_LONGEST, 1.5 * pause)

    def _count(self) -> int:
        return 0 if self._store is None else len(self._store.records)

    def _is_written(self) -> bool:
        bucket = bucket_of(self._path)
        if bucket is None:
            return is_held(self._path)
        before, self._sign = self._sign, bucket.get(LEASE)
        return self._sign is not None and self._sign != before

    def _look(self) -> None:
        try:
            found = Store.open(self._path, allow_partial=True).in_order()
        except StoreError:
            if not (self._path / STORE).exists():
                return  # not begun yet
            raise
        self._store = found if self._store is None else self._store.grown(found)

    def _tell(self) -> None:
        if self._told:
            return
        if self._store is None:
            notice(f"following {self._path}, which is not there yet: waiting for it")
        else:
            notice(f"following {self._path}: {self._count()} shards so far, waiting for more")
        self._told = True

    def _gone(self) -> str:
        there = f"has {self._count()} shards and is not finished" if self._store else "is not there"
        return (
            f"{self._path} {there}, and nobody writes it; run the command that writes it, then "
            f"this one again: both continue"
        )


def _sleep(seconds: float) -> None:
    time.sleep(seconds)
