"""Short names of paths, no two alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specialize.errors import ConfigurationError


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The last part of every path, with as many before it as make all of them different.

    Raises:
        ConfigurationError: a path is named twice.
    """
    whole = [path.resolve() for path in paths]
    if len(set(whole)) < len(whole):
        raise ConfigurationError("a run is named twice; name different runs")
    for count in range(1, max(len(path.parts) for path in whole) + 1):
        names = ["/".join(path.parts[-count:]) for path in whole]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in whole]
