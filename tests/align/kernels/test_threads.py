"""Ranges of samples on several threads."""

from __future__ import annotations

import threading
from multiprocessing import get_context

import pytest

from align.kernels.threads import in_order, over_samples


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", [0, 1, 5, 6, 14, 100])
def test_ranges_cover_the_samples_in_order(threads: int, samples: int) -> None:
    ranges = over_samples(threads, samples, lambda first, last: (first, last))
    assert [s for first, last in ranges for s in range(first, last)] == list(range(samples))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_ranges_are_settled_in_order_and_one_at_a_time(threads: int) -> None:
    ends, settling = [0], threading.Lock()

    def settle(part: tuple[int, int]) -> None:
        assert settling.acquire(blocking=False)
        assert part[0] == ends[-1]
        ends.append(part[1])
        settling.release()

    in_order(threads, 1000, lambda first, last: (first, last), settle)
    assert ends[-1] == 1000
    assert threads == 1 or len(ends) > 2 * threads


def test_a_process_forked_off_has_threads_of_its_own() -> None:
    def on_two_threads() -> None:
        both, seen = threading.Barrier(2, timeout=10), set[int]()

        def kernel(first: int, last: int) -> None:
            if threading.get_ident() not in seen:
                seen.add(threading.get_ident())
                both.wait()

        over_samples(2, 100, kernel)

    on_two_threads()
    child = get_context("fork").Process(target=on_two_threads)
    child.start()
    child.join(timeout=60)
    assert child.exitcode == 0


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
