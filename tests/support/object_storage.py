"""A server of S3's protocol for tests, with faults on the way, and clients that fail.

The server is moto's, on a port of this machine, in a thread. ``faults`` decides what becomes of a
request: the status of a refusal, ``cut`` for an answer that ends half-way, ``late`` for one that
comes too late, ``lost`` for a refusal of what was done, None for what the server says.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from wsgiref.types import StartResponse, WSGIEnvironment

import fsspec
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from specialize.objects import bucket as bucket_module

KEY, SECRET = "AKIAQTESTKEYOFNOBODY", "n0b0dys/Secret+of+f0rty+characters+0123456"
Fault = Callable[[str, str], int | str | None]  # of a request's method and path


class Server:
    """moto's S3 in a thread of this process."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.requests: list[tuple[str, str]] = []
        self.faults: Fault | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use the server."""
        return {
            "AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        fault = self.faults(method, path) if self.faults is not None else None
        if fault == "late":
            time.sleep(1.5)
        if fault == "lost":
            b"".join(self._app(environ, lambda *answer: None))
            fault = 500
        elif isinstance(fault, int):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if isinstance(fault, int):
            start_response(f"{fault} Fault", [("Content-Type", "application/xml")])
            code = "AccessDenied" if fault == 403 else "InternalError"
            return [f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()]
        whole = b"".join(self._app(environ, start_response))
        return [whole[: len(whole) // 2] if fault == "cut" else whole]


def clients() -> fsspec.AbstractFileSystem:
    """The client that stores are read and written with."""
    return bucket_module._client("s3")


def objects(address: str) -> dict[str, bytes]:
    """The content of every object below ``address``, by its name there."""
    skip, client = len(address.partition("://")[2]) + 1, clients()
    return {path[skip:]: client.cat_file(path) for path in client.find(address)}


class Killed(BaseException):
    """The process is gone; nothing of it happens any more."""


@contextmanager
def killed_at(operation: int) -> Iterator[None]:
    """From the ``operation``-th on no operation on object storage happens: the process is dead."""
    count = itertools.count(1)

    def announce(before: Callable[[str], object]) -> Callable[[str], object]:
        def client(protocol: str) -> object:
            if next(count) >= operation:
                raise Killed
            return before(protocol)

        return client

    with _clients_changed(announce):
        yield


@contextmanager
def listing_lags(hidden: Mapping[str, int]) -> Iterator[None]:
    """Objects whose names end in one of ``hidden`` are not listed so many times; they are there."""
    left = dict(hidden)

    class Lagging:
        def __init__(self, client: object) -> None:
            self._client = client

        def __getattr__(self, name: str) -> object:
            return getattr(self._client, name)

        def find(self, path: str, *, detail: bool) -> dict[str, object]:
            found = self._client.find(path, detail=detail)  # type: ignore[attr-defined]
            late = {p: e for p in found for e in left if p.endswith(e) and left[e] > 0}
            for ending in set(late.values()):
                left[ending] -= 1
            return {p: about for p, about in found.items() if p not in late}

    with _clients_changed(lambda before: lambda protocol: Lagging(before(protocol))):
        yield


@contextmanager
def _clients_changed(
    change: Callable[[Callable[[str], object]], Callable[[str], object]],
) -> Iterator[None]:
    before = bucket_module._client
    bucket_module._client = change(before)  # type: ignore[assignment]
    try:
        yield
    finally:
        bucket_module._client = before
