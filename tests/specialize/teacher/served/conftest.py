"""What every test of served teachers shares."""

from __future__ import annotations

import pytest

from specialize.teacher.served import exchange


@pytest.fixture(autouse=True)
def no_long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are never believed are asked again at once, not after 1.5 s in all."""
    monkeypatch.setattr(exchange, "_PAUSE", 0.001)
