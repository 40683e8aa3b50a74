"""The variables by which the tokenizers library is told its threads."""

from __future__ import annotations

import os

import pytest

from specialize.tokens.library_threads import COUNT, SWITCH, library_threads


@pytest.mark.parametrize(("threads", "switch"), [(1, "false"), (2, "true"), (8, "true")])
def test_inside_the_block(monkeypatch: pytest.MonkeyPatch, threads: int, switch: str) -> None:
    for name in (SWITCH, COUNT):
        monkeypatch.delenv(name, raising=False)
    with library_threads(threads):
        assert (os.environ[SWITCH], os.environ[COUNT]) == (switch, str(threads))
    assert SWITCH not in os.environ
    assert COUNT not in os.environ


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "false")
    monkeypatch.delenv(COUNT, raising=False)
    with library_threads(4):
        assert (os.environ[SWITCH], os.environ[COUNT]) == ("false", "4")
    assert os.environ[SWITCH] == "false"
