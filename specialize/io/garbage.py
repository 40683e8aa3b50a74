"""How often the interpreter looks for garbage while much is made that stays.

Reading tokenizers and texts makes hundreds of thousands of objects, nearly all still in use:
looking through them again and again took a twelfth of the align stage.
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
