"""Profiles and fixtures that every test may use."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import fresh

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
