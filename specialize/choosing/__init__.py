"""Choosing a run's checkpoint, by our own scores or by those of another harness."""

from specialize.choosing.from_harness import select_from_harness
from specialize.choosing.harness import HarnessLogs
from specialize.choosing.stage import select, select_run

__all__ = ["HarnessLogs", "select", "select_from_harness", "select_run"]
