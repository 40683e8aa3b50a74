"""A folder of objects, read and written through fsspec.

    bucket = Bucket("s3://bucket/run/responses/x")
    bucket.put("store.json", content)
    bucket.put_new("lines/00003.json", line)      False: there is one already

Objects are written whole or not at all, have no rename and cannot be appended to. Errors that pass
are tried again by the provider's own client; what remains becomes one message. Every change
announces itself to ``io.fault_injection`` as a file operation does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from specialize.errors import ConfigurationError, SpecializeError, StorageError, first_line
from specialize.io.fault_injection import before_file_operation
from specialize.objects.address import PACKAGES

if TYPE_CHECKING:  # what reads no address starts without it
    from fsspec import AbstractFileSystem

Answer = TypeVar("Answer")
# objects that a process reads at once: seven times as fast as one by one
# (docs/object_storage.md); other numbers were not tried
AT_ONCE = 16
# with more, s3fs asks for the size of each object before it reads it
_OPTIONS = {"s3": {"max_concurrency": 1}}
# what clients call credentials that are missing or of no use
_CREDENTIALS = (
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError",
    "UnauthorizedSSOTokenError", "DefaultCredentialsError", "RefreshError",
)  # fmt: skip
# By process and protocol. A forked process makes its own client, and must not drop its parent's:
# the descriptors that this would close are others' by then.
_clients: dict[tuple[int, str], AbstractFileSystem] = {}


@dataclass(frozen=True, slots=True)
class Bucket:
    """The objects below ``address``; names are relative to it."""

    address: str

    def get(self, name: str) -> bytes | None:
        """The content of an object; None: there is none."""
        try:
            content: bytes = self._call(name, lambda client, path: client.cat_file(path))
        except FileNotFoundError:
            return None
        return content

    def get_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of ``names`` that exist, many read at once."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="get") as threads:
            contents = threads.map(self.get, names)
            return {
                name: content
                for name, content in zip(names, contents, strict=True)
                if content is not None
            }

    def put(self, name: str, content: bytes) -> None:
        """Write an object, over one of its name; when this returns, it is durable."""
        before_file_operation()
        with self._bucket_named():
            self._call(name, lambda client, path: client.pipe_file(path, content))

    def put_new(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one; whether it was written.

        On S3 and Google's storage the storage itself decides, so that of two writers one is told.
        """
        before_file_operation()
        try:
            with self._bucket_named():
                self._call(name, lambda client, at: client.pipe_file(at, content, mode="create"))
        except FileExistsError:
            return False
        return True

    def copy(self, source: Bucket, name: str) -> None:
        """Give the object ``name`` of ``source`` that name here too; its bytes stay there."""
        before_file_operation()
        with self._bucket_named():
            self._call(name, lambda client, path: client.copy(source._path(name), path))

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error."""
        if not names:
            return
        before_file_operation()
        paths = [self._path(name) for name in names]
        try:
            self._call("", lambda client, _: client.rm(paths))
        except FileNotFoundError:  # from some clients, where not all of them are there
            for name in names if len(names) > 1 else ():
                self.remove([name])

    def sizes(self, below: str = "") -> dict[str, int]:
        """The names of all objects, or of those whose names begin with ``below``, and their bytes.

        Raises:
            ConfigurationError: there is no such bucket.
        """
        try:
            found = self._call(below, lambda client, path: client.find(path, detail=True))
        except FileNotFoundError as error:
            if "bucket" in str(error):
                raise self._no_bucket(error) from None
            return {}
        skip = len(self._path("")) + 1
        return {path.lstrip("/")[skip:]: int(about["size"]) for path, about in found.items()}

    def size(self, name: str) -> int | None:
        """The bytes of one object, asked for itself, not listed; None: there is none."""
        try:
            return int(self._call(name, lambda client, path: client.info(path))["size"])
        except FileNotFoundError:
            return None

    @contextmanager
    def _bucket_named(self) -> Iterator[None]:
        """Run the body, which writes: what it does not find is the bucket."""
        try:
            yield
        except FileNotFoundError as error:
            raise self._no_bucket(error) from None

    def _no_bucket(self, error: FileNotFoundError) -> ConfigurationError:
        return ConfigurationError(
            f"{self.address}: {first_line(error)}; make it, or correct the address"
        )

    def _path(self, name: str) -> str:
        """As the client names it."""
        where = self.address.partition("://")[2]
        return f"{where}/{name}" if name else where

    def _call(self, name: str, call: Callable[[AbstractFileSystem, str], Answer]) -> Answer:
        with _named(f"{self.address}/{name}".rstrip("/")):
            return call(_client(self.address.partition("://")[0]), self._path(name))


def _client(protocol: str) -> AbstractFileSystem:
    import fsspec

    key = os.getpid(), protocol
    if key not in _clients:
        try:
            # A listing of this very moment, always.
            _clients[key] = fsspec.filesystem(
                protocol, use_listings_cache=False, skip_instance_cache=True,
                **_OPTIONS.get(protocol, {}),
            )  # fmt: skip
        except ImportError:
            package = PACKAGES[protocol]
            extra = "'specialize[s3]'" if protocol == "s3" else package
            raise ConfigurationError(
                f"{protocol}:// needs the package {package}; pip install {extra}"
            ) from None
    return _clients[key]


@contextmanager
def _named(address: str) -> Iterator[None]:
    """Run the body, which calls a client; its errors become one line with the address.

    Raises:
        ConfigurationError: no access, or no credentials.
        StorageError: no answer, also after the client's own attempts.
        FileNotFoundError, FileExistsError: as the client raised them.
    """
    try:
        yield
    except (SpecializeError, FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, PermissionError) or names & {*_CREDENTIALS}:
            raise ConfigurationError(
                f"{address}: no access ({first_line(error)}); check the credentials in the "
                f"environment or in the provider's own files, and what they may do in this bucket"
            ) from None
        raise StorageError(
            f"{address} cannot be reached: {first_line(error).rstrip('.')}; what was committed is "
            f"kept, and the same command goes on"
        ) from None
