"""Importing torch and transformers in two thirds of the processor time.

They make a million objects that stay. Python's collector walks through them again and again, while
they are made, later, and at the end, and finds nothing to free.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """No garbage is looked for in the body; afterwards it is, but not among what there is now."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
