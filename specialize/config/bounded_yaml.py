"""YAML as plain data, within bounds: no aliases, no repeated keys, bounded size and depth.

    read_yaml("a: {b: [1, 2]}")  ->  {"a": {"b": [1, 2]}}

An alias lets a few lines unfold into gigabytes, and a repeated key silently hides the first; both
are refused with their line, as are tags, keys that are not text, and text nested deeper than any
recipe. The parser reads events, so that nothing is built before it is known to be small.
"""

from __future__ import annotations

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 20

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


def read_yaml(text: str) -> Value:
    """The value that ``text`` holds.

    Raises:
        ValueError: it is no YAML, or outside the bounds; says what and in which line.
    """
    size = len(text.encode())
    if size > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        _check_events(text)
        value: Value = yaml.load(text, _PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    return value


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {line}: aliases (*{event.anchor}) are not read; write it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"line {line}: it is nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, in which a repeated key and a key that is not text are errors."""


def _mapping(loader: _PlainLoader, node: yaml.MappingNode) -> dict[object, object]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.YAMLError(f"line {line}: a key must be a word, not a list or mapping")
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.YAMLError(f"line {line}: the key {key!r} appears twice")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_PlainLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
