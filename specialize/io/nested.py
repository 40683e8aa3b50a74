"""Nested values under dotted keys: what a message, a table or a tracker shows of a configuration.

{"lora": {"rank": 16}, "stop": ["Q:"], "sets": [{"set": "gsm8k"}]}
-> {"lora.rank": 16, "stop": ["Q:"], "sets.0.set": "gsm8k"}
"""

from __future__ import annotations

from collections.abc import Mapping


def flatten(values: Mapping[str, object], *, separator: str = ".") -> dict[str, object]:
    """The leaves of ``values`` by their path.

    Args:
        values: mappings and lists at any depth. A list without a mapping in it is a leaf, an empty
            mapping has none.
        separator: between the keys of a path.
    """
    flat: dict[str, object] = {}
    for key, value in values.items():
        inner = _children(value)
        if inner is None:
            flat[str(key)] = value
        else:
            below = flatten(inner, separator=separator)
            flat |= {f"{key}{separator}{path}": leaf for path, leaf in below.items()}
    return flat


def _children(value: object) -> Mapping[str, object] | None:
    """What is below ``value``; None for a leaf."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        return {str(i): each for i, each in enumerate(value)}
    return None
