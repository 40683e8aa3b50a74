"""How often Python's collector looks for garbage while much is made that stays.

Reading tokenizers and texts makes hundreds of thousands of objects, importing torch and
transformers a million, nearly all still in use. Looking through them again and again took a twelfth
of the align stage, and a third of the import.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

TIMES = 100  # as many new objects as usual before the youngest are looked through


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage ``TIMES`` less often inside the block; a collector that is off stays so."""
    first, *others = gc.get_threshold()
    gc.set_threshold(TIMES * first, *others)
    try:
        yield
    finally:
        gc.set_threshold(first, *others)


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
