"""Compiled passes over a shard, where it pays to load what they need.

    load()                       # much is to be read, or kernels are at work anyway
    ids_of_sound_rows(...)       # from now on

Numba's first call takes .4 s of the processor, and compiling the passes two more once; meanwhile
the readers that need nothing look at millions of positions. So nothing is loaded unless ``load``
was called, and until then all is left to those readers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from specialize.store.description import StoreDescription
from specialize.store.ragged import Number

# positions: verifying .8 million takes as long with the passes (.65 s, compiled before), 10 million
# 1.1 s with them and 3.3 s without
MANY = 2_000_000
_loaded = False


def load() -> None:
    """Have the passes used from now on in this process."""
    global _loaded
    _loaded = True


def are_loaded() -> bool:
    return _loaded


def ids_of_sound_rows(
    arrays: Mapping[str, NDArray[Number]], description: StoreDescription
) -> NDArray[np.bool_] | None:
    """See ``sound_rows``; None too where the passes are not loaded."""
    if not are_loaded():
        return None
    from specialize.store import sound_rows

    return sound_rows.ids_of_sound_rows(arrays, description)


def are_plain(texts: bytes, arrays: Mapping[str, NDArray[Number]]) -> bool:
    """See ``plain_lines``; False too where the passes are not loaded."""
    if not are_loaded():
        return False
    from specialize.store import plain_lines

    return plain_lines.are_plain(texts, arrays)
