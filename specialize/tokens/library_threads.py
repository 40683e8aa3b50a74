"""How many threads the tokenizers library works on.

It looks at two variables of the environment and at nothing else: at each call whether to use
threads at all, and at the first such call how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH, COUNT = "TOKENIZERS_PARALLELISM", "RAYON_NUM_THREADS"


@contextmanager
def library_threads(threads: int) -> Iterator[None]:
    """Let the library work on at most ``threads`` inside the block; what the user set stays."""
    wanted = {SWITCH: "true" if threads > 1 else "false", COUNT: str(threads)}
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
