"""Garbage is looked for less often, or not at all, inside a block, and as before after it."""

from __future__ import annotations

import gc

import pytest

from specialize.io.garbage import TIMES, importing, seldom_collected


def collections(objects: int) -> int:
    """How often the youngest were looked through while ``objects`` were made."""
    before = gc.get_stats()[0]["collections"]
    kept = [[number] for number in range(objects)]
    return gc.get_stats()[0]["collections"] - before if kept else 0


def test_garbage_is_looked_for_less_often() -> None:
    objects = 20 * gc.get_threshold()[0]
    usual = collections(objects)
    with seldom_collected():
        assert collections(objects) < usual / 4
    assert collections(objects) > usual / 4


def test_thresholds_come_back_after_an_error() -> None:
    before = gc.get_threshold()

    @seldom_collected()
    def fail() -> None:
        raise ValueError(str(gc.get_threshold()[0]))

    with pytest.raises(ValueError, match=f"^{TIMES * before[0]}$"):
        fail()
    assert gc.get_threshold() == before


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
