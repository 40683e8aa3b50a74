"""What processes of one machine take for the work that one process takes alone.

    shared(Took(10.0, 18.0), Took(), share=0.5, processes=2, cores=2) -> Took(9.0, 18.0)

Alone it kept 1.8 cores busy, so that two processes are hardly faster. Three limits, of which the
last one reached counts: the process with most of the work takes its share of the time; on its own
threads, its share of the processor's seconds; all together, theirs on all cores.
"""

from __future__ import annotations

from specialize.io.times import Took


def shared(work: Took, loads: Took, *, share: float, processes: int, cores: int) -> Took:
    """Of ``work`` that is divided and ``loads`` that every process repeats.

    Args:
        work, loads: what one process takes that has all cores.
        share: of the work, that the process with most of it does.
        processes: at once; each has its part of the cores as threads, and one at least.
        cores: of the machine.
    """
    most = work * share + loads
    spent = work.processor_seconds + processes * loads.processor_seconds
    threads = max(1, cores // processes)
    seconds = max(most.seconds, most.processor_seconds / threads, spent / cores)
    return Took(seconds, spent)
