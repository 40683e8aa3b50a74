"""Fault injection: ``SPECIALIZE_FAULT=n`` kills the process before its n-th file operation.

The kill is SIGKILL, so that nothing is cleaned up, as when memory runs out. Every operation that
changes a file (make, open, write, fsync, rename, remove) announces itself; without the variable
this costs one comparison.
"""

from __future__ import annotations

import itertools
import os
import signal

_operations = itertools.count(1)
_fatal = int(os.environ.get("SPECIALIZE_FAULT", "0"))


def before_file_operation() -> None:
    """Die here if this is the operation that was asked for."""
    if _fatal and next(_operations) == _fatal:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(operation: int) -> None:
    """Die before the ``operation``-th file operation from now; 0: never."""
    global _fatal, _operations
    _fatal, _operations = operation, itertools.count(1)
