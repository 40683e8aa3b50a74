"""Reading ahead and committing afterwards, each in a thread of its own, while a shard is computed.

    with committing(writer) as commit:
        for number, shard in ahead(read(), threads):
            commit(number, computed(shard), counts)   # returns at once; waits for the one before

One shard is under way at a time and in the order given, so that files and their order are those of
a writer without a thread. An error of a commit is raised by the next call, or at the end of the
block; what was committed before it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from specialize.store.shard import Sample, Shard
from specialize.store.shard_file import EncodedShard
from specialize.store.writer import StoreWriter

Item = TypeVar("Item")
Written = Shard | Sequence[Sample] | EncodedShard
Commit = Callable[[int, Written, Mapping[str, int]], None]


def ahead(items: Iterable[Item], threads: int) -> Iterator[Item]:
    """``items``, the next one made while one is used, where there is more than one of ``threads``.

    Raises:
        Whatever making an item raises, when its turn comes.
    """
    if threads == 1:
        yield from items
        return
    end = object()
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        following: Future[Item | object] = thread.submit(next, source, end)
        while (item := following.result()) is not end:
            following = thread.submit(next, source, end)
            yield item  # type: ignore[misc]  # an Item: it is not the end


@contextmanager
def committing(writer: StoreWriter) -> Iterator[Commit]:
    """Yields what to call in place of ``writer.write``; nothing else may write meanwhile.

    Raises:
        ValueError, DiskFullError: as ``StoreWriter.write``, one shard later.
    """
    pending: Future[None] | None = None

    def commit(number: int, samples: Written, counts: Mapping[str, int]) -> None:
        nonlocal pending
        before, pending = pending, None
        if before is not None:
            before.result()
        pending = threads.submit(writer.write, number, samples, counts=counts)

    with ThreadPoolExecutor(1, thread_name_prefix="commit") as threads:
        yield commit
        if pending is not None:
            pending.result()
