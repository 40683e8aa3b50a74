"""The responses that are aligned: a finished store, or one that grows while it is read.

source = Source(Path("responses/gpt2"), follow=True)
for numbers in source.batches():     range(0, 3), then range(3, 4), then range(4, 9), ...
    ...                              source.store has these shards
source.store.is_finished             True
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from specialize.errors import ConfigurationError
from specialize.io.part import Part
from specialize.store import Follower, Store


class Source:
    """A store of responses, as far as it is written.

    Args:
        path: its directory or address.
        follow: wait for what is still being written; else the store must be finished.
        part: of the store, where several jobs align one each: they need all of it.

    Attributes:
        store: what there is of it, at least one shard or the mark of the end.
        grew: it was not finished when it was opened.

    Raises:
        StoreError: no store there, a damaged one, or one that nobody finishes.
        ConfigurationError: a part is to follow.
    """

    def __init__(self, path: str | Path, *, follow: bool, part: Part | None = None) -> None:
        if follow and part is not None:
            raise ConfigurationError(
                f"part {part} cannot follow a store that is being written; one job can"
            )
        self._follower = Follower(path) if follow else None
        self.store = Store.open(path) if self._follower is None else self._follower.wait_for(1)
        self.grew = not self.store.is_finished

    def batches(self) -> Iterator[range]:
        """The shards in order, as many at once as have come; all of a finished store."""
        first = 0
        while True:
            last = len(self.store.records)
            yield range(first, last)
            if self.store.is_finished and last == len(self.store.records):
                return
            if self._follower is not None:
                self.store = self._follower.wait_for(last + 1)
            first = last
