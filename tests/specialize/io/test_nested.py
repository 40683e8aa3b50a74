"""Nested values under dotted keys."""

from __future__ import annotations

import pytest

from specialize.io.nested import flatten


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        ({}, {}),
        ({"a": 1}, {"a": 1}),
        ({"a": {"b": {"c": None}}}, {"a.b.c": None}),
        ({"a": {}}, {}),
        ({"a": []}, {"a": []}),
        ({"a": [1, 2]}, {"a": [1, 2]}),
        ({"a": [{"b": 1}, {"c": 2}]}, {"a.0.b": 1, "a.1.c": 2}),
        ({"a": ({"b": 1}, 3)}, {"a.0.b": 1, "a.1": 3}),
    ],
)
def test_leaves_by_their_path(values: dict[str, object], flat: dict[str, object]) -> None:
    assert flatten(values) == flat


def test_another_separator() -> None:
    line = {"loss": 1.5, "objectives": {"zero-shot-cot": {"nats": 0.5}}}
    assert flatten(line, separator="/") == {"loss": 1.5, "objectives/zero-shot-cot/nats": 0.5}
