"""Commits shards in a thread of its own, while the next one is being computed.

    with committing(writer) as commit:
        for shard in plan:
            commit(shard, samples, counts)   # returns at once; waits for the one before, if it must

One shard is under way at a time and in the order given, so that files and their order are those of
a writer without a thread. An error of a commit is raised by the next call, or at the end of the
block; what was committed before it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from specialize.store.sample import Sample
from specialize.store.writer import StoreWriter

Commit = Callable[[int, Sequence[Sample], Mapping[str, int]], None]


@contextmanager
def committing(writer: StoreWriter) -> Iterator[Commit]:
    """Yields what to call in place of ``writer.write``; nothing else may write meanwhile.

    Raises:
        ValueError, DiskFullError: as ``StoreWriter.write``, one shard later.
    """
    pending: Future[None] | None = None

    def commit(shard: int, samples: Sequence[Sample], counts: Mapping[str, int]) -> None:
        nonlocal pending
        before, pending = pending, None
        if before is not None:
            before.result()
        pending = threads.submit(writer.write, shard, samples, counts=counts)

    with ThreadPoolExecutor(1, thread_name_prefix="commit") as threads:
        yield commit
        if pending is not None:
            pending.result()
