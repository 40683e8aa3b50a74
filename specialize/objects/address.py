"""Addresses in object storage, and the directory of this machine that stands for each.

    s3://bucket/run/responses/x   <->   ~/.cache/specialize/stores/s3/bucket/run/responses/x

What reads or writes a store works on that directory; ``specialize.store.remote`` keeps it in step
with the bucket. ``$SPECIALIZE_CACHE`` names another place for all of them. An address is never
taken from a file that somebody else wrote, only from arguments.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from specialize.errors import ConfigurationError

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}  # by protocol
# Path("s3://bucket/x") has one slash left
_ADDRESS = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)


def is_address(place: str | Path) -> bool:
    """Whether ``place`` reads ``PROTOCOL://...``, whatever the protocol."""
    return _ADDRESS.fullmatch(str(place)) is not None


def directory_of(place: str | Path) -> Path:
    """The directory here for an address; any other path as it is.

    Raises:
        ConfigurationError: an unknown protocol, no path below a bucket, or an address with a
            password, a query or a signature in it. What it says repeats none of these.
    """
    match = _ADDRESS.fullmatch(str(place))
    if match is None:
        return Path(place)
    protocol, rest = match["protocol"], match["rest"].rstrip("/")
    if protocol not in PACKAGES:
        known = ", ".join(f"{name}://" for name in PACKAGES)
        raise ConfigurationError(f"a store is in a directory or at {known}, not at {protocol}://")
    if "?" in rest or "#" in rest or "@" in rest.partition("/")[0]:
        raise ConfigurationError(
            f"this {protocol}:// address has credentials or a query in it; name the bucket and the "
            f"path alone: credentials are taken from the environment or the provider's own files"
        )
    parts = rest.split("/")
    if len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        raise ConfigurationError(
            f"{protocol}://{rest} is no place for a store; name a path below a bucket, such as "
            f"{protocol}://bucket/run/responses/big"
        )
    return cache_root() / protocol / rest


def address_of(path: Path) -> str | None:
    """The address that the directory or file ``path`` stands for; None: it is local."""
    text, root = str(path), f"{cache_root()}/"
    if not text.startswith(root):
        return None
    protocol, _, rest = text.removeprefix(root).partition("/")
    return f"{protocol}://{rest}"


def cache_root() -> Path:
    """Where the directories are that stand for addresses."""
    return _root(*map(os.environ.get, ("SPECIALIZE_CACHE", "XDG_CACHE_HOME", "HOME")))


@cache  # it is asked for with every file of a shard that is opened
def _root(named: str | None, caches: str | None, home: str | None) -> Path:
    beside = Path(caches or Path(home or Path.home()) / ".cache")
    return (Path(named) if named else beside / "specialize" / "stores").absolute()


def with_addresses(message: str) -> str:
    """``message`` with addresses in place of the directories that stand for them."""
    root = re.escape(str(cache_root()))
    return re.sub(rf"{root}/({'|'.join(PACKAGES)})/", r"\1://", message)
