"""An HTTP server in a thread that answers with what a function returns, byte for byte.

with scripted(lambda path, body, turn: Reply(json)) as server:
    server.url, server.requests      # (path, body, headers) of every request so far
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Body = dict[str, object]


@dataclass(frozen=True)
class Reply:
    """What goes over the wire: a value as JSON, or ``raw`` bytes after ``status``.

    ``promised``: bytes that the header names beyond those that are sent; the connection is then
    closed. ``silent``: no answer at all. ``drip``: seconds between single bytes of the first 5.
    """

    value: object = None
    raw: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    promised: int = 0
    silent: bool = False
    hang: bool = False
    drip: float = 0.0

    def content(self) -> bytes:
        return json.dumps(self.value).encode() if self.raw is None else self.raw


Says = Callable[[str, Body, int], Reply]


@dataclass
class Server:
    """The running server; ``turn`` counts how often the same path and body came before."""

    says: Says
    url: str = ""
    requests: list[tuple[str, Body, dict[str, str]]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    _turns: Counter[tuple[str, bytes]] = field(default_factory=Counter)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with (
            contextlib.suppress(ConnectionError, EOFError, asyncio.CancelledError),
            contextlib.closing(writer),
        ):
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode("latin-1").split("\r\n")
                headers = dict(f.lower().split(": ", 1) for f in fields if f)
                plain = dict(f.split(": ", 1) for f in fields if f)
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                path = line.split()[1]
                if not await self._answer(writer, path, content, plain):
                    break

    async def _answer(
        self, writer: asyncio.StreamWriter, path: str, content: bytes, headers: dict[str, str]
    ) -> bool:
        """Whether the connection stays open."""
        body = json.loads(content) if content else {}
        self.requests.append((path, body, headers))
        turn = self._turns[path, content]
        self._turns[path, content] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            reply = self.says(path, body, turn)
            if reply.wait:
                await asyncio.sleep(reply.wait)
            if reply.hang:
                await asyncio.sleep(60)
            return not reply.silent and await self._send(writer, reply)
        finally:
            self.under_way -= 1

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        content = reply.content()
        fields = {"Content-Length": str(len(content) + reply.promised), **reply.headers}
        head = f"HTTP/1.1 {reply.status} X\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in fields.items()
        )
        writer.write(head.encode("latin-1") + b"\r\n")
        for byte in content[:5] if reply.drip else b"":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(reply.drip)
        writer.write(content[5:] if reply.drip else content)
        await writer.drain()
        return not reply.promised


@contextlib.contextmanager
def scripted(says: Says) -> Iterator[Server]:
    """A server that runs until the block ends."""
    server, started = Server(says), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, limit=1 << 24)
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        started.set()
        await stop.wait()
        listening.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports close in a turn of their own

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
