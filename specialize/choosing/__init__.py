"""Choosing a run's checkpoint, by our own scores or by those of another harness."""

from specialize.choosing.stage import select, select_run

__all__ = ["select", "select_run"]
