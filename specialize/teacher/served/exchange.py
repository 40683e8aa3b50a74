"""One request until an answer is believed: from the journal first, then from the server.

An answer that fails its proof is kept and asked for again, a few times: servers under load return
what they would not return twice. What is never believed is given up with the last reason, until
the next run, whose server may have been mended by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar

from specialize.store.sealed import Json
from specialize.teacher.served.journal import Journal
from specialize.teacher.served.transport import Transport
from specialize.teacher.served.wire import BadReplyError, Request, parse_body

ATTEMPTS = 6  # answers to one request that may fail their proof
_PAUSE = 0.025  # seconds after the first of them, doubled after each
Believed = TypeVar("Believed")


@dataclass(frozen=True, slots=True)
class Exchange:
    """The way to a server and the journal of what came back."""

    transport: Transport
    journal: Journal

    async def ask(self, request: Request, read: Callable[[Json], Believed]) -> Believed:
        """What ``read`` makes of the first answer that it accepts.

        Raises:
            BadReplyError: none of ``ATTEMPTS`` answers was accepted; the last reason.
            RefusedError: the server refuses this request, not the others.
            TeacherError: it is out of reach, or refuses everything.
        """
        refused = BadReplyError("no answer")
        for raw in self.journal.answers(request):
            try:
                return read_raw(raw, read)
            except BadReplyError as error:
                refused = error
        for tried in range(ATTEMPTS):
            await asyncio.sleep(_PAUSE * 2**tried if tried else 0)
            raw = await self.transport.post(request)
            await self.journal.keep(request, raw)
            try:
                return read_raw(raw, read)
            except BadReplyError as error:
                refused = error
        raise refused


def read_raw(raw: bytes, read: Callable[[Json], Believed]) -> Believed:
    """What ``read`` makes of a raw answer.

    Raises:
        BadReplyError: it cannot be read, or is not believed.
    """
    return read(parse_body(raw))


async def together(work: Sequence[Coroutine[None, None, Believed]]) -> list[Believed]:
    """All results in order; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
