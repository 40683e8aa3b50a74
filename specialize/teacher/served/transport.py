"""Requests to the addresses of a teacher: limits, retries, and an end to retrying.

    transport = Transport(server, key="sk-...")
    raw = await transport.post(request)          # the body of a 200, nothing parsed

What may pass (408, 409, 425, 429, 5xx, lost connections, timeouts) is tried again, at the address
that is free first, after ``Retry-After`` or a growing pause, until ``retry_seconds`` are over. What
will not pass is refused at once. The key is in one header and in no message, log or file.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from specialize.config.recipe import Server
from specialize.errors import TeacherError
from specialize.store.sealed import canonical
from specialize.teacher.served.limits import Pace
from specialize.teacher.served.wire import Request

LATER = frozenset({408, 409, 425, 429})
WRONG_REQUEST = frozenset({400, 413, 414, 422})  # of this row; others of the set-up
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0  # seconds
_FIXED_BYTES, _TOKEN_BYTES = 1 << 22, 1 << 14  # an answer is never larger: some 150 entries a token


class RefusedError(TeacherError):
    """The server does not want this very request; others may pass."""


class SetupError(TeacherError):
    """The server refuses every such request: a wrong address, key, kind or model."""


class _NotYetError(Exception):
    """What may pass: why, and after how many seconds the server wants to be asked again."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


@dataclass(slots=True)
class _Address:
    url: str
    under_way: int = 0
    free: float = 0.0  # the loop's time before which it does not want to be asked


class Transport:
    """The addresses of one teacher; use it inside one event loop."""

    def __init__(self, server: Server, key: str | None) -> None:
        self._server, self._key = server, key
        self._addresses = [_Address(url) for url in server.urls]
        self._slots = asyncio.Semaphore(server.concurrency)
        self._requests = Pace(server.requests_per_minute)
        self._tokens = Pace(server.tokens_per_minute)
        self._jitter = random.Random(0)
        self.sent = 0  # requests that reached a server and were answered
        # its debugging log has the headers, in which a server may repeat the key
        logging.getLogger("httpcore2").setLevel(logging.WARNING)
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=server.timeout_seconds,
            trust_env=False,
            limits=httpx2.Limits(max_connections=server.concurrency, keepalive_expiry=30.0),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def post(self, request: Request) -> bytes:
        """The raw body of the answer to ``request``.

        Raises:
            RefusedError: the server refuses this request.
            SetupError: it refuses every request.
            TeacherError: it is out of reach for too long.
        """
        most = _FIXED_BYTES + request.tokens * _TOKEN_BYTES
        content = canonical(dict(request.body))
        return await self._persist("POST", request.path, content, request.tokens, most)

    async def get(self, path: str) -> bytes:
        """The raw body at ``path``; for what a server says of itself."""
        return await self._persist("GET", path, None, 0, _FIXED_BYTES)

    async def _persist(
        self, method: str, path: str, content: bytes | None, tokens: int, most: int
    ) -> bytes:
        clock, pause = asyncio.get_running_loop().time, _FIRST_PAUSE
        end: float | None = None
        while True:
            async with self._slots:
                await self._requests.turn(1)
                await self._tokens.turn(tokens)
                address = await self._free_address(end)
                try:
                    return await self._once(address, method, path, content, most)
                except _NotYetError as error:
                    end = end or clock() + self._server.retry_seconds
                    why, after = str(error), error.after
            if after is not None:
                address.free = max(address.free, clock() + after)
            elif len(self._addresses) > 1:
                address.free = max(address.free, clock() + pause)
            wait = 0.0 if after is not None else pause * (0.5 + self._jitter.random())
            pause = min(2 * pause, _LONGEST_PAUSE)
            next_try = max(clock() + wait, min(a.free for a in self._addresses))
            if next_try > end:
                raise self._gave_up(address, why)
            await asyncio.sleep(wait)

    async def _free_address(self, end: float | None) -> _Address:
        """The address with the fewest requests under way of those that may be asked now."""
        while True:
            now = asyncio.get_running_loop().time()
            free = [address for address in self._addresses if address.free <= now]
            if free:
                return min(free, key=lambda address: address.under_way)
            earliest = min(address.free for address in self._addresses)
            limit = end if end is not None else now + self._server.retry_seconds
            if earliest > limit:
                raise self._gave_up(self._addresses[0], "it asks to be left alone for longer")
            await asyncio.sleep(earliest - now)

    async def _once(
        self, address: _Address, method: str, path: str, content: bytes | None, most: int
    ) -> bytes:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        address.under_way += 1
        try:
            async with (
                asyncio.timeout(self._server.timeout_seconds),
                self._client.stream(
                    method, address.url + path, content=content, headers=headers
                ) as response,
            ):
                body = await _read(response, most)
                return self._checked(address, response, body)
        except TimeoutError:
            raise _NotYetError(f"no answer in {self._server.timeout_seconds:g} s") from None
        except httpx2.HTTPError as error:
            # no chain: the original names the request, whose headers hold the key
            raise _NotYetError(self._clean(f"{type(error).__name__} {error}")) from None
        finally:
            address.under_way -= 1

    def _checked(self, address: _Address, response: httpx2.Response, body: bytes) -> bytes:
        status = response.status_code
        if status == 200:
            self.sent += 1
            return body.replace(self._key.encode(), b"***") if self._key else body
        message = self._clean(" ".join(body[:2000].decode("utf-8", "replace").split())[:300])
        what = f"status {status}" + (f": {message}" if message else "")
        if status == 500 and b"grammar" in body:  # llama.cpp: it would fail again
            raise RefusedError(f"the teacher at {address.url} refuses a request with {what}")
        if status in LATER or (status >= 500 and status != 501):
            raise _NotYetError(what, _retry_after(response.headers))
        if status in WRONG_REQUEST:
            raise RefusedError(f"the teacher at {address.url} refuses a request with {what}")
        hint = {
            401: "name the environment variable that holds its key with key_variable",
            403: "its key may not do this, or the server must be started with this interface",
            404: "check the address, the kind of server and the model's name",
        }.get(status, "check the address and the kind of server")
        raise SetupError(f"the teacher at {address.url} answers with {what}; {hint}")

    def _gave_up(self, address: _Address, why: str) -> TeacherError:
        return TeacherError(
            f"the teacher at {address.url} gave no answer within {self._server.retry_seconds:g} s "
            f"of retries (last: {why}); start it or wait, then run the same command again: what "
            f"was answered is not asked again"
        )

    def _clean(self, text: str) -> str:
        """``text`` without the key, or what servers quote of it."""
        if self._key:
            text = text.replace(self._key, "***")
        return re.sub(r"\bsk-[\w*.-]+", "***", text)


async def _read(response: httpx2.Response, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise _NotYetError(f"an answer of more than {most:,} bytes")
    return bytes(body)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now: a number, or a date (RFC 9110, section 10.2.3)."""
    after = headers.get("retry-after", "").strip()
    if not after:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", after):
        return float(after)
    try:
        date = email.utils.parsedate_to_datetime(after)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
