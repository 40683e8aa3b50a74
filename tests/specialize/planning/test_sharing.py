"""Work that processes of one machine share: three limits, and the share of the one with most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.io.times import Took
from specialize.planning.sharing import shared
from specialize.planning.work import Stage

seconds, counts = st.floats(0, 100), st.integers(1, 8)


@pytest.mark.parametrize(
    ("work", "loads", "share", "processes", "cores", "took"),
    [
        (Took(10, 18), Took(), 0.5, 2, 2, Took(9, 18)),  # all cores were busy before
        (Took(10, 10), Took(), 0.5, 2, 2, Took(5, 10)),  # one was not
        (Took(10, 18), Took(), 0.8, 2, 2, Took(14.4, 18)),  # the one with most has one core
        (Took(10, 18), Took(), 0.8, 2, 4, Took(8, 18)),  # or two
        (Took(10, 10), Took(), 0.25, 4, 2, Took(5, 10)),  # four on two cores
        (Took(10, 10), Took(2, 2), 0.5, 2, 2, Took(7, 14)),  # each loads
        (Took(10, 0), Took(2, 0), 0.5, 2, 2, Took(7, 0)),  # the processor's seconds are not known
    ],
)
def test_the_last_limit_counts(
    work: Took, loads: Took, share: float, processes: int, cores: int, took: Took
) -> None:
    assert shared(work, loads, share=share, processes=processes, cores=cores) == took


@given(seconds, st.floats(0, 1), st.floats(0, 1), counts, counts)
def test_never_faster_than_the_cores_nor_slower_than_one_core(
    spent: float, busy: float, share: float, processes: int, cores: int
) -> None:
    """``busy`` is the share of the cores that one process kept busy."""
    work = Took(spent / max(1.0, busy * cores), spent)
    share = max(share, 1 / processes)
    took = shared(work, Took(), share=share, processes=processes, cores=cores)
    assert spent / cores <= took.seconds <= spent
    assert took.processor_seconds == spent
    assert shared(work, Took(), share=1.0, processes=1, cores=cores) == work


@given(st.integers(1, 5000), st.integers(1, 600), st.integers(1, 40))
def test_the_first_worker_has_most(items: int, each: int, workers: int) -> None:
    sizes = [min(each, items - first) for first in range(0, items, each)]
    held = [sum(sizes[first::workers]) for first in range(min(workers, len(sizes)))]
    stage = Stage("dump t", items, "responses", items, parts=len(sizes), part_items=each)
    assert stage.largest_share(workers) == pytest.approx(max(held) / items)


@pytest.mark.parametrize(("parts", "workers", "share"), [(9, 2, 5 / 9), (8, 2, 0.5), (3, 8, 1 / 3)])
def test_parts_of_one_size(parts: int, workers: int, share: float) -> None:
    stage = Stage("evaluate", 6 * parts, "answers", 1, parts=parts)
    assert stage.largest_share(workers) == pytest.approx(share)
