"""Ranges of samples on several threads."""

from __future__ import annotations

import threading

import pytest

from align.threads import over_samples


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", [0, 1, 5, 6, 14, 100])
def test_ranges_cover_the_samples_in_order(threads: int, samples: int) -> None:
    ranges = over_samples(threads, samples, lambda first, last: (first, last))
    assert [s for first, last in ranges for s in range(first, last)] == list(range(samples))


@pytest.mark.parametrize("in_caller", [True, False])
def test_an_error_reaches_the_caller_from_any_thread(in_caller: bool) -> None:
    both, caller = threading.Barrier(2, timeout=10), threading.current_thread()
    seen = threading.local()

    def kernel(first: int, last: int) -> None:
        if not getattr(seen, "begun", False):
            seen.begun = True
            both.wait()  # so that both threads have a range
        if (threading.current_thread() is caller) == in_caller:
            raise ValueError(f"a fault in {first}:{last}")

    with pytest.raises(ValueError, match="a fault in"):
        over_samples(2, 100, kernel)
