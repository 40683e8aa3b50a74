"""Profiles and fixtures that every test may use."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support import fresh

if TYPE_CHECKING:
    from tests.support.object_storage import Server

# Kernels compile on their first call, which outlasts hypothesis' deadline.
# Where CI is set the examples are the same each time, so that a red run is red for its change.
settings.register_profile(
    "project",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("project")
# Before torch is loaded: toy models gain nothing from threads, and spinning ones starve others.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# A shell starts what runs in its background with Ctrl-C ignored, and processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Modules stay: looking through all of theirs for garbage, again and again, takes a fifth of a run.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real datasets: $SPECIALIZE_DATA, or ``shared/data`` beside the checkout."""
    named = os.environ.get("SPECIALIZE_DATA")
    path = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (path / "MANIFEST.md").is_file():
        pytest.skip(f"no real data at {path}; set SPECIALIZE_DATA to run this test")
    return path


@pytest.fixture(scope="session")
def python() -> Iterator[fresh.Run]:
    """Runs programs in interpreters that have nothing of ours imported."""
    with fresh.interpreters() as run:
        yield run


@pytest.fixture(scope="session")
def object_server() -> Iterator[Server]:
    """A server of S3's protocol on this machine; what it needs is imported for those who ask."""
    from tests.support.object_storage import Server

    server = Server()
    yield server
    server.stop()


@pytest.fixture
def storage(
    object_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """The server with an empty ``bucket``, credentials for it, and nothing of it here."""
    from tests.support.object_storage import clients

    for name, value in object_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPECIALIZE_CACHE", str(tmp_path / "cache"))
    client = clients()
    if client.exists("bucket"):
        client.rm("bucket", recursive=True)
    client.mkdir("bucket")
    object_server.requests.clear()
    yield object_server
    object_server.faults = None
