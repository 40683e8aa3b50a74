"""YAML is read as plain data, in bounded time and memory."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from specialize.config.bounded_yaml import read_yaml

LAUGHS = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(20)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, r"line 2: aliases \(\*a\)"),
        ("a: &x 1\nb: *x", "line 2: aliases"),
        ("<<: {a: 1}\nb: *y", "aliases|not YAML"),
        ("[" * 5000, "nested deeper than 20|not YAML"),
        ("[" * 5000 + "]" * 5000, "nested deeper than 20"),
        ("{a: " * 30 + "1" + "}" * 30, "nested deeper than 20"),
        ("a: 1\na: 2", "line 2: the key 'a' appears twice"),
        ("a:\n  b: 1\n  b: 2", "line 3: the key 'b' appears twice"),
        ("[1, 2]: 3", "line 1: a key must be a word"),
        ("{a: 1}: 3", "line 1: a key must be a word"),
        ("? [a]\n: b", "line 1: a key must be a word"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("!!python/name:os.system", "not YAML"),
        ("!x y", "not YAML"),
        ("a: [1, 2", "not YAML"),
        ("a: b: c", "not YAML"),
        ("\x00", "not YAML"),
        ("a: 1\n--- \nb: 2", "not YAML"),
        ("x" * (1 << 20 | 1), "1,048,577 bytes"),
    ],
)
def test_refused_within_a_second(text: str, reason: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=reason):
        read_yaml(text)
    assert time.process_time() - started < 1


# PyYAML itself writes a lone line break of these as it is, and reads it back as a space
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | words.filter(lambda w: len(w) < 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(plain)
def test_plain_data_comes_back(value: object) -> None:
    class NoAliases(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    assert read_yaml(yaml.dump(value, Dumper=NoAliases, allow_unicode=True)) == value
