"""The collector rests while large packages are imported, and is as it was afterwards."""

from __future__ import annotations

import gc

import pytest

from specialize.io.large_imports import importing


def test_the_collector_rests_and_comes_back() -> None:
    gc.unfreeze()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000  # what stays is not walked through again
    with pytest.raises(ImportError, match="none"), importing():
        raise ImportError("none")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
